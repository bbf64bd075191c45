"""Commands for data in the layout of CELLULAR: prepare, run, evaluate, simulate."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import INTERRUPTED, Bar, refuse_existing, say
from napari_cellcycle.cli.options import AUTO, Device, ModelFolder, settings_options
from napari_cellcycle.io.cellular_settings import PrepareSettings, SplitSettings
from napari_cellcycle.training.segment.cellular_settings import PAPER_BASES, ExperimentSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_cellcycle.training.segment.cellular_scores import Scored

Source = Annotated[
    Path, typer.Argument(help="Folder with images/FIELD_w1.TIF ... and masks/FIELD/CLASS/*.png")
]
ReplaceOut = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists")]


@settings_options({"settings": PrepareSettings, "split": SplitSettings})
def prepare(
    source: Source,
    out: Annotated[Path, typer.Argument(help="Folder to make")],
    settings: PrepareSettings,
    split: SplitSettings,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists")
    ] = False,
) -> None:
    """Write label images of each class and of all, split, in the naming of Cellpose.

    OUT/all/train/FIELD.tif and FIELD_masks.tif hold a field and all its cells, and so on for the
    splits valid and test and for each class; cells.csv has one row a cell.

    Example: napari-cellcycle cellular prepare cellular prepared --valid ST_I06 --test ST_C03
    """
    from napari_cellcycle.io.cellular_export import prepare_cellular

    with Bar() as bar:
        made = prepare_cellular(source, out, settings, split, overwrite=overwrite, progress=bar)
    for note in made.notes:
        _note(note)
    parts = [f"{made.fields[name]} in {name}" for name in made.fields]
    kinds = [f"{count:,} {name}" for name, count in made.classes.items()]
    say(
        f"{out} holds {sum(made.fields.values())} fields ({', '.join(parts)}) with "
        f"{sum(made.cells.values()):,} cells ({', '.join(kinds)})."
    )


@settings_options(
    {"prepare": PrepareSettings, "split": SplitSettings, "settings": ExperimentSettings}
)
def run(
    source: Source,
    out: Annotated[Path, typer.Argument(help="Folder for all that is made")],
    prepare: PrepareSettings,
    split: SplitSettings,
    settings: ExperimentSettings,
    base: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to teach, by name or file: Cellpose's or one of this package; may be given "
            f"several times; {' and '.join(PAPER_BASES)} if not given"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, whatever OUT holds")
    ] = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Do the whole experiment: prepare the data, teach each base model, score all of them.

    What OUT holds of the same experiment is not done again, so that one that was stopped goes on.
    OUT/comparison.csv compares the models; OUT/results/MODEL/SPLIT has SPLIT_eval.json, a table of
    the images, predictions and pictures.

    Example: napari-cellcycle cellular run cellular experiment --base cyto3 --base cellcycle-nuclei
    """
    from napari_cellcycle.training.segment.cellular import run_cellular

    with _going_on(), Bar() as bar:
        scored = run_cellular(
            source,
            out,
            base or PAPER_BASES,
            prepare=prepare,
            split=split,
            settings=settings,
            device=device.value,
            model_folder=model_folder,
            overwrite=overwrite,
            notify=_note,
            progress=bar,
        )
    _report(scored)
    say(f"All scores are in {out / 'comparison.csv'}, models in {out / 'models'}.")


def evaluate(
    prepared: Annotated[Path, typer.Argument(help="Folder that 'cellular prepare' made")],
    out: Annotated[Path, typer.Argument(help="Folder to make")],
    model: Annotated[str, typer.Option(help="Model to score, by name or file")],
    diameter: Annotated[
        float | None,
        typer.Option(min=1, help="Pixels across a cell; found by the model if not given"),
    ] = None,
    subset: Annotated[str, typer.Option(help="Cells to score: all, or a class")] = "all",
    channel: Annotated[
        str, typer.Option(help="Channel that is shown: a number from 0, or 'grey' for their mean")
    ] = "grey",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists")
    ] = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Score one model on prepared data: pixels and cells, with predictions and pictures.

    Example: napari-cellcycle cellular evaluate prepared scores --model cellcycle-nuclei
    """
    from napari_cellcycle.training.segment.cellular_scores import score_model

    refuse_existing(out, overwrite)
    with Bar() as bar:
        scored = score_model(
            prepared,
            out,
            model,
            subset=subset,
            channel=channel,
            diameter_px=diameter,
            device=device.value,
            model_folder=model_folder,
            progress=bar,
        )
    _report(scored)


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to make")],
    side: Annotated[int, typer.Option(min=64, max=4096, help="Pixels of a side")] = 160,
    cells: Annotated[int, typer.Option(min=1, max=2000, help="Most cells in a field")] = 14,
    radius: Annotated[float, typer.Option(min=4, max=200, help="Pixels of a radius")] = 12.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same data")] = 0,
    overwrite: ReplaceOut = False,
) -> None:
    """Make a tiny data set in CELLULAR's layout, to try the other commands on.

    Example: napari-cellcycle cellular simulate tiny --seed 3
    """
    from napari_cellcycle.io.storage import replaced_folder, writing_to
    from napari_cellcycle.simulate.cellular import FIELDS, write_cellular

    refuse_existing(out, overwrite)
    own = r"images|masks"
    with Bar() as bar, writing_to(out), replaced_folder(out, own) as draft:
        write_cellular(draft, side_px=side, cells=cells, radius_px=radius, seed=seed, progress=bar)
    say(f"{out} holds {len(FIELDS)} fields in images and masks.")


@contextmanager
def _going_on() -> "Iterator[None]":
    """Say how to go on with an experiment that Ctrl-C stops."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped; the same command goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _report(scored: "Sequence[Scored]") -> None:
    wide = max(len(one.model) for one in scored)
    for one in scored:
        cell, whole = one.scores["cell"], one.scores["instances"]
        pixels = ", ".join(f"{name} {_shown(cell[name])}" for name in ("f1", "jaccard"))
        found = ", ".join(f"{name} {_shown(whole[name])}" for name in ("AP@0.5", "AP@0.75", "PQ"))
        say(f"{one.model:<{wide}}  {one.split:<5}  pixels: {pixels}; cells: {found}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _note(text: str) -> None:
    typer.echo(f"Note: {text}.", err=True)
