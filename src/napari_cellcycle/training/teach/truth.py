"""What counts as truth in a corrected experiment; all else is what a model made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_cellcycle.data.experiment import Experiment


@dataclass(frozen=True)
class TruthCounts:
    """How much there is to learn from, of each kind.

    `frames` are done as a whole, `cells` have masks that were edited or confirmed outside of
    these; `links`, `divisions` and `rejected` links were decided by the user; `stages` is the
    number of cells pinned to each stage, and `lineages` those that any link or stage belongs to.
    """

    frames: int = 0
    cells: int = 0
    links: int = 0
    divisions: int = 0
    rejected: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    lineages: int = 0

    @property
    def pinned(self) -> int:
        """Cells with a stage set by hand."""
        return sum(self.stages.values())


def count_truth(experiments: Sequence[Experiment]) -> TruthCounts:
    """Count what the user corrected or confirmed in all of `experiments`, without reading masks."""
    raise NotImplementedError
