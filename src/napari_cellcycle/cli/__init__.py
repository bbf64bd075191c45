"""The command line: one command a step, and those around them."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from napari_cellcycle import __version__
from napari_cellcycle.cli import (
    cellular,
    demo,
    doctor,
    figures,
    files,
    mask_scores,
    models,
    nuclei,
    queries,
    scores,
    steps,
    teach,
    train,
    train_segment,
    train_stage,
)
from napari_cellcycle.cli.console import spoken_errors

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-cellcycle",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"napari-cellcycle {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version"),
    ] = False,
) -> None:
    """Segment, track and stage dividing cells in microscopy time-lapse.

    To begin: 'napari-cellcycle demo' does the whole job on a sample movie, 'napari-cellcycle
    run MOVIE --out NAME.cellcycle' on your own. Every command has a --help with an example.

    Exit codes: 0 done, 1 an error in the program or something for 'doctor' to tell, 2 something
    in the input, which the message says, 130 stopped with Ctrl-C.
    """


def _add(command: Callable[..., Any], group: typer.Typer = app, name: str | None = None) -> None:
    """Make a command, its help from its docstring, the example of it kept on one line."""
    group.command(name, **_told(command))(spoken_errors(command))


def _told(command: Callable[..., Any]) -> dict[str, Any]:
    """Help, short help and example from the docstring of a command."""
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("Example: ")
    first = text.split("\n\n")[0].split(": ")[0].replace("\n", " ").strip().rstrip(".")
    epilog = f"\b\nExample:\n  {example.strip()}"
    return {"help": text, "short_help": first, "epilog": epilog}


for _command in (
    steps.run,
    steps.segment,
    steps.track,
    steps.classify,
    mask_scores.score,
    scores.evaluate,
    files.export,
    figures.figures,
    figures.movie,
    figures.report,
    figures.centres,
    nuclei.events,
    files.simulate,
    doctor.doctor,
    demo.demo,
    teach.teach,
):
    _add(_command)
_add(files.import_tracks, name="import")

_models = typer.Typer(rich_markup_mode=None)
_models.callback(invoke_without_command=True, **_told(models.models))(spoken_errors(models.models))
app.add_typer(_models, name="models")
for _command in (
    models.show,
    models.compare,
    models.use,
    models.rollback,
    models.rename,
    models.export,
    models.remove,
    models.restore,
    models.empty_bin,
):
    _add(_command, _models)
_add(models.import_, _models, "import")

_train = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train models of your own: 'train segment' teaches the finding of cells, 'train link' "
    "their linking, 'train stage' their stages.",
    short_help="Train models of your own",
)
app.add_typer(_train, name="train")
for _command in (train_segment.segment, train.link, train_stage.stage):
    _add(teach.with_job(_command), _train)

_cellular = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Data in the layout of CELLULAR (masks/FIELD/CLASS/*.png): 'cellular run' teaches "
    "segmentation models on it and scores them, the other commands do one part of that.",
    short_help="Teach and score on data in the layout of CELLULAR",
)
app.add_typer(_cellular, name="cellular")
for _command in (cellular.run, cellular.prepare, cellular.evaluate, cellular.simulate):
    _add(_command, _cellular)

_queries = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Cells as points, from images annotated with labelme or X-AnyLabeling: 'queries train' "
    "teaches a segmenter and a classifier on them, 'queries evaluate' scores both.",
    short_help="Teach and score cells as points on labelme files",
)
app.add_typer(_queries, name="queries")
for _command in (queries.prepare, queries.train, queries.evaluate):
    _add(_command, _queries)


def main() -> None:
    """Run the command line."""
    app(prog_name="napari-cellcycle")
