"""The command that trains stage models of one's own."""

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

if TYPE_CHECKING:
    from napari_cellcycle.models.store import Model
    from napari_cellcycle.training.stage.own import Taught


class StagePresetName(StrEnum):
    """Kinds of stage models that can be trained."""

    RNN = "rnn"
    RNN_PAPER = "rnn-paper"
    FRAME = "frame"
    MEASURED = "measured"
    RESNET18 = "resnet18"
    CELL_CLASSIFIER = "cell-classifier"
    NUCLEUS = "nucleus"
    CNN = "cnn"
    THREE = "3ncnn"
    FOUR = "4ncnn"
    CONVLSTM = "convlstm"


def stage(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Experiments with corrected stages (NAME.cellcycle), folders with one subfolder "
            "of crops a stage, tracks of LiveCellMiner or of the CellCognition benchmark, samples "
            "of nuclei or embryos with a LineageGraph.json (4ncnn)"
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model, such as my-stages")],
    out: ModelOut = None,
    preset: Annotated[
        StagePresetName,
        typer.Option(
            help="Looks at whole lives ('rnn', and the published 'rnn-paper'), at single images "
            "('frame', 'measured', and the published 'resnet18' and 'cell-classifier'), or at "
            "nuclei in volumes ('nucleus', and the published 'cnn', '3ncnn', '4ncnn', 'convlstm')"
        ),
    ] = StagePresetName.RNN,
    start: Annotated[
        str | None,
        typer.Option(
            help="Model to teach further, by name or file, or 'none' to begin from nothing; the "
            "shipped model of the preset if not given, where it tells the same stages"
        ),
    ] = None,
    held_out: HeldOut = None,
    held_out_part: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Without --held-out: share of the lineages or cells kept aside for scoring",
        ),
    ] = 0.2,
    trust_all: Annotated[
        bool,
        typer.Option(
            "--trust-all",
            help="Every stage (for nuclei every link) of the experiments was checked, so learn "
            "from all of them",
        ),
    ] = False,
    transcript: Annotated[
        str | None,
        typer.Option(
            help="Order of the stages, such as 'interphase, prophase, metaphase': learn from that "
            "alone, without the stage of any cell"
        ),
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(help="Table (CSV) with the order for each: columns cell and transcript"),
    ] = None,
    lasting: Annotated[
        str | None,
        typer.Option(
            help="Minutes that stages last in the mean, where you have timed them, such as "
            "'prophase 10, metaphase 15': finds more with --transcript"
        ),
    ] = None,
    soft: Annotated[
        bool,
        typer.Option(
            "--soft/--no-soft",
            help="With --transcript, learn from how likely each stage is in a frame, not from the "
            "single best way through them",
        ),
    ] = True,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of the movie, if not given the one that stages were told in; or colour "
            "of crops, counted from 0, for 'frame' also 0,1"
        ),
    ] = None,
    simulated: Annotated[
        int, typer.Option(min=0, help="Simulated movies to learn from besides")
    ] = 0,
    epochs: Epochs = None,
    patience: Patience = None,
    learning_rate: LearningRate = None,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed gives the same split and model")
    ] = 0,
    resume: Resume = False,
    overwrite: ReplaceModel = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Train a stage model: teach it from stages you set, sorted crops, or the order of stages.

    Of an experiment, the stages that you set by hand are learned from, and nothing else; for
    nuclei in volumes also what the links tell that you corrected. --trust-all takes every stage,
    and for nuclei every link, as true. Whole lineages are kept aside for scoring, and the
    weights of the best round are kept. Beside the model come its card, the learning curve
    (NAME.curve.csv) and the split (NAME.split.txt). A stopped training goes on with --resume.

    Example: napari-cellcycle train stage mine.cellcycle --name my-stages --epochs 5
    """
    from napari_cellcycle.models.store import own_folder
    from napari_cellcycle.training.stage.own import StageTeachSettings, teach_stages

    settings = StageTeachSettings(
        held_out_part=held_out_part,
        trust_all=trust_all,
        channel=channel,
        soft=soft,
        simulated=simulated,
        epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        seed=seed,
    )
    folder = out or own_folder(model_folder)
    with resumable(folder / f"{name}.training"), Bar() as bar:
        model, taught = teach_stages(
            name,
            sources,
            folder,
            preset=preset.value,
            start=start,
            held_out=held_out or (),
            transcript=transcript,
            transcripts=transcripts,
            lasting=lasting,
            settings=settings,
            resume=resume,
            overwrite=overwrite,
            device=device.value,
            model_folder=model_folder,
            command=shlex.join(["napari-cellcycle", *sys.argv[1:]]),
            progress=bar,
        )
    _report(model, taught, folder == own_folder(model_folder))


def _report(model: "Model", taught: "Taught", is_listed: bool) -> None:
    for what, score in (("before", taught.before), ("now", taught.score)):
        if score is not None:
            say(
                f"{what:<7} macro-F1 {score.macro_f1:.3f} ({score.certainty}), "
                f"accuracy {score.accuracy:.3f} ({score.confusion.sum():,} cells)"
            )
    for note in taught.notes:
        typer.echo(f"Note: {note}", err=True)
    if taught.score is None:
        say("Nothing with known stages was kept aside, so nobody knows how good the model is.")
    elif taught.before is not None and taught.score.macro_f1 < taught.before.macro_f1:
        typer.echo(
            "Note: on what was kept aside, the model that it began with was better.", err=True
        )
    say(f"The model is {model.path}.")
    used = model.card.name if is_listed else model.path
    say(f"Use it: napari-cellcycle classify ... --model {used}")
