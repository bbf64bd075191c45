"""What the tracker thought of other links: who else a cell could have come from or gone on as."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.cells import NOBODY


@dataclass(frozen=True, eq=False)
class Lookup:
    """Candidates (k, 3: parent, child, other child) sorted by the cell they are asked for by."""

    key: np.ndarray
    ends: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, key: np.ndarray, ends: np.ndarray, score: np.ndarray) -> "Lookup":
        """Sort candidates by `key`, and the likeliest first."""
        order = np.lexsort((-score, key))
        return cls(key[order], ends[order], score[order])


@dataclass(frozen=True, eq=False)
class Rivals:
    """The candidates of a tracker, to be looked up by cell (ids).

    `into` are links by their child, `out` by their parent; `divisions` are sorted by mother, and
    `births` are the same by daughter, each listed twice.
    """

    table: pd.DataFrame
    into: Lookup
    out: Lookup
    divisions: Lookup
    births: Lookup

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Rivals":
        """Sort a table as `Tracks.candidates`."""
        ends = table[["parent", "child", "other"]].to_numpy(np.int64)
        score = table["score"].to_numpy(float)
        single = ends[:, 2] == NOBODY
        links, pairs = ends[single], ends[~single]
        link_score, pair_score = score[single], score[~single]
        twice, both = np.concatenate([pairs, pairs]), np.concatenate([pair_score, pair_score])
        return cls(
            table,
            Lookup.of(links[:, 1], links, link_score),
            Lookup.of(links[:, 0], links, link_score),
            Lookup.of(pairs[:, 0], pairs, pair_score),
            Lookup.of(np.concatenate([pairs[:, 1], pairs[:, 2]]), twice, both),
        )
