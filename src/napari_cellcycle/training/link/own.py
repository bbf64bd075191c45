"""Teach a link model of one's own: recordings in, weights with a card out."""

import re
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import Model, ModelCard, find_model, save_model
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link.presets import PRESETS, Learned, Lesson, Preset
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.score import LinkScore
from napari_cellcycle.training.link.sources import (
    knows_anything,
    open_recordings,
    simulated_recording,
    split_in_time,
)
from napari_cellcycle.training.own_name import check_name

_SIMULATED_WEIGHT = 0.2
_FIRST_SEED = 20_000
_GENTLER = 0.3
"""Share of the learning rate with which a stored model is taught further, so as not to forget."""


class TeachSettings(Settings):
    """How a link model of one's own is trained."""

    held_out_part: float = Field(
        0.2, ge=0, lt=1, description="Last part of each source that is kept aside for scoring"
    )
    trust_all: bool = Field(
        False, description="Take every link of an experiment as true, not only those you corrected"
    )
    channel: str | None = Field(
        None,
        description="Channel of experiments that shows the cells; empty: the one they were "
        "segmented in",
    )
    simulated: int = Field(0, ge=0, description="Simulated movies to learn from besides")
    epochs: int | None = Field(None, ge=1, description="Most rounds of training; empty: as usual")
    patience: int | None = Field(
        None,
        ge=0,
        description="Rounds without a better score before training ends; 0: go to the end; empty: "
        "as usual",
    )
    learning_rate: float | None = Field(
        None, gt=0, description="How fast it learns; empty: as usual"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same model")


def teach_links(
    name: str,
    sources: Sequence[Path],
    out_folder: Path,
    *,
    preset: str = "default",
    start: str | None = None,
    held_out: Sequence[Path] = (),
    settings: TeachSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    model_folder: Path | None = None,
    command: str = "",
    progress: Progress = silent,
) -> tuple[Model, Learned]:
    """Train a link model on `sources` and store it in `out_folder` as NAME.safetensors.

    While it learns, its state is kept beside it as NAME.training, from which an interrupted
    training goes on.

    Parameters
    ----------
    sources
        Experiments and folders of the Cell Tracking Challenge.
    start
        Name or file of the model to begin with, "none", or the preset's own if not given.
    held_out
        Sources to score on, instead of the last part of `sources`.
    resume
        Go on with a training of the same name that was interrupted.

    Raises
    ------
    BadInput
        A name that cannot be used, sources without anything to learn from, or an unfinished
        training that is in the way or of something else.
    MissingModel
        No model to start with.
    """
    settings, began = settings or TeachSettings(), time.perf_counter()
    chosen = PRESETS[preset]
    out_folder = Path(out_folder).expanduser()
    unfinished = out_folder / f"{name}.training"
    check_name(name, out_folder, unfinished, resume=resume, overwrite=overwrite)
    begin = _start(start, chosen, model_folder)
    learned, aside, split = _dealt(sources, held_out, settings, progress)
    about = {
        "sources": [_told(recording) for recording, _ in learned],
        "held-out sources": [_told(recording) for recording in aside],
        "preset": preset,
        "start": None if begin is None else begin.card.model_dump_json(),
    }
    fitted = _fit_settings(chosen, begin, settings)
    keeps_state = preset != "paper" or resume
    result = chosen.train(
        Lesson(
            learned,
            aside,
            begin,
            fitted,
            Checkpoint(unfinished, about) if keeps_state else None,
            device,
        ),
        progress,
    )
    card = _card(name, chosen, begin, result, fitted).model_copy(
        update={
            "data": [recording.name for recording, _ in learned],
            "split": split + _seen_before(begin, aside),
            "command": command,
            "seconds": round(time.perf_counter() - began, 1),
        }
    )
    model = save_model(result.state, card, out_folder)
    unfinished.unlink(missing_ok=True)
    return model, result


def _start(start: str | None, preset: Preset, folder: Path | None) -> Model | None:
    wanted = preset.start if start is None else start
    if wanted is None or wanted == "none":
        return None
    model = find_model(wanted, "link", folder)
    kind = preset.architecture.split()[0]
    if not model.card.architecture.startswith(kind):
        raise BadInput(
            f"The model {wanted!r} is of another kind ({model.card.architecture}) than the preset "
            f"trains ({preset.architecture}): choose the preset that fits it, or --start none."
        )
    return model


def _dealt(
    sources: Sequence[Path], held_out: Sequence[Path], settings: TeachSettings, progress: Progress
) -> tuple[list[tuple[Recording, float]], list[Recording], str]:
    """What is learned from, with weights, what is kept aside, and the split in a sentence."""
    found = open_recordings(
        [*sources, *held_out],
        trust_all=settings.trust_all,
        channel=settings.channel,
        progress=progress,
    )
    learned = [recording for part in found[: len(sources)] for recording in part]
    aside = [recording for part in found[len(sources) :] for recording in part]
    split = "nothing was kept aside"
    if held_out:
        split = "kept aside for scoring: " + "; ".join(recording.name for recording in aside)
    elif settings.held_out_part:
        parts = [split_in_time(recording, 1 - settings.held_out_part) for recording in learned]
        learned, aside = [first for first, _ in parts], [last for _, last in parts]
        split = "kept aside for scoring: the last frames of each source, "
        split += "; ".join(recording.name for recording in aside)
    both = {r.name for r in learned} & {r.name for r in aside}
    if both:
        raise BadInput(
            f"{min(both)} is both learned from and kept aside, so its score would say nothing: "
            "name other recordings with --held-out."
        )
    asked = bool(aside)
    learned = [recording for recording in learned if knows_anything(recording)]
    aside = [recording for recording in aside if knows_anything(recording)]
    if not learned or (asked and not aside):
        where = "kept aside for scoring" if learned else "to learn from"
        raise BadInput(
            f"No corrected link lies in the frames {where}: correct links in other frames too, "
            "name a source with --held-out, or keep nothing aside with --held-out-part 0."
        )
    return [(r, 1.0) for r in learned] + _simulated(settings, progress), aside, split


def _simulated(settings: TeachSettings, progress: Progress) -> list[tuple[Recording, float]]:
    seeds = range(_FIRST_SEED, _FIRST_SEED + settings.simulated)
    return [
        (simulated_recording(seed, 3 if i % 3 == 2 else 2), _SIMULATED_WEIGHT)
        for i, seed in enumerate(track_progress(seeds, len(seeds), progress, "Simulating movies"))
    ]


def _fit_settings(preset: Preset, start: Model | None, settings: TeachSettings) -> FitSettings:
    own = preset.settings
    rate = own.learning_rate * (1.0 if start is None else _GENTLER)
    return own.model_copy(
        update={
            "epochs": settings.epochs or own.epochs,
            "learning_rate": settings.learning_rate or rate,
            "patience": own.patience if settings.patience is None else settings.patience,
            "seed": settings.seed,
        }
    )


def _card(
    name: str, preset: Preset, start: Model | None, result: Learned, settings: FitSettings
) -> ModelCard:
    return ModelCard(
        name=name,
        kind="link",
        architecture=preset.architecture,
        description=preset.description,
        settings={"training": _history(result, settings), **result.settings},
        metrics=_metrics(result),
        licence="that of the data it was trained on",
        parent=None if start is None else start.card.name,
        software={p: version(p) for p in ("napari-cellcycle", "torch", "torch-geometric", "numpy")},
    )


def _seen_before(start: Model | None, aside: Sequence[Recording]) -> str:
    """A warning, for the card, that the first weights come from what is kept aside now."""
    known = [] if start is None else start.card.data
    seen = [r.name for r in aside if any(shares_frames(name, r.name) for name in known)]
    if not seen or start is None:
        return ""
    return (
        f"; but {start.card.name!r}, which training began with, had learned from "
        f"{' and '.join(seen)}, so the figures are better than on new movies"
    )


def shares_frames(learned: str, kept: str) -> bool:
    """Whether two names of recordings, or of parts of them, stand for some of the same frames.

    A data set's name stands for all of its sequences.
    """
    (one, first), (other, second) = (_parsed(name) for name in (learned, kept))
    same = other == one or other.startswith(f"{one}/")
    return same and first[0] <= second[1] and second[0] <= first[1]


def _parsed(name: str) -> tuple[str, tuple[float, float]]:
    base, part, span = name.partition(", frames ")
    found = re.fullmatch(r"(\d+) to (\d+)", span)
    if not part or not found:
        return name, (0, float("inf"))
    return base, (int(found[1]), int(found[2]))


def _told(recording: Recording) -> list[Any]:
    """What tells a recording, and how much is known of it, from others."""
    known = recording.truth[["past", "future"]].sum().tolist()
    return [recording.name, len(recording.truth), *known, len(recording.rejected)]


def _history(result: Learned, settings: FitSettings) -> dict[str, Any]:
    return {
        **settings.model_dump(),
        "loss": [round(epoch.loss, 4) for epoch in result.history],
        "held-out score": [
            None if epoch.score is None else round(epoch.score, 4) for epoch in result.history
        ],
    }


def _metrics(result: Learned) -> dict[str, Any]:
    found: dict[str, Any] = dict(result.figures)
    scores: dict[str, LinkScore | None] = {
        "kept aside": result.score,
        "kept aside, before": result.before,
    }
    return found | {name: s.figures() for name, s in scores.items() if s is not None}
