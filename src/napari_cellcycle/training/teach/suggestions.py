"""Which frames and cells it would teach most to correct next."""

from dataclasses import dataclass

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.models.store import Kind


@dataclass(frozen=True)
class Suggestion:
    """A frame, or a cell in it, that is worth correcting, and why in a sentence.

    `cell` is an id, None for a whole frame; `place` is [z,] y, x in pixels, None for a frame.
    `doubt` (0 to 1) is how unsure the models are there.
    """

    kind: Kind
    frame: int
    cell: int | None
    place: tuple[float, ...] | None
    doubt: float
    reason: str


def suggest(experiment: Experiment, kind: Kind, n: int = 10, *, seed: int = 0) -> list[Suggestion]:
    """The `n` frames ("segment") or cells ("link", "stage") whose correction would teach most.

    They are doubtful and unlike each other and unlike what was corrected already.
    """
    raise NotImplementedError
