"""The command that trains segmentation models of one's own."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, resumable, say
from napari_cellcycle.cli.options import (
    AUTO,
    Device,
    Epochs,
    HeldOut,
    LearningRate,
    ModelFolder,
    ModelOut,
    Patience,
    ReplaceModel,
    Resume,
)
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.models.store import Model
    from napari_cellcycle.training.segment.lesson import Taught


class Optimiser(StrEnum):
    """How steps are made of gradients."""

    ADAMW = "adamw"
    SGD = "sgd"


def segment(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Experiments with corrected masks (NAME.cellcycle), sequences or data sets of the "
            "Cell Tracking Challenge, folders of images with masks (NAME_masks.tif beside "
            "NAME.tif, or the folders images and masks)"
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model, such as my-cells")],
    out: ModelOut = None,
    base: Annotated[
        str,
        typer.Option(
            help="Model to teach further, by name or file: one of this package, or Cellpose's, "
            "such as cyto3"
        ),
    ] = "cellcycle-nuclei",
    held_out: HeldOut = None,
    held_out_part: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Without --held-out: last part of each source that is kept aside for scoring",
        ),
    ] = 0.2,
    frames: Annotated[
        str | None,
        typer.Option(
            help="Frames to take of experiments and sequences, counted from 0, such as 0,10,20; "
            "all that have masks (experiments: corrected ones) if not given"
        ),
    ] = None,
    trust_all: Annotated[
        bool,
        typer.Option(
            "--trust-all",
            help="Every mask of the experiments was checked, so learn from all frames",
        ),
    ] = False,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of experiments by name, of images by number or 'grey'; if not given, the "
            "one that was segmented, of images the first"
        ),
    ] = None,
    simulated: Annotated[
        int, typer.Option(min=0, help="Simulated movies mixed in, so that nothing is forgotten")
    ] = 4,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Begin no new round after so long; no limit if not given"),
    ] = None,
    epochs: Epochs = None,
    patience: Patience = None,
    learning_rate: LearningRate = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(min=0, help="Pull of the weights towards zero; as usual if not given"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Crops learned from at once; as usual if not given"),
    ] = None,
    optimiser: Annotated[
        Optimiser | None,
        typer.Option(help="How steps are made of gradients; as usual if not given"),
    ] = None,
    rescale: Annotated[
        bool, typer.Option(help="Cellpose: bring cells to the size that the model was trained on")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model")] = 0,
    resume: Resume = False,
    overwrite: ReplaceModel = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Train a segmentation model: teach one further, from a few frames whose masks are right.

    Of an experiment, the frames whose masks you corrected are learned from; --frames names them
    instead, --trust-all takes every frame. What is kept aside for scoring is not learned from; the
    score of the model before is always shown beside that of the new one, and the weights of the
    best round are kept. A training that was stopped goes on with --resume.

    Example: napari-cellcycle train segment mine.cellcycle --name my-cells --minutes 5
    """
    from napari_cellcycle.models.store import own_folder
    from napari_cellcycle.training.segment.own import SegmentTeachSettings, teach_segmentation

    settings = SegmentTeachSettings(
        held_out_part=held_out_part,
        frames=_numbers(frames),
        trust_all=trust_all,
        channel=channel,
        simulated=simulated,
        minutes=minutes,
        epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batch_size,
        optimiser=None if optimiser is None else optimiser.value,
        rescale=rescale,
        seed=seed,
    )
    folder = out or own_folder(model_folder)
    with resumable(folder / f"{name}.training"), Bar() as bar:
        model, taught = teach_segmentation(
            name,
            sources,
            folder,
            base=base,
            held_out=held_out or (),
            settings=settings,
            resume=resume,
            overwrite=overwrite,
            device=device.value,
            model_folder=model_folder,
            command=shlex.join(["napari-cellcycle", *sys.argv[1:]]),
            progress=bar,
        )
    _report(model, taught, folder == own_folder(model_folder))


def _numbers(frames: str | None) -> tuple[int, ...] | None:
    if frames is None:
        return None
    try:
        found = tuple(int(part) for part in frames.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 0:
        raise BadInput(
            f"--frames is {frames!r}, but whole numbers from 0 on are expected; give such as "
            "0,10,20."
        )
    return found


def _report(model: "Model", taught: "Taught", is_listed: bool) -> None:
    for what, score in (("before", taught.before), ("now", taught.score)):
        if score is not None:
            shown = ", ".join(f"AP@{at:g} {ap:.3f}" for at, ap in score.precision.items())
            size = "no size" if score.diameter_px is None else f"{score.diameter_px:.0f} pixels"
            say(
                f"{what:<7} {shown} ({score.masks:,} masks for {score.cells:,} cells in "
                f"{score.images:,} images; found to measure {size})"
            )
    for note in taught.notes:
        typer.echo(f"Note: {note}.", err=True)
    if taught.score is None:
        say("Nothing was kept aside, so nobody knows how good the model is.")
    elif taught.before is not None and taught.score.value < taught.before.value:
        typer.echo(
            "Note: on what was kept aside, the model that it began with was better.", err=True
        )
    say(f"The model is {model.path}.")
    used = model.card.name if is_listed else model.path
    say(f"Use it: napari-cellcycle segment ... --model {used}")
