"""Which links of an experiment are known, which belong together, and recordings of some of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.sources import frames_of, knows_anything, recording_of_links
from napari_cellcycle.training.teach.aside import Aside, aside_of
from napari_cellcycle.training.teach.copies import shared_groups

_AROUND = 4
"""Frames before and after the corrections that are looked at, too."""
_LINK, _DIVISION, _REJECTED = range(3)


@dataclass(frozen=True)
class KnownPart:
    """A recording of what is known of one experiment, and the group (n,) of each of its cells.

    `kind` (n,) says what is known of a cell: a link, a division, or that a link to it is wrong;
    -1 for nothing. Groups are lineages, those that share a wrong link taken together.
    """

    recording: Recording
    group: np.ndarray
    kind: np.ndarray

    def only(self, kept: np.ndarray) -> Recording:
        """The recording with what is known of the groups that are `kept` (bool), no more."""
        truth, rejected = self.recording.truth, self.recording.rejected
        own = kept[self.group]
        index = pd.MultiIndex.from_frame(truth[["frame", "label"]])
        child = index.get_indexer(
            pd.MultiIndex.from_arrays([rejected["child_frame"], rejected["child_label"]])
        )
        return replace(
            self.recording,
            truth=truth.assign(past=truth["past"] & own, future=truth["future"] & own),
            rejected=rejected[own[child]].reset_index(drop=True),
        )


def known_parts(
    experiments: Sequence[tuple[str, Experiment]], channel: str | None = None
) -> list[KnownPart]:
    """What is known of each experiment of which anything is; groups are numbered on.

    Those of the same cells, in copies of a movie, are one group. Cells are seen in the `channel` of
    that name, by default the one that they were segmented in.
    """
    tracked = [
        (name, one, one.tracks)
        for name, one in experiments
        if one.tracks is not None and one.labels is not None
    ]
    groups = shared_groups(
        [one for _, one, _ in tracked], [_groups(tracks) for _, _, tracks in tracked]
    )
    found: list[KnownPart] = []
    for (name, one, tracks), group in zip(tracked, groups, strict=True):
        part = _part(recording_of_links(one, name, channel=channel), tracks, group)
        if knows_anything(part.recording):
            found.append(part)
    if not found:
        raise BadInput(
            "No link was corrected or confirmed, so the tracker has nothing to learn from: link, "
            "unlink or confirm some cells first, those that the review doubts most."
        )
    return found


def _part(recording: Recording, tracks: Tracks, group: np.ndarray) -> KnownPart:
    truth = recording.truth
    ids = tracks.cells.index
    known = truth[["past", "future"]].any(axis=1).to_numpy()
    kind = np.where(known, _LINK, -1)
    kind[ids.isin(tracks.divisions) & truth["future"].to_numpy()] = _DIVISION
    wrong = _ends(tracks, tracks.rejected)
    kind[wrong[1]] = np.where(kind[wrong[1]] < 0, _REJECTED, kind[wrong[1]])
    frame = truth["frame"].to_numpy()
    about = np.union1d(np.flatnonzero(kind >= 0), wrong[0])
    if not len(about):
        return KnownPart(recording, group, kind)
    start = max(0, int(frame[about].min()) - _AROUND)
    stop = min(len(recording.labels), int(frame[about].max()) + _AROUND + 1)
    inside = (frame >= start) & (frame < stop)
    return KnownPart(frames_of(recording, start, stop), group[inside], kind[inside])


def _ends(tracks: Tracks, links: pd.DataFrame) -> np.ndarray:
    """Rows of parent and child of some links, (2, n)."""
    ids = tracks.cells.index
    return np.stack([ids.get_indexer(pd.Index(links[end])) for end in ("parent", "child")])


def _groups(tracks: Tracks) -> np.ndarray:
    """Number of the group of each cell: cells that are linked, or were, share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(tracks)
    links, wrong = _ends(tracks, tracks.links), _ends(tracks, tracks.rejected)
    ends = np.concatenate([links, wrong], axis=1)
    graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def deal(parts: Sequence[KnownPart], share: float, seed: int) -> Aside:
    """Which groups are kept aside."""
    group = np.concatenate([part.group for part in parts])
    kind = np.concatenate([part.kind for part in parts])
    return aside_of(
        group[kind >= 0], kind[kind >= 0], share, seed, ("lineage", "lineages"), len_of(parts)
    )


def len_of(parts: Sequence[KnownPart]) -> int:
    """How many groups there are."""
    return 1 + max(int(part.group.max(initial=-1)) for part in parts)
