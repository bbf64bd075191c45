"""Cells and the links between them over time."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MOST_CHILDREN = 2
BY_MODEL, BY_USER = "model", "user"


def no_pairs() -> pd.DataFrame:
    """An empty table of pairs of cells, `parent` and `child`."""
    return pd.DataFrame({"parent": [], "child": []}, dtype=np.int64)


def no_candidates() -> pd.DataFrame:
    """An empty table of what a tracker thought of links: parent, child, other and score."""
    return no_pairs().assign(other=np.empty(0, np.int64), score=np.empty(0, np.float32))


@dataclass(frozen=True)
class Tracks:
    """A forest of cells: each has at most one parent and at most two children.

    `cells` has one row per cell and frame, indexed by a unique positive `cell_id`, with the columns
    `frame`, `label` (its value in the masks of that frame), `y`, `x` (and `z` in 3D, all in
    pixels), `by` ("model" or "user": who made the mask), any measurements, and, once classified,
    `stage` and one probability `p_<stage>` a stage. `links` has one row per link with the columns
    `parent`, `child`, `score` and `by`; a link always points forward in time, by more than one
    frame where a gap was closed. `rejected` lists the pairs of cells, `parent` and `child`, that
    the user said are no link; a pair is forgotten once one of its cells is gone or the two are
    linked again. `candidates` is what the tracker thought of links, whether it chose them or not:
    the probability `score` that `parent` goes on as `child`, or, where `other` is not 0, that it
    divides into `child` and `other`; improbable ones are left out. The tables are treated as
    immutable: every edit returns a new `Tracks`.
    """

    cells: pd.DataFrame
    links: pd.DataFrame
    rejected: pd.DataFrame = field(default_factory=no_pairs)
    candidates: pd.DataFrame = field(default_factory=no_candidates)

    def __post_init__(self) -> None:
        for name in ("cells", "links"):
            table = getattr(self, name)
            if "by" not in table:
                object.__setattr__(self, name, table.assign(by=BY_MODEL))
        if self.cells.index.has_duplicates or (len(self.cells) and self.cells.index.min() < 1):
            raise ValueError("cell ids must be unique and positive")
        if self.cells.duplicated(["frame", "label"]).any():
            raise ValueError("two cells of one frame have the same label")
        ends = self.links[["parent", "child"]].to_numpy()
        if not np.isin(ends, self.cells.index).all():
            raise ValueError("a link refers to a cell that does not exist")
        frame = self.cells["frame"]
        if (frame.loc[ends[:, 1]].to_numpy() <= frame.loc[ends[:, 0]].to_numpy()).any():
            raise ValueError("a link must point forward in time")
        if self.links["child"].duplicated().any():
            raise ValueError("a cell has more than one parent")
        if (self.links["parent"].value_counts() > 2).any():
            raise ValueError("a cell has more than two children")
        if len(self.rejected):
            object.__setattr__(self, "rejected", self._still_rejected())

    def _still_rejected(self) -> pd.DataFrame:
        pairs = self.rejected[["parent", "child"]].astype(np.int64).drop_duplicates()
        pairs = pairs[pairs.isin(self.cells.index).all(axis=1)]
        frame = self.cells["frame"]
        if (frame.loc[pairs["child"]].to_numpy() <= frame.loc[pairs["parent"]].to_numpy()).any():
            raise ValueError("a rejected link must point forward in time")
        parent = self.links.set_index("child")["parent"].reindex(pairs["child"])
        return pairs[parent.to_numpy() != pairs["parent"].to_numpy()].reset_index(drop=True)

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def axes(self) -> list[str]:
        """Names of the position columns: [z,] y, x."""
        return [axis for axis in ("z", "y", "x") if axis in self.cells]

    @cached_property
    def divisions(self) -> np.ndarray:
        """Ids of the cells that have two children."""
        counts = self.links["parent"].value_counts()
        return np.sort(counts.index[counts == 2].to_numpy())

    @cached_property
    def track_id(self) -> pd.Series:
        """Track of each cell, indexed by `cell_id`.

        A track is one cell from its birth, or first sight, to its division or end. Its id is
        the label of its cells where they share one of their own, as they do once tracking has
        painted the masks; otherwise tracks count 1, 2, ... by first appearance.
        """
        component = self.components
        label = self.cells["label"].to_numpy()
        pairs = pd.DataFrame({"component": component, "label": label}).drop_duplicates()
        if not (pairs["component"].duplicated().any() or pairs["label"].duplicated().any()):
            return pd.Series(label, self.cells.index, name="track_id")
        order = np.lexsort((label, self.cells["frame"].to_numpy()))
        firsts = pd.unique(component[order])
        rank = np.empty(len(firsts), np.int64)
        rank[firsts] = np.arange(1, len(firsts) + 1)
        return pd.Series(rank[component], self.cells.index, name="track_id")

    @cached_property
    def components(self) -> np.ndarray:
        """Number 0, 1, ... of the track of each row of `cells`, in no meaningful order."""
        within = self.links[~self.links["parent"].isin(self.divisions)]
        position = pd.Series(np.arange(len(self.cells)), self.cells.index)
        parent = position.loc[within["parent"]].to_numpy()
        child = position.loc[within["child"]].to_numpy()
        n = len(self.cells)
        graph = coo_array((np.ones(len(within)), (parent, child)), shape=(n, n))
        return connected_components(graph, directed=False)[1]

    @cached_property
    def mothers(self) -> dict[int, int]:
        """Mother track of each daughter track."""
        divided = self.links[self.links["parent"].isin(self.divisions)]
        track = self.track_id
        return dict(
            zip(
                track.loc[divided["child"]].tolist(),
                track.loc[divided["parent"]].tolist(),
                strict=True,
            )
        )

    def link(self, parent: int, child: int, score: float = 1.0, by: str = BY_USER) -> "Tracks":
        """Add a link, replacing the child's former parent if it had one.

        If `by` is the user, the link to a former parent is remembered as rejected.
        """
        kept = self.links[self.links["child"] != child]
        new = pd.DataFrame({"parent": [parent], "child": [child], "score": [score], "by": [by]})
        links = pd.concat([kept, new], ignore_index=True)
        return replace(self, links=links, rejected=self._rejecting(child, by))

    def unlink(self, child: int, by: str = BY_USER) -> "Tracks":
        """Remove the link to the parent of `child`, remembering it as rejected if by the user."""
        kept = self.links[self.links["child"] != child].reset_index(drop=True)
        return replace(self, links=kept, rejected=self._rejecting(child, by))

    def _rejecting(self, child: int, by: str) -> pd.DataFrame:
        """The rejected pairs, and the link to the parent of `child` if the user takes it away."""
        if by != BY_USER:
            return self.rejected
        gone = self.links.loc[self.links["child"] == child, ["parent", "child"]]
        return pd.concat([self.rejected, gone], ignore_index=True)

    def with_columns(self, **columns: Any) -> "Tracks":
        """Return a copy with cell columns added or replaced."""
        return replace(self, cells=self.cells.assign(**columns))

    def to_networkx(self) -> nx.DiGraph:
        """Convert for libraries that speak networkx (geff, traccuracy, motile)."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.cells.to_dict("index").items())
        graph.add_edges_from(
            (parent, child, {"score": score})
            for parent, child, score in zip(
                self.links["parent"], self.links["child"], self.links["score"], strict=True
            )
        )
        return graph
