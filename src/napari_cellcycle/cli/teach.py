"""The command that teaches models from corrections, as the viewer does, and its job files."""

import inspect
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellcycle.cli.console import INTERRUPTED, Bar, say, spoken_errors
from napari_cellcycle.cli.options import AUTO, Device, Epochs, ModelFolder
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
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
        str | None, typer.Option(help="With one --kind: what the new model is called")
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
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Teach models from corrections: score them before and after on what is kept aside.

    Frames marked as done, masks, links and stages that you corrected or confirmed are learned
    from, and nothing else. A part of them is kept aside, to score the old and the new model on.
    New models are proposals until --accept; one that got worse is never accepted so.

    Example: napari-cellcycle teach mine.cellcycle --kind link --effort quick --accept
    """
    from napari_cellcycle.training.teach import TeachRequest, TeachSettings, read_request

    kinds = tuple(each.value for each in kind or KindName)
    if len(kinds) > 1 and (base or name):
        raise BadInput("--base and --name are for one kind of model: add --kind.")
    if (job is None) == (not sources):
        raise BadInput("Give corrected experiments (NAME.cellcycle), or a --job, but not both.")
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
    _report(_taught(request), accept)


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
    request = found.model_copy(update={"kinds": kinds, "name": f"{found.name}-{kind}"})
    number = 2
    while request.folder.exists():
        request = request.model_copy(update={"name": f"{found.name}-{kind}-{number}"})
        number += 1
    began_with = job.parent / DATA
    if began_with.is_dir():
        shutil.copytree(began_with, request.folder / DATA)
    _report(_taught(request), False)


def _taught(request: "TeachRequest") -> "TaughtResult":
    from napari_cellcycle.training.teach import teach as run
    from napari_cellcycle.training.teach.proposals import JOB

    try:
        with Bar() as bar:
            return run(request, bar)
    except KeyboardInterrupt:
        job = request.folder / JOB
        if not job.is_file():
            raise
        typer.echo(f"Stopped; napari-cellcycle teach --job {job} goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _report(result: "TaughtResult", accept: bool) -> None:
    from napari_cellcycle.training.teach import accept as make_own

    for model in result.models:
        say(f"{model.kind:<8} {model.verdict.words}")
        say(f"         {_sentence(model.split)}")
        for note in model.notes:
            typer.echo(f"Note: {note}", err=True)
        if model.accepted is not None:
            say(f"         Accepted as {model.accepted!r}.")
        elif not model.discarded and accept and model.verdict.recommended:
            result, own = make_own(result, model.kind)
            say(f"         {own.card.name!r} is in use now, instead of {model.base!r}.")
        elif not model.discarded:
            _tell_how(model, result, accept)
    for kind, why in result.refused.items():
        typer.echo(f"Not taught, {kind}: {why}", err=True)


def _tell_how(model: "TaughtModel", result: "TaughtResult", accept: bool) -> None:
    from napari_cellcycle.training.teach.proposals import JOB

    if accept or not model.verdict.recommended:
        say(f"         It was not accepted, so {model.base!r} stays in use.")
    else:
        job = result.folder / JOB
        say(f"         Accept it: napari-cellcycle teach --job {job} --accept")
    say(f"         The proposed model is {model.path}.")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
