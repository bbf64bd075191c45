"""The few cells around some others, so that what is asked of them costs little in a large movie."""

from typing import Any

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.row_of import NONE, RowOf


class Nearby:
    """Cells, links and what a tracker thought of links, up to some steps away from `cells`.

    A step leads along a link that is there or that was thought of. Looked up as in a draft, but
    without the rest of it. `options` (k, 3) are parent, child and other as in
    `Tracks.candidates`, and `score` (k,) how probable they are; all their cells are there.
    """

    def __init__(self, draft: Draft, cells: np.ndarray, steps: int) -> None:
        self._draft = draft
        ends, score = draft.considered
        ids, parent = draft.ids, draft.column("parent")
        row_of = RowOf(ids)
        above, at = row_of(parent), row_of(ends)
        reached = np.zeros(len(ids) + 1, bool)  # the last is nobody, row -1
        reached[draft.rows(cells)] = True
        for _ in range(steps):
            linked = np.flatnonzero((reached[above] | reached[:-1]) & (above != NONE))
            near = np.flatnonzero(reached[at[0]] | reached[at[1]] | reached[at[2]])
            reached[linked] = reached[above[linked]] = True
            reached[at[:, near]] = True
            reached[NONE] = False
        self._rows = np.flatnonzero(reached[:-1])
        self.ids = ids[self._rows]
        near = np.flatnonzero(reached[at[0]] & reached[at[1]])
        options = ends[:, near].T
        there = np.isin(options, self.ids)
        there[:, 2] |= options[:, 2] == NOBODY
        self.options, self.score = options[there.all(axis=1)], score[near[there.all(axis=1)]]

    def column(self, name: str) -> Any:
        """Values of these cells in a column."""
        return self._draft.column(name)[self._rows]
