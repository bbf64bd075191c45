"""Teach a stage model of one's own: annotated cells in, weights with a card out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.data.stages import NUCLEUS, StageSet
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.evaluation.stages import StageScores, score_stages
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model, find_model, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings
from napari_cellcycle.training.own_name import check_name
from napari_cellcycle.training.source_names import told_apart
from napari_cellcycle.training.stage.lessons import Cells, cells_of, row_groups
from napari_cellcycle.training.stage.preset import StageLesson, StagePreset
from napari_cellcycle.training.stage.presets import PRESETS
from napari_cellcycle.training.stage.record import card_of, split_in_words, write_beside
from napari_cellcycle.training.stage.sources import StageSource, common_stages, open_source
from napari_cellcycle.training.stage.split import kept_aside

_GENTLER = 0.3
"""Share of the learning rate with which a stored model is taught further, so as not to forget."""


class StageTeachSettings(Settings):
    """How a stage model of one's own is trained."""

    held_out_part: float = Field(
        0.2, ge=0, lt=1, description="Share of the cells that is kept aside for scoring"
    )
    trust_all: bool = Field(
        False, description="Take every stage of an experiment as true, not only those you set"
    )
    channel: str | None = Field(
        None, description="Channel of the movie, or number of the colour of crops"
    )
    soft: bool = Field(
        True,
        description="Of the order of stages alone, learn from how likely each stage is in a frame, "
        "not from the single best way through them",
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
    seed: int = Field(0, ge=0, description="The same seed gives the same split and model")


@dataclass(frozen=True)
class Taught:
    """What came out: scores on what was kept aside, now and before, and notes for the user."""

    history: list[Epoch]
    score: StageScores | None
    before: StageScores | None
    notes: tuple[str, ...]


def teach_stages(
    name: str,
    sources: Sequence[Path],
    out_folder: Path,
    *,
    preset: str = "rnn",
    start: str | None = None,
    held_out: Sequence[Path] = (),
    transcript: str | None = None,
    transcripts: Path | None = None,
    lasting: str | None = None,
    settings: StageTeachSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    model_folder: Path | None = None,
    command: str = "",
    progress: Progress = silent,
) -> tuple[Model, Taught]:
    """Train a stage model on `sources` and store it in `out_folder` as NAME.safetensors.

    Beside it come its card, the learning curve (NAME.curve.csv) and the split (NAME.split.txt).

    Parameters
    ----------
    sources
        Corrected experiments, folders of crops, tracks of a published layout, samples of nuclei.
    start
        Name or file of the model to begin with, "none", or the preset's own if not given, where
        its stages fit.
    held_out
        Sources to score on, instead of a part of the cells of `sources`.
    transcript, transcripts
        The order of stages, in one line for all cells, or a table with the columns `cell` and
        `transcript`: then stages are learned from their order alone.
    lasting
        Stages and the minutes that they last in the mean, where that differs from their set.

    Raises
    ------
    BadInput
        A name that cannot be used, sources without anything to learn from or that do not fit each
        other or the model, or an unfinished training that is in the way.
    MissingModel
        No model to start with.
    """
    settings, began = settings or StageTeachSettings(), time.perf_counter()
    chosen, out_folder = PRESETS[preset], Path(out_folder).expanduser()
    unfinished = out_folder / f"{name}.training"
    check_name(name, out_folder, unfinished, resume=resume, overwrite=overwrite)
    by_order = transcript is not None or transcripts is not None
    if by_order and not chosen.learns_order:
        raise BadInput(
            f"The preset {preset!r} cannot learn from the order of stages: leave out --transcript, "
            "or choose --preset rnn."
        )
    if lasting is not None and not by_order:
        raise BadInput("--lasting helps to learn from the order of stages: add --transcript.")
    if not settings.soft and not by_order:
        raise BadInput(
            "--no-soft is of the order of stages alone: add --transcript, or leave it out."
        )
    if by_order and settings.simulated:
        raise BadInput("Simulated movies tell their stages, so leave out --simulated here.")
    if settings.simulated and chosen.simulates is None:
        raise BadInput(f"Nothing is simulated for the preset {preset!r}: leave out --simulated.")
    both = _opened(chosen, [*sources, *held_out], settings, by_order, progress)
    opened, aside = both[: len(sources)], both[len(sources) :]
    begin, stages, notes = _beginning(start, chosen, [*opened, *aside], model_folder)
    cells = cells_of(opened, chosen, stages, settings.channel, by_order, progress)
    kept = cells_of(aside, chosen, stages, settings.channel, by_order, progress) if aside else None
    learned, kept = _dealt(cells, kept, settings, stages, by_order)
    notes += _unseen(learned, kept, stages, begin, settings.simulated, by_order)
    fitted = _fit_settings(chosen, begin, settings)
    aligner, about = None, _about(preset, learned, kept, begin, settings)
    if by_order:
        from napari_cellcycle.training.stage.order import aligner_of, mean_lengths, notes_on

        known = mean_lengths(opened, stages, lasting)
        aligner = aligner_of(learned, stages, transcript, transcripts, known, soft=settings.soft)
        notes += notes_on(aligner)
        about["order"] = aligner.about
    lesson = StageLesson(
        learned.data,
        stages,
        fitted,
        None if kept is None or not kept.scored else kept.data,
        begin,
        Checkpoint(unfinished, about),
        device,
        aligner,
        settings.simulated,
    )
    result = chosen.train(lesson, progress)
    taught = Taught(
        result.history,
        _scored(result.told, kept, stages),
        _scored(result.before, kept, stages),
        tuple(notes),
    )
    scores = {"kept aside": taught.score, "kept aside, before": taught.before}
    card = card_of(name, chosen, begin, result, scores, fitted).model_copy(
        update={
            "data": [
                f"{s.name}: {n} cells and frames" for s, n in zip(opened, cells.counts, strict=True)
            ],
            "split": split_in_words(learned, kept, held_out),
            "command": command,
            "seconds": round(time.perf_counter() - began, 1),
        }
    )
    write_beside(out_folder, name, result.history, learned, kept)
    model = save_model(result.state, card, out_folder)
    unfinished.unlink(missing_ok=True)
    return model, taught


def _opened(
    preset: StagePreset,
    places: Sequence[Path],
    settings: StageTeachSettings,
    by_order: bool,
    progress: Progress,
) -> list[StageSource]:
    """The sources, each with a name that tells it from the others."""
    if preset.food == "nuclei":
        trust = settings.trust_all
        found = [
            StageSource("", Path(place).expanduser(), NUCLEUS, trust_all=trust) for place in places
        ]
    else:
        found = [
            open_source(
                place,
                trust_all=settings.trust_all,
                channel=settings.channel,
                order_alone=by_order,
                progress=progress,
            )
            for place in places
        ]
    names = told_apart(places)
    return [replace(source, name=name) for source, name in zip(found, names, strict=True)]


def _beginning(
    start: str | None, preset: StagePreset, sources: list[StageSource], folder: Path | None
) -> tuple[Model | None, StageSet, list[str]]:
    """The model to begin with, the stages that are told, and a note where it begins anew."""
    wanted = preset.start if start is None else start
    if wanted is None or wanted == "none":
        return None, _agreed(preset, sources, None), []
    try:
        model = find_model(wanted, "stage", folder)
    except MissingModel:
        if start is not None:
            raise
        return None, _agreed(preset, sources, None), []
    kind = preset.architecture
    fits = model.card.architecture == kind and all(
        model.card.settings.get(key) == value.model_dump(mode="json")
        for key, value in preset.extra.items()
    )
    if not fits:
        raise BadInput(
            f"The model {wanted!r} is of another kind ({model.card.architecture}) than the preset "
            f"trains ({kind}): choose the preset that fits it, or --start none."
        )
    try:
        return model, _agreed(preset, sources, stages_of(model.card)), []
    except BadInput:
        if start is not None:
            raise
        note = f"{wanted!r} tells other stages than the sources, so training began from nothing."
        return None, _agreed(preset, sources, None), [note]


def _agreed(preset: StagePreset, sources: list[StageSource], start: StageSet | None) -> StageSet:
    if preset.food == "nuclei":
        return start or NUCLEUS
    return common_stages(sources, start)


def _dealt(
    cells: Cells, aside: Cells | None, settings: StageTeachSettings, stages: StageSet, order: bool
) -> tuple[Cells, Cells | None]:
    """What is learned from, and what is kept aside."""
    if aside is None and settings.held_out_part and not (order and not cells.scored):
        group, code = row_groups(cells.data)
        known = code >= 0 if not order else np.ones(len(code), bool)
        dealt = kept_aside(
            group[known], code[known], settings.held_out_part, settings.seed, len(stages)
        )
        held = np.unique(group[known][dealt])
        cells, aside = cells.without(held), cells.only(held)
    if aside is not None:
        both = set(cells.names.tolist()) & set(aside.names.tolist())
        if both:
            raise BadInput(
                f"{min(both)} is both learned from and kept aside, so its score would say nothing: "
                "name other sources with --held-out."
            )
    return cells, aside


def _unseen(
    learned: Cells,
    kept: Cells | None,
    stages: StageSet,
    begin: Model | None,
    simulated: int,
    order: bool,
) -> list[str]:
    """Notes on stages that nothing is learned of.

    Raises `BadInput` if the cells show fewer than two stages, or if the model could never tell a
    stage of those kept aside.
    """
    if order:
        return []
    seen = {stages.names[c] for c in np.unique(learned.code).tolist() if c >= 0}
    if len(seen) < 2:
        told = f"only {min(seen)!r}" if seen else "no stage at all"
        raise BadInput(
            f"The cells to learn from show {told}, but a stage model needs at least two stages: "
            "correct cells of other stages too, or add a source."
        )
    missing = [name for name in stages.names if name not in seen]
    tested = set() if kept is None else {stages.names[c] for c in np.unique(kept.code) if c >= 0}
    if begin is None and not simulated:
        never = [name for name in missing if name in tested]
        if never:
            raise BadInput(
                f"No cell to learn from shows {never[0]}, which cells kept aside do, so the model "
                "could never tell it: add cells of that stage, in more than one lineage."
            )
    if not missing:
        return []
    known = "knows only from before" if begin is not None else "cannot tell"
    return [f"no cell to learn from shows {', '.join(missing)}, which the model {known}."]


def _fit_settings(
    preset: StagePreset, start: Model | None, settings: StageTeachSettings
) -> FitSettings:
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


def _about(
    preset: str,
    learned: Cells,
    kept: Cells | None,
    begin: Model | None,
    settings: StageTeachSettings,
) -> dict[str, Any]:
    """What tells this training from others that may have left a file of its name."""
    return {
        "preset": preset,
        "start": None if begin is None else begin.card.model_dump_json(),
        "learned groups": learned.names.tolist(),
        "held-out groups": [] if kept is None else kept.names.tolist(),
        "stages": np.bincount(learned.code + 1).tolist(),
        "simulated": settings.simulated,
    }


def _scored(told: np.ndarray | None, kept: Cells | None, stages: StageSet) -> StageScores | None:
    if told is None or kept is None:
        return None
    group, code = row_groups(kept.data)
    known = code >= 0
    names = np.array(stages.names)
    return score_stages(
        names[code[known]], names[told[known].argmax(axis=1)], stages.names, group[known]
    )
