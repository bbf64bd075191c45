"""What counts as truth in a corrected experiment; all else is what a model made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.training.link.sources import decided
from napari_cellcycle.training.segment.corrected import known_masks


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

    def __add__(self, other: "TruthCounts") -> "TruthCounts":
        names = dict.fromkeys([*self.stages, *other.stages])
        return TruthCounts(
            self.frames + other.frames,
            self.cells + other.cells,
            self.links + other.links,
            self.divisions + other.divisions,
            self.rejected + other.rejected,
            {name: self.stages.get(name, 0) + other.stages.get(name, 0) for name in names},
            self.lineages + other.lineages,
        )

    def in_words(self) -> str:
        """What there is: "3 frames done, 41 links, 5 of them divisions"; "nothing" if empty."""
        parts = [
            _counted(self.frames, "frame done", "frames done"),
            _counted(self.cells, "other mask", "other masks"),
            _counted(self.links, "link", "links"),
            _counted(self.divisions, "division", "divisions"),
            _counted(self.rejected, "link taken away", "links taken away"),
            *(f"{number:,} in {name}" for name, number in self.stages.items() if number),
        ]
        return ", ".join(part for part in parts if part) or "nothing"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""


def count_truth(experiments: Sequence[Experiment]) -> TruthCounts:
    """Count what the user corrected or confirmed in all of `experiments`, without reading masks."""
    return sum((_counts(experiment) for experiment in experiments), TruthCounts())


def _counts(experiment: Experiment) -> TruthCounts:
    known, tracks = known_masks(experiment), experiment.tracks
    if tracks is None or not len(tracks):
        return TruthCounts(len(known.frames), len(known))
    cells, links = tracks.cells, tracks.links
    by_user = links["by"].to_numpy() == BY_USER
    divided = np.isin(tracks.divisions, links["parent"].to_numpy()[by_user])
    pinned = pinned_stages(tracks)
    there, number = np.unique(pinned[pinned != ""].astype(str), return_counts=True)
    told = dict(zip(there.tolist(), number.tolist(), strict=True))
    past, future = decided(tracks, experiment.confirmed)
    about = (pinned != "") | past | future
    about |= cells.index.isin(tracks.rejected["child"])
    return TruthCounts(
        len(known.frames),
        len(known.rows),
        int(by_user.sum()),
        int(divided.sum()),
        len(tracks.rejected),
        {name: told[name] for name in (*experiment.stages.names, *told) if name in told},
        len(np.unique(lineage_of(tracks)[about])),
    )


def pinned_stages(tracks: Tracks) -> np.ndarray:
    """Stage that each row of the cells was set to by hand, text (n,); "" where none was."""
    found = np.full(len(tracks), "", object)
    if "pinned" in tracks.cells:
        pinned = tracks.cells["pinned"].to_numpy(object)
        rows = np.flatnonzero(pinned != "")
        told = pinned[rows]
        found[rows] = np.where(tracks.cells["pinned"].iloc[rows].isna(), "", told)
    return found


def lineage_of(tracks: Tracks) -> np.ndarray:
    """Number of the lineage of each row of the cells (n,): all that are linked share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ids, n = tracks.cells.index, len(tracks)
    ends = [ids.get_indexer(pd.Index(tracks.links[end])) for end in ("parent", "child")]
    graph = coo_array((np.ones(len(tracks.links), bool), tuple(ends)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
