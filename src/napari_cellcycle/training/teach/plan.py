"""How long and how far a model learns, by effort and by how much there is to learn from."""

from dataclasses import dataclass

from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.teach.request import Effort, TeachSettings


@dataclass(frozen=True)
class Plan:
    """How a model is taught: see `TeachSettings`.

    `shares` are the steps from old to new weights that are tried, `images` how many held-out
    images are scored at most.
    """

    fit: FitSettings
    batches: int
    batch_size: int
    simulated: int
    shares: tuple[float, ...]
    images: int


@dataclass(frozen=True)
class _Usual:
    """How an architecture is taught: rounds and batches by effort, step, and size of a batch.

    From less than `little` only the layers `last` learn, with the step `few_rate`. `closeness` is
    the pull towards the old weights.
    """

    epochs: dict[Effort, int]
    batches: dict[Effort, int]
    rate: float
    batch_size: int
    last: tuple[str, ...]
    little: int = 0
    few_rate: float = 0.0
    closeness: float = 2.0
    learns_anew: bool = False
    """Whether a base that is far off learns as if anew: all layers, longer, in larger steps."""


_USUAL: dict[str, _Usual] = {
    "FlowNet": _Usual(
        {"quick": 6, "thorough": 20},
        {"quick": 12, "thorough": 25},
        1e-3,
        8,
        ("up", "output"),
        little=60,
        few_rate=5e-4,
        learns_anew=True,
    ),
    "graph network": _Usual(
        {"quick": 5, "thorough": 12},
        {"quick": 20, "thorough": 120},
        6e-4,
        3,
        ("rounds", "to_link", "to_division", "division", "of_links", "of_cells"),
        little=40,
        few_rate=3e-4,
    ),
    "perceptrons": _Usual(
        {"quick": 4, "thorough": 10},
        {"quick": 150, "thorough": 150},
        3e-3,
        2,
        ("link.weights.2", "link.biases.2", "division.weights.2", "division.biases.2"),
        closeness=0.2,
    ),
    "recurrent network": _Usual(
        {"quick": 8, "thorough": 40},
        {"quick": 20, "thorough": 30},
        1e-3,
        10,
        ("layers", "head", "eye.join"),
        closeness=0.2,
    ),
    "FrameNetwork": _Usual(
        {"quick": 8, "thorough": 40},
        {"quick": 60, "thorough": 60},
        1e-3,
        32,
        ("head",),
        little=400,
        few_rate=2e-2,
        closeness=0.2,
    ),
}
_SIMULATED: dict[Kind, dict[Effort, int]] = {
    "segment": {"quick": 2, "thorough": 4},
    "link": {"quick": 1, "thorough": 4},
    "stage": {"quick": 3, "thorough": 12},
}
_SHARES: dict[Effort, tuple[float, ...]] = {
    "quick": (0.5, 1.0),
    "thorough": (0.25, 0.5, 0.75, 1.0),
}
_IMAGES: dict[Effort, int] = {"quick": 6, "thorough": 30}
FAR_OFF = 0.5
"""Score on what was kept aside below which a base has most still to learn."""
_FARTHER, _LONGER, _LOOSER = 3.0, 4, 0.1
"""Factors of step, batches and closeness for a base that learns anew."""
_MEMORY = {"quick": 0.9, "thorough": 0.98}
_PATIENCE: dict[Effort, int] = {"quick": 0, "thorough": 8}


def plan_for(
    kind: Kind,
    architecture: str,
    settings: TeachSettings,
    corrections: int,
    *,
    is_far_off: bool = False,
) -> Plan:
    """The plan for a model of an architecture (`_USUAL`) and so many corrections to learn from.

    A segmentation that `is_far_off` learns with all its layers, longer and in larger steps.
    """
    usual, effort = _USUAL[architecture], settings.effort
    anew = is_far_off and usual.learns_anew
    is_little = corrections < usual.little and not anew
    only_last = is_little if settings.layers == "auto" else settings.layers == "last"
    layers = usual.last if only_last else ()
    rate, closeness = usual.few_rate if is_little else usual.rate, usual.closeness
    batches = usual.batches[effort]
    if anew:
        rate, closeness, batches = rate * _FARTHER, closeness * _LOOSER, batches * _LONGER
    simulated = settings.simulated
    fit = FitSettings(
        epochs=settings.epochs or usual.epochs[effort],
        learning_rate=settings.learning_rate or rate,
        weight_decay=0.0,
        schedule="cosine",
        average=_MEMORY[effort],
        patience=_PATIENCE[effort],
        seed=settings.seed,
        closeness=closeness if settings.closeness is None else settings.closeness,
        layers=layers,
    )
    return Plan(
        fit,
        settings.batches or batches,
        settings.batch_size or usual.batch_size,
        _SIMULATED[kind][effort] if simulated is None else simulated,
        _SHARES[effort],
        _IMAGES[effort],
    )


def architecture_of(named: str) -> str | None:
    """The architecture on a card, by the name that a plan knows it by; None if it has none."""
    return next((name for name in _USUAL if named.startswith(name) or named.endswith(name)), None)
