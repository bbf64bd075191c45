"""How long and how far a model learns, by effort and by how much there is to learn from."""

from dataclasses import dataclass
from typing import Literal

from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.teach.request import Effort, TeachSettings


@dataclass(frozen=True)
class Plan:
    """How a model is taught: see `TeachSettings`.

    `shares` are the steps from old to new weights
    that are tried, `images` how many held-out images are scored at most.
    """

    fit: FitSettings
    batches: int
    batch_size: int
    simulated: int
    shares: tuple[float, ...]
    images: int


@dataclass(frozen=True)
class _Usual:
    """Rounds and batches by effort, step, size of a batch, and what is little to learn from."""

    epochs: dict[Effort, int]
    batches: dict[Effort, int]
    rate: float
    batch_size: int
    little: int
    last: tuple[str, ...]


_USUAL: dict[str, _Usual] = {
    "FlowNet": _Usual(
        {"quick": 6, "thorough": 20}, {"quick": 12, "thorough": 25}, 1e-3, 8, 60, ("up", "output")
    ),
    "graph network": _Usual(
        {"quick": 5, "thorough": 12},
        {"quick": 20, "thorough": 120},
        6e-4,
        3,
        40,
        ("rounds", "to_link", "to_division", "division", "of_links", "of_cells"),
    ),
    "perceptrons": _Usual(
        {"quick": 4, "thorough": 10}, {"quick": 150, "thorough": 150}, 1e-3, 2, 40, ()
    ),
    "recurrent network": _Usual(
        {"quick": 8, "thorough": 40},
        {"quick": 10, "thorough": 30},
        1e-3,
        10,
        60,
        ("layers", "head", "eye.join"),
    ),
    "FrameNetwork": _Usual(
        {"quick": 8, "thorough": 40}, {"quick": 15, "thorough": 30}, 1e-3, 32, 60, ("head",)
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
_CLOSENESS = 2.0
_MEMORY = {"quick": 0.9, "thorough": 0.98}
_PATIENCE: dict[Effort, int] = {"quick": 0, "thorough": 8}


def plan_for(kind: Kind, architecture: str, settings: TeachSettings, corrections: int) -> Plan:
    """The plan for a model of an architecture (`_USUAL`) and so many corrections to learn from."""
    usual, effort = _USUAL[architecture], settings.effort
    layers: Literal["auto", "last", "all"] = settings.layers
    only_last = layers == "last" or (layers == "auto" and corrections < usual.little)
    simulated = settings.simulated
    fit = FitSettings(
        epochs=settings.epochs or usual.epochs[effort],
        learning_rate=settings.learning_rate or usual.rate * (0.5 if only_last else 1.0),
        weight_decay=0.0,
        schedule="cosine",
        average=_MEMORY[effort],
        patience=_PATIENCE[effort],
        seed=settings.seed,
        closeness=_CLOSENESS if settings.closeness is None else settings.closeness,
        layers=usual.last if only_last else (),
    )
    return Plan(
        fit,
        settings.batches or usual.batches[effort],
        settings.batch_size or usual.batch_size,
        _SIMULATED[kind][effort] if simulated is None else simulated,
        _SHARES[effort],
        _IMAGES[effort],
    )


def architecture_of(named: str) -> str | None:
    """The architecture on a card, by the name that a plan knows it by; None if it has none."""
    return next((name for name in _USUAL if named.startswith(name) or named.endswith(name)), None)
