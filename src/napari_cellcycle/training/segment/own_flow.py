"""Teach a model of this package further, and store it with its card."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
from napari_cellcycle.models.store import Model, ModelCard, find_model, save_model
from napari_cellcycle.progress import Progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.segment.examples import simulated_examples
from napari_cellcycle.training.segment.lesson import (
    SegmentLesson,
    SegmentTeachSettings,
    Taught,
    metrics,
    seen_before,
)
from napari_cellcycle.training.segment.tuning import (
    BATCH_SIZE,
    BATCHES,
    USUAL,
    LearnedModel,
    Tuning,
    description,
    tune,
)

ARCHITECTURE = "FlowNet"
"""First word of the architecture of models that can be taught so."""
_FIRST_SEED = 20_000
_NO_LIMIT = 100_000
"""Rounds of a training that time ends."""


def teach_flow(lesson: SegmentLesson) -> tuple[Model, Taught]:
    """Teach, score before and after, and store the weights of the best round.

    Raises `MissingModel` or `BadInput` if there is no base that can be taught.
    """
    base = _start(lesson.base, lesson.model_folder)
    place = choose_device(lesson.device)
    notes = seen_before(base.card, lesson.aside)
    tuning = replace(_tuning(lesson.settings, lesson.progress), ends=lesson.ends)
    tuning = replace(tuning, clock=lesson.clock)
    about = {
        **lesson.images,
        "base": base.card.model_dump_json(),
        "training": description(tuning),
    }
    before = lesson.score(FlowSegmenter(base, place))
    state, history = tune(
        base,
        lesson.learned,
        lesson.aside,
        tuning,
        device=place,
        checkpoint=Checkpoint(lesson.unfinished, about),
        progress=lesson.progress,
    )
    new = LearnedModel(base.card, base.path, state)
    taught = Taught(history, lesson.score(FlowSegmenter(new, place)), before, notes)
    card = _card(lesson.name, base.card, taught, tuning)
    card = card.model_copy(update=lesson.told(notes))
    return save_model(state, card, lesson.out), taught


def _start(base: str, folder: Path | None) -> Model:
    model = find_model(base, "segment", folder)
    if not model.card.architecture.startswith(ARCHITECTURE):
        raise BadInput(
            f"The model {base!r} is of a kind ({model.card.architecture}) that cannot be taught "
            "further in this way: begin with 'cellcycle-nuclei' or a model made from it, or with a "
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
        batches=settings.batches or BATCHES,
        optimiser=settings.optimiser or "adamw",
        channel=settings.channel,
        simulated=list(simulated_examples(seeds, progress=progress)),
    )


def _card(name: str, base: ModelCard, taught: Taught, tuning: Tuning) -> ModelCard:
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
        metrics=metrics(taught),
        licence="that of the data it was trained on",
        parent=base.name,
        software={p: version(p) for p in ("napari-cellcycle", "torch", "cellpose", "numpy")},
    )
