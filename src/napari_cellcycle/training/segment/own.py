"""Teach a segmentation model of one's own: images with masks in, weights with a card out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
from napari_cellcycle.models.store import Model, ModelCard, find_model, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.own_name import check_name
from napari_cellcycle.training.segment.examples import simulated_examples
from napari_cellcycle.training.segment.held_out import HeldOutScore, score_held_out
from napari_cellcycle.training.segment.sources import read_sources, split_last
from napari_cellcycle.training.segment.tuning import (
    BATCH_SIZE,
    USUAL,
    LearnedModel,
    Tuning,
    description,
    tune,
)

if TYPE_CHECKING:
    import torch

DEFAULT_BASE = "cellcycle-nuclei"
OUR_ARCHITECTURE = "FlowNet"
"""First word of the architecture of models that are taught here."""
_FIRST_SEED = 20_000
_NO_LIMIT = 100_000
"""Rounds of a training that time ends."""


class SegmentTeachSettings(Settings):
    """How a segmentation model of one's own is trained."""

    held_out_part: float = Field(
        0.2, ge=0, lt=1, description="Last part of each source that is kept aside for scoring"
    )
    trust_all: bool = Field(
        False,
        description="Take the masks of all frames of an experiment, not only of corrected ones",
    )
    frames: tuple[int, ...] | None = Field(
        None, description="Frames to take of experiments and sequences, from 0; empty: all known"
    )
    channel: str | None = Field(
        None,
        description="Channel of an experiment by name, of images by number or 'grey'; empty: the "
        "first",
    )
    simulated: int = Field(
        4, ge=0, description="Simulated movies mixed in, so that nothing is forgotten"
    )
    epochs: int | None = Field(None, ge=1, description="Most rounds of training; empty: as usual")
    patience: int | None = Field(
        None,
        ge=0,
        description="Rounds without a better score before training ends; 0: go to the end; empty: "
        "as usual",
    )
    minutes: float | None = Field(
        None, gt=0, description="No new round begins after so long; empty: no limit"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="How fast it learns; empty: as usual"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Pull of the weights towards zero; empty: as usual"
    )
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Crops learned from at once; empty: as usual"
    )
    optimiser: Literal["adamw", "sgd"] | None = Field(
        None, description="How steps are made of gradients; empty: as usual"
    )
    rescale: bool = Field(
        True, description="Cellpose: bring cells to the size that the model was trained on"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same model")


@dataclass(frozen=True)
class Taught:
    """What came out: scores on what was kept aside, now and before, and notes for the user."""

    history: list[Epoch]
    score: HeldOutScore | None
    before: HeldOutScore | None
    notes: tuple[str, ...] = ()


def teach_segmentation(
    name: str,
    sources: Sequence[Path],
    out_folder: Path,
    *,
    base: str = DEFAULT_BASE,
    held_out: Sequence[Path] = (),
    settings: SegmentTeachSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    model_folder: Path | None = None,
    command: str = "",
    clock: Callable[[], float] = time.perf_counter,
    progress: Progress = silent,
) -> tuple[Model, Taught]:
    """Teach `base` further on `sources` and store it in `out_folder` as NAME.safetensors.

    While it learns, its state is kept beside it as NAME.training, from which an interrupted
    training goes on. Of the rounds, the one that does best on what is kept aside is stored.

    Parameters
    ----------
    sources
        Experiments, sequences of the Cell Tracking Challenge, folders of images with masks.
    base
        Name or file of the model to begin with: one of this package, or Cellpose's.
    held_out
        Sources to score on, instead of the last part of `sources`.
    resume
        Go on with a training of the same name that was interrupted.
    clock
        Tells the seconds that `settings.minutes` limits.

    Raises
    ------
    BadInput
        A name that cannot be used, sources without anything to learn from, a base of another
        kind, or an unfinished training that is in the way or of something else.
    MissingModel
        No model to begin with.
    """
    settings, began = settings or SegmentTeachSettings(), time.perf_counter()
    ends = None if settings.minutes is None else clock() + 60 * settings.minutes
    out_folder = Path(out_folder).expanduser()
    unfinished = out_folder / f"{name}.training"
    check_name(name, out_folder, unfinished, resume=resume, overwrite=overwrite)
    place = choose_device(device)
    start = _start(base, model_folder)
    learned, aside, split = dealt(sources, held_out, settings, progress)
    notes = seen_before(start.card, aside)
    tuning = replace(_tuning(settings, progress), ends=ends, clock=clock)
    about = {
        "learned images": [_fingerprint(image) for image in learned],
        "held-out images": [_fingerprint(image) for image in aside],
        "base": start.card.model_dump_json(),
        "training": description(tuning),
    }
    before = _scored(start, aside, settings, place, progress)
    state, history = tune(
        start,
        learned,
        aside,
        tuning,
        device=place,
        checkpoint=Checkpoint(unfinished, about),
        progress=progress,
    )
    new = LearnedModel(start.card, start.path, state)
    taught = Taught(history, _scored(new, aside, settings, place, progress), before, notes)
    card = _card(name, start.card, taught, tuning).model_copy(
        update={
            "data": in_words(learned),
            "split": "; but ".join((split, *notes)),
            "command": command,
            "seconds": round(time.perf_counter() - began, 1),
        }
    )
    model = save_model(state, card, out_folder)
    unfinished.unlink(missing_ok=True)
    return model, taught


def dealt(
    sources: Sequence[Path],
    held_out: Sequence[Path],
    settings: SegmentTeachSettings,
    progress: Progress = silent,
) -> tuple[list[Annotated], list[Annotated], str]:
    """What is learned from, what is kept aside, and the split in a sentence.

    Raises `BadInput` if there is nothing to learn from, or if an image would be in both.
    """

    def read(places: Sequence[Path], frames: tuple[int, ...] | None) -> list[Annotated]:
        return read_sources(
            places,
            trust_all=settings.trust_all,
            channel=settings.channel,
            frames=frames,
            progress=progress,
        )

    learned, aside = read(sources, settings.frames), read(held_out, None)
    split = "nothing was kept aside"
    if held_out:
        split = "kept aside for scoring: "
    elif settings.held_out_part:
        learned, aside = split_last(learned, settings.held_out_part)
        split = "kept aside for scoring: the last images of each source, "
        if not aside:
            raise BadInput(
                "There is only one image with masks, so none can be kept aside for scoring: "
                "outline the cells of more frames, name a source with --held-out, or keep nothing "
                "aside with --held-out-part 0."
            )
    both = {(i.group, i.name) for i in learned} & {(i.group, i.name) for i in aside}
    if both:
        raise BadInput(
            f"{', '.join(min(both))} is both learned from and kept aside, so its score would say "
            "nothing: name other sources with --held-out."
        )
    if not any((image.masks > 0).any() for image in learned):
        raise BadInput(
            "All images with cells would be kept aside for scoring: outline the cells of earlier "
            "frames too, or name a source with --held-out."
        )
    return learned, aside, split + "; ".join(in_words(aside))


def in_words(images: Sequence[Annotated]) -> list[str]:
    """Which images of each group, in words, such as "mine, 5 images: t000 to t040"."""
    groups: dict[str, list[str]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image.name)
    return [
        f"{group}, {len(names)} images: {names[0]} to {names[-1]}"
        if len(names) > 1
        else f"{group}, {names[0]}"
        for group, names in groups.items()
    ]


def seen_before(base: ModelCard, aside: Sequence[Annotated]) -> tuple[str, ...]:
    """A warning that the first weights come from data sets that are kept aside now, or none."""
    sets = dict.fromkeys(image.group.partition("/")[0] for image in aside)
    seen = [name for name in sets if any(name in told for told in base.data)]
    if not seen:
        return ()
    return (
        f"{base.name!r}, which training began with, had learned from {' and '.join(seen)}, so the "
        "figures may be better than on new movies",
    )


def _start(base: str, folder: Path | None) -> Model:
    model = find_model(base, "segment", folder)
    if not model.card.architecture.startswith(OUR_ARCHITECTURE):
        raise BadInput(
            f"The model {base!r} is of a kind ({model.card.architecture}) that cannot be taught "
            f"further in this way: begin with {DEFAULT_BASE!r} or a model made from it, or with a "
            "Cellpose model."
        )
    return model


def _tuning(settings: SegmentTeachSettings, progress: Progress) -> Tuning:
    usual = USUAL
    patience = usual.patience if settings.minutes is None else 0
    fitted = usual.model_copy(
        update={
            "epochs": settings.epochs or (usual.epochs if settings.minutes is None else _NO_LIMIT),
            "learning_rate": settings.learning_rate or usual.learning_rate,
            "weight_decay": (
                usual.weight_decay if settings.weight_decay is None else settings.weight_decay
            ),
            "patience": settings.patience if settings.patience is not None else patience,
            "seed": settings.seed,
        }
    )
    seeds = range(_FIRST_SEED, _FIRST_SEED + settings.simulated)
    return Tuning(
        fitted,
        batch_size=settings.batch_size or BATCH_SIZE,
        optimiser=settings.optimiser or "adamw",
        channel=settings.channel,
        simulated=list(simulated_examples(seeds, progress=progress)),
    )


def _scored(
    model: Model,
    aside: Sequence[Annotated],
    settings: SegmentTeachSettings,
    place: "torch.device",
    progress: Progress,
) -> HeldOutScore | None:
    """How a model does on what is kept aside, the size of cells found by itself."""
    if not aside:
        return None
    segmenter = FlowSegmenter(model, place)
    return score_held_out(segmenter, aside, channel=settings.channel, progress=progress)


def _fingerprint(image: Annotated) -> list[Any]:
    """What tells an image, and its masks, from others."""
    return [image.group, image.name, *image.masks.shape, int((image.masks > 0).sum())]


def _card(name: str, base: ModelCard, taught: Taught, tuning: Tuning) -> ModelCard:
    scores = {"kept aside": taught.score, "kept aside, before": taught.before}
    history = {
        "loss": [round(epoch.loss, 4) for epoch in taught.history],
        "held-out score": [
            None if epoch.score is None else round(epoch.score, 4) for epoch in taught.history
        ],
    }
    return ModelCard(
        name=name,
        kind="segment",
        architecture=base.architecture,
        description=f"{base.name}, taught further",
        settings={**base.settings, "training": {**description(tuning), **history}},
        metrics={what: score.figures() for what, score in scores.items() if score is not None},
        licence="that of the data it was trained on",
        parent=base.name,
        software={p: version(p) for p in ("napari-cellcycle", "torch", "cellpose", "numpy")},
    )
