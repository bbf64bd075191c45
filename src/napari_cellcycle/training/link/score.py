"""How well a link model tracks a recording that it did not learn from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.features.graph import CellGraph, build_graph
from napari_cellcycle.features.shape import Watch, measure_overlaps
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.pipeline.track import choose
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.simple_examples import next_sightings

OUTCOMES = ("no link", "link", "division")
"""What cells may come from, or become."""


@dataclass(frozen=True)
class Agreement:
    """How many of the things found are true; `f1` is 1 if nothing was to be found, nor was."""

    right: int = 0
    found: int = 0
    true: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(self.right + other.right, self.found + other.found, self.true + other.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of the share of the found that is true and of the true that is found."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


@dataclass(frozen=True)
class LinkScore:
    """How links and divisions agree with the truth, as far as it is known.

    A division is right if the mother in her last frame and both daughters are.
    """

    links: Agreement = Agreement()
    divisions: Agreement = Agreement()

    def __add__(self, other: "LinkScore") -> "LinkScore":
        return LinkScore(self.links + other.links, self.divisions + other.divisions)

    @property
    def value(self) -> float:
        """Mean F1 of links and divisions; that of links alone if no division was to be found."""
        if not self.divisions.true:
            return self.links.f1
        return (self.links.f1 + self.divisions.f1) / 2

    def figures(self) -> dict[str, float | int]:
        """For a model card: both F1, and how many true links and divisions they rest on."""
        return {
            "link F1": round(self.links.f1, 4),
            "division F1": round(self.divisions.f1, 4),
            "true links": self.links.true,
            "true divisions": self.divisions.true,
        }


class KnownLinks:
    """What is known of the links between the cells of a recording.

    Parameters
    ----------
    cells
        The masks, with `frame` and `label`; links are told by the rows of this table.
    max_gap
        True links over more frames are not asked for.
    """

    def __init__(self, recording: Recording, cells: pd.DataFrame, max_gap: int) -> None:
        truth = recording.truth.set_index(["frame", "label"])
        truth = truth.reindex(pd.MultiIndex.from_frame(cells[["frame", "label"]]))
        frame, track = cells["frame"].to_numpy(), truth["track"].fillna(0).to_numpy(np.int64)
        successor, sister = next_sightings(track, frame, recording.mother)
        near = (successor >= 0) & (frame[successor] - frame <= max_gap)
        self._successor, self._sister = np.where(near, successor, -1), np.where(near, sister, -1)
        self._past = truth["past"].eq(True).to_numpy()
        self._future = truth["future"].eq(True).to_numpy()
        self._rejected = rejected_rows(recording, cells)

    def __bool__(self) -> bool:
        return bool(self._past.any() or self._future.any() or len(self._rejected))

    def score(self, parent: np.ndarray, child: np.ndarray) -> LinkScore:
        """Compare links, as rows of the cells, with what is known; the rest does not count."""
        rows = np.arange(len(self._successor))
        true = [np.column_stack([rows, to])[to >= 0] for to in (self._successor, self._sister)]
        asked = sum(int((self._future[a] | self._past[b]).sum()) for a, b in (t.T for t in true))
        taken = np.isin(parent * len(rows) + child, self._rejected @ [len(rows), 1])
        judged = self._future[parent] | self._past[child] | taken
        right = (child == self._successor[parent]) | (child == self._sister[parent])
        links = Agreement(int((right & judged).sum()), int(judged.sum()), asked)
        return LinkScore(links, self._divisions(parent, child))

    def chances(self, candidates: Candidates, scores: Scores) -> tuple[np.ndarray, np.ndarray]:
        """How likely what is known was thought: its kind (k,), as in `OUTCOMES`, and chance (k,).

        Each past and each future that is known counts once, and each link that is known to be
        wrong, by the chance that there is none.
        """
        c, n = candidates, len(self._successor)
        mother, one, two = c.parent[c.first], c.child[c.first], c.child[c.second]
        to, sister = self._successor, self._sister
        link = scores.link * ((c.child == to[c.parent]) & (sister[c.parent] < 0))
        pair = ((one == to[mother]) & (two == sister[mother])) | (
            (two == to[mother]) & (one == sister[mother])
        )
        division = scores.division * pair
        became = np.where(to < 0, 0, np.where(sister < 0, 1, 2))
        came = np.zeros(n, np.int64)
        for ends in (to, sister):
            came[ends[ends >= 0]] = became[ends >= 0]

        def likely(outcome: np.ndarray, parents: np.ndarray, *cells: np.ndarray) -> np.ndarray:
            right, every = np.bincount(parents, link, n), np.bincount(parents, scores.link, n)
            for cell in cells:
                right += np.bincount(cell, division, n)
                every += np.bincount(cell, scores.division, n)
            return np.where(outcome == 0, 1 - every, right)

        future, past = likely(became, c.parent, mother), likely(came, c.child, one, two)
        wrong = np.isin(c.parent * n + c.child, self._rejected @ [n, 1])
        kinds = became[self._future], came[self._past], np.zeros(int(wrong.sum()), np.int64)
        chances = future[self._future], past[self._past], 1 - scores.link[wrong]
        return np.concatenate(kinds), np.clip(np.concatenate(chances), 0, 1)

    def _divisions(self, parent: np.ndarray, child: np.ndarray) -> Agreement:
        order = np.argsort(parent, kind="stable")
        parent, child = parent[order], child[order]
        first = np.flatnonzero(parent[1:] == parent[:-1])
        mother, one, two = parent[first], child[first], child[first + 1]
        successor, sister = self._successor[mother], self._sister[mother]
        right = ((one == successor) & (two == sister)) | ((one == sister) & (two == successor))
        judged = self._future[mother] | self._past[one] | self._past[two]
        true = np.flatnonzero(self._sister >= 0)
        past = self._past[self._successor[true]] | self._past[self._sister[true]]
        asked = self._future[true] | past
        return Agreement(int((right & judged).sum()), int(judged.sum()), int(asked.sum()))


def rejected_rows(recording: Recording, cells: pd.DataFrame) -> np.ndarray:
    """The rejected links of a recording as rows of `cells` (n, 2), where both are there."""
    index = pd.MultiIndex.from_frame(cells[["frame", "label"]])
    ends = [
        index.get_indexer(
            pd.MultiIndex.from_arrays(
                [recording.rejected[f"{end}_{what}"] for what in ("frame", "label")]
            )
        )
        for end in ("parent", "child")
    ]
    pairs = np.column_stack(ends).astype(np.int64).reshape(-1, 2)
    return pairs[(pairs >= 0).all(axis=1)]


class HeldOut:
    """A recording measured once, so that many linkers can be scored on it.

    Parameters
    ----------
    settings
        How links are chosen.
    unit
        Length, in um, that counts as one cell; the median diameter if not given.
    watch
        Sees each frame with its measurements.
    """

    def __init__(
        self,
        recording: Recording,
        settings: TrackSettings | None = None,
        *,
        unit: float | None = None,
        watch: Watch | None = None,
        progress: Progress = silent,
    ) -> None:
        self.recording, self.settings = recording, settings or TrackSettings()
        self.cells, overlaps = measure_overlaps(
            recording.movie,
            recording.labels,
            pixel_size=recording.pixel_size,
            max_gap=self.settings.max_gap,
            watch=watch,
            progress=progress,
        )
        self.graph: CellGraph = build_graph(
            self.cells,
            overlaps,
            recording.labels.shape[1:],
            recording.pixel_size,
            max_gap=self.settings.max_gap,
            max_distance=self.settings.max_distance,
            unit=unit,
        )
        self.known = KnownLinks(recording, self.cells, self.settings.max_gap)

    def score(self, scores: Scores) -> LinkScore:
        """Choose links by `scores` of the candidates of `graph`, and compare with the truth."""
        chosen, _ = choose(self.graph, scores, self.settings)
        candidates = self.graph.candidates
        return self.known.score(candidates.parent[chosen], candidates.child[chosen])


def total(held_out: list[HeldOut], scores: Callable[[HeldOut], Scores]) -> LinkScore:
    """Score of a linker on several recordings, each link counting alike."""
    return sum((held.score(scores(held)) for held in held_out), LinkScore())
