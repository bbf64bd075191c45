"""Proposed models on their way into the library, or out of the world."""

from pathlib import Path

from napari_cellcycle.models.store import Kind, Model
from napari_cellcycle.training.teach.result import TaughtResult


def read_result(folder: str | Path) -> TaughtResult | None:
    """What came of the teaching in a folder; None if it is not over."""
    raise NotImplementedError


def proposed(result: TaughtResult, kind: Kind) -> Model:
    """The proposed model, to be tried without accepting it: steps take its path as `model`."""
    raise NotImplementedError


def accept(
    result: TaughtResult, kind: Kind, *, name: str | None = None, use: bool = True
) -> tuple[TaughtResult, Model]:
    """Make the proposed model of a kind one of the library, and (`use`) the one that is in use.

    Gives the result with that noted, and the model. `roll_back` of the library is the way back.

    Raises `BadInput` if there is no such proposal (any more), `NameTaken`, `CannotWrite`.
    """
    raise NotImplementedError


def discard(result: TaughtResult, kind: Kind) -> TaughtResult:
    """Delete the proposed model of a kind; the old one stays in use."""
    raise NotImplementedError
