"""The commands that train models of one's own."""

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
    from napari_cellcycle.training.link.presets import Learned


class PresetName(StrEnum):
    """Kinds of link models that can be trained."""

    DEFAULT = "default"
    SIMPLE = "simple"
    PAPER = "paper"


def link(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Experiments with corrected links (NAME.cellcycle), or folders of the Cell "
            "Tracking Challenge: a data set, or one sequence of it"
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model, such as my-links")],
    out: ModelOut = None,
    preset: Annotated[
        PresetName,
        typer.Option(
            help="Graph network ('default'), small and quick ('simple'), or the published tracker"
        ),
    ] = PresetName.DEFAULT,
    start: Annotated[
        str | None,
        typer.Option(
            help="Model to teach further, by name or file, or 'none' to begin from nothing; the "
            "shipped model of the preset if not given"
        ),
    ] = None,
    held_out: HeldOut = None,
    held_out_part: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Without --held-out: last part of each source that is kept aside for scoring",
        ),
    ] = 0.2,
    trust_all: Annotated[
        bool,
        typer.Option(
            "--trust-all",
            help="Every link of the experiments was checked, so learn from all of them",
        ),
    ] = False,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of experiments that shows the cells; the one that they were segmented "
            "in if not given"
        ),
    ] = None,
    simulated: Annotated[
        int, typer.Option(min=0, help="Simulated movies to learn from besides")
    ] = 0,
    epochs: Epochs = None,
    patience: Patience = None,
    learning_rate: LearningRate = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model")] = 0,
    resume: Resume = False,
    overwrite: ReplaceModel = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Train a link model: teach it from your corrections, or from movies with known tracks.

    Of an experiment, the links that you made or took away are learned from, and nothing else;
    --trust-all takes every link as true. What is kept aside for scoring is not learned from, and
    the weights of the best round are kept. A training that was stopped goes on with --resume.

    Example: napari-cellcycle train link mine.cellcycle --name my-links --epochs 5
    """
    from napari_cellcycle.models.store import own_folder
    from napari_cellcycle.training.link.own import TeachSettings, teach_links

    settings = TeachSettings(
        held_out_part=held_out_part,
        trust_all=trust_all,
        channel=channel,
        simulated=simulated,
        epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        seed=seed,
    )
    folder = out or own_folder(model_folder)
    with resumable(folder / f"{name}.training"), Bar() as bar:
        model, learned = teach_links(
            name,
            sources,
            folder,
            preset=preset.value,
            start=start,
            held_out=held_out or (),
            settings=settings,
            resume=resume,
            overwrite=overwrite,
            device=device.value,
            model_folder=model_folder,
            command=shlex.join(["napari-cellcycle", *sys.argv[1:]]),
            progress=bar,
        )
    _report(model, learned, folder == own_folder(model_folder))


def _report(model: "Model", learned: "Learned", is_listed: bool) -> None:
    for what, score in (("before", learned.before), ("now", learned.score)):
        if score is not None:
            figures = score.figures()
            say(
                f"{what:<7} links F1 {figures['link F1']:.4f} ({figures['true links']:,}), "
                f"divisions F1 {figures['division F1']:.4f} ({figures['true divisions']:,})"
            )
    _, but, warning = model.card.split.partition("; but ")
    if but:
        typer.echo(f"Note: {warning}.", err=True)
    if learned.score is None:
        say("Nothing was kept aside, so nobody knows how good the model is.")
    elif learned.before is not None and learned.score.value < learned.before.value:
        typer.echo(
            "Note: on what was kept aside, the model that it began with was better.", err=True
        )
    say(f"The model is {model.path}.")
    say(
        f"Use it: napari-cellcycle track ... --model {model.card.name if is_listed else model.path}"
    )
