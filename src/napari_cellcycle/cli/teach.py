"""The command that teaches models from corrections, as the viewer does, and its job files."""

import inspect
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellcycle.cli.console import INTERRUPTED, Bar, say, spoken_errors
from napari_cellcycle.cli.options import AUTO, Device, Epochs, ModelFolder
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.models.store import Kind
    from napari_cellcycle.training.teach import TaughtModel, TaughtResult, TeachRequest


class KindName(StrEnum):
    """What can be taught."""

    SEGMENT = "segment"
    LINK = "link"
    STAGE = "stage"


class EffortName(StrEnum):
    """How long models learn."""

    QUICK = "quick"
    THOROUGH = "thorough"


def teach(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Corrected experiments (NAME.cellcycle)")
    ] = None,
    kind: Annotated[
        list[KindName] | None,
        typer.Option(help="What to teach; may be given several times; all if not given"),
    ] = None,
    effort: Annotated[
        EffortName, typer.Option(help="Minutes ('quick'), or as long as it helps ('thorough')")
    ] = EffortName.QUICK,
    base: Annotated[
        str | None,
        typer.Option(help="With one --kind: the model to begin with; the one in use if not given"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="With one --kind: what the new model is called, also when it is accepted by --job"
        ),
    ] = None,
    epochs: Epochs = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model")] = 0,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Use new models from now on, unless they turn out worse"),
    ] = False,
    job: Annotated[
        Path | None,
        typer.Option(help="Go on with the teaching of a job.json instead, or accept its models"),
    ] = None,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete",
            help="Delete the teaching of the --job: its copy of the corrections, and proposals "
            "that were not accepted",
        ),
    ] = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Teach models from corrections: score them before and after on what is kept aside.

    Frames marked as done, masks, links and stages that you corrected or confirmed are learned
    from, and nothing else. A part of them is kept aside, to score the old and the new model on.
    New models are proposals until --accept; one that got worse is never accepted so.

    Example: napari-cellcycle teach mine.cellcycle --kind link --effort quick --accept
    """
    from napari_cellcycle.training.teach import KINDS, TeachRequest, TeachSettings, read_request

    if (job is None) == (not sources):
        raise BadInput("Give corrected experiments (NAME.cellcycle), or a --job, but not both.")
    if job is None and delete:
        raise BadInput("--delete is for a teaching that there is: name it with --job.")
    if job is not None and base:
        raise BadInput("The base models of a --job are named in it: leave --base out.")
    asked = {each.value for each in kind or KindName}
    known = KINDS if job is None else read_request(job).kinds
    kinds = tuple(each for each in known if each in asked)
    if len(kinds) > 1 and (base or name):
        raise BadInput("--base and --name are for one kind of model: add --kind.")
    if job is not None and delete:
        _delete(read_request(job))
        return
    if job is not None:
        request = read_request(job)
    else:
        request = TeachRequest(
            sources=tuple(sources or ()),
            kinds=kinds,
            bases={kinds[0]: base} if base else {},
            names={kinds[0]: name} if name else {},
            settings=TeachSettings(effort=effort.value, epochs=epochs, seed=seed),
            device=device.value,
            model_folder=model_folder,
        )
    _report(_taught(request), dict.fromkeys(kinds, name) if accept else {})


def _delete(request: "TeachRequest") -> None:
    from napari_cellcycle.jobs.teaching import attach

    teaching = attach(request.name, request.model_folder)
    teaching.delete()
    say(f"The teaching {teaching.name} is deleted.")


def with_job(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a training command the option --job, which takes the place of all others."""
    signature = inspect.signature(command)

    def trained(*, job: Path | None = None, **given: Any) -> Any:
        return command(**given)

    option = inspect.Parameter(
        "job", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=JobFile
    )
    trained.__name__, trained.__doc__ = command.__name__, command.__doc__
    parameters = [*signature.parameters.values(), option]
    trained.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    trained.__annotations__ = {each.name: each.annotation for each in parameters}
    return trained


def _run_job(context: typer.Context, job: Path | None) -> None:
    """Run the part of a job file that is about the command's kind of model, and end."""
    if job is None or context.resilient_parsing:
        return
    spoken_errors(_train_job)(job=job, kind=context.command.name)
    raise typer.Exit


JobFile = Annotated[
    Path | None,
    typer.Option(
        "--job",
        is_eager=True,
        callback=_run_job,
        help="Train what a job.json of the viewer asks for, and nothing else: the same model "
        "comes out (same seed, same machine)",
    ),
]


def _train_job(job: Path, kind: str) -> None:
    """Run a teaching anew, in a folder of its own, from the corrections that it began with."""
    from napari_cellcycle.models.library import free_name
    from napari_cellcycle.training.teach import read_request
    from napari_cellcycle.training.teach.material import DATA
    from napari_cellcycle.training.teach.request import KINDS

    found = read_request(job)
    if kind not in found.kinds:
        raise BadInput(
            f"{job} teaches {' and '.join(found.kinds)}, not {kind}: use 'napari-cellcycle train "
            f"{found.kinds[0]} --job'."
        )
    kinds = tuple(each for each in KINDS if each == kind)
    names = {each: free_name(name, found.model_folder) for each, name in found.names.items()}
    asked = {"kinds": kinds, "names": names, "name": f"{found.name}-{kind}"}
    request = found.model_copy(update=asked)
    number = 2
    while request.folder.exists():
        request = request.model_copy(update={"name": f"{found.name}-{kind}-{number}"})
        number += 1
    began_with = job.parent / DATA
    if began_with.is_dir():
        shutil.copytree(began_with, request.folder / DATA)
    _report(_taught(request), {})


def _taught(request: "TeachRequest") -> "TaughtResult":
    from napari_cellcycle.jobs.teaching_files import note_process, process_of
    from napari_cellcycle.training.teach import read_result
    from napari_cellcycle.training.teach import teach as run
    from napari_cellcycle.training.teach.proposals import JOB, keep_request

    if read_result(request.folder) is None and process_of(request.folder) is not None:
        raise BadInput(
            f"The teaching {request.name} runs in another process: wait for its end, or stop it."
        )
    request = keep_request(request)
    note_process(request.folder, os.getpid())
    try:
        with Bar() as bar:
            return run(request, bar)
    except KeyboardInterrupt:
        job = request.folder / JOB
        if not job.is_file():
            raise
        typer.echo(f"Stopped; napari-cellcycle teach --job {job} goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _report(result: "TaughtResult", taken: "Mapping[Kind, str | None]") -> None:
    """Tell what came of a teaching, and accept the kinds that are `taken`, under these names."""
    from napari_cellcycle.models.library import NameTaken, default_model
    from napari_cellcycle.training.teach import accept as make_own

    trouble = []
    for model in result.models:
        say(f"{model.kind:<8} {model.verdict.words}")
        say(f"         {_sentence(model.split)}")
        for note in model.notes:
            typer.echo(f"Note: {note}", err=True)
        if model.accepted is not None:
            say(f"         Accepted as {model.accepted!r}.")
        elif not model.discarded and model.kind in taken and model.verdict.recommended:
            former = default_model(model.kind, result.request.model_folder)
            try:
                result, own = make_own(result, model.kind, name=taken[model.kind])
                say(f"         {own.card.name!r} is in use now, instead of {former!r}.")
            except NameTaken as error:
                more = f"--kind {model.kind} --name {error.offer}"
                trouble.append(f"{error} Accept it so: {_accepting(result)} {more}")
        elif not model.discarded:
            _tell_how(model, result, model.kind in taken)
    for kind, why in result.refused.items():
        typer.echo(f"Not taught, {kind}: {why}", err=True)
    if trouble:
        raise BadInput(" ".join(trouble))


def _tell_how(model: "TaughtModel", result: "TaughtResult", accept: bool) -> None:
    from napari_cellcycle.models.library import default_model

    if accept or not model.verdict.recommended:
        used = default_model(model.kind, result.request.model_folder)
        say(f"         It was not accepted, so {used!r} stays in use.")
    else:
        say(f"         Accept it: {_accepting(result)}")
    say(f"         The proposed model is {model.path}.")


def _accepting(result: "TaughtResult") -> str:
    from napari_cellcycle.training.teach.proposals import JOB

    return f"napari-cellcycle teach --job {shlex.quote(str(result.folder / JOB))} --accept"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
