"""Teach one of Cellpose's models further, and store it with its card."""

from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.cellpose import PREFIX, CellposeSegmenter
from napari_cellcycle.models.store import Model
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.segment.cellpose import SUFFIX, fine_tune
from napari_cellcycle.training.segment.cellpose_settings import CellposeSettings
from napari_cellcycle.training.segment.lesson import (
    SegmentLesson,
    SegmentTeachSettings,
    Taught,
    metrics,
)

_BATCH_SIZE = 8
_NO_LIMIT = 10_000
"""Rounds of a training that time ends."""


def teach_cellpose(lesson: SegmentLesson, *, overwrite: bool = False) -> tuple[Model, Taught]:
    """Teach, score before and after, and store the weights of the best round.

    Raises `BadInput` if a model of that name is there already, `MissingModel` if there is no such
    base.
    """
    out = lesson.out / f"{lesson.name}{SUFFIX}"
    if out.exists() and not overwrite:
        raise BadInput(
            f"{lesson.out} holds a model called {lesson.name!r} already: choose another name, or "
            "add --overwrite."
        )
    place = choose_device(lesson.device)
    before = lesson.score(CellposeSegmenter(lesson.base, place))
    result = fine_tune(
        lesson.learned,
        lesson.aside,
        _settings(lesson.settings),
        base=lesson.base.removeprefix(PREFIX),
        out=out,
        channel=lesson.settings.channel,
        device=lesson.device,
        checkpoint=Checkpoint(lesson.unfinished, lesson.images),
        is_over=lesson.is_over,
        told=lesson.told(),
        progress=lesson.progress,
    )
    history = [Epoch(e.number, e.loss, e.precision, e.seconds) for e in result.history]
    taught = Taught(history, lesson.score(CellposeSegmenter(str(out), place)), before)
    card = result.card.model_copy(update={**lesson.told(), "metrics": metrics(taught)})
    replace_file(out.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return Model(card, Path(out)), taught


def _settings(settings: SegmentTeachSettings) -> CellposeSettings:
    """What was asked for; the rest as usual for Cellpose."""
    asked = {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "batch_size": settings.batch_size,
        "optimiser": settings.optimiser,
        "patience": settings.patience,
        "epochs": settings.epochs or (None if settings.minutes is None else _NO_LIMIT),
        "schedule": None if settings.minutes is None or settings.epochs else "halving",
    }
    if settings.batches is not None:
        asked["images_per_epoch"] = settings.batches * (settings.batch_size or _BATCH_SIZE)
    given = {name: value for name, value in asked.items() if value is not None}
    return CellposeSettings(**given, rescale=settings.rescale, seed=settings.seed)
