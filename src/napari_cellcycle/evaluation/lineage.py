"""Links and divisions of a result against those of the truth."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.evaluation.matching import Matching

FARTHEST = 3
"""Most frames between a division of the truth and the one of the result that stands for it."""

_LONGEST_GAP = 10


@dataclass(frozen=True)
class Links:
    """Rows of the cells that each link joins, and whether it is more than the next frame.

    `parental` links lead from a mother to a daughter or over a gap; the challenge writes them
    as a parent in its track file, the others as one label that goes on.
    """

    parent: np.ndarray
    child: np.ndarray
    parental: np.ndarray
    divides: np.ndarray

    @classmethod
    def of(cls, tracks: Tracks) -> "Links":
        """List the links of `tracks`, in the order of its table."""
        ids, frame = tracks.cells.index, tracks.cells["frame"].to_numpy()
        parent = ids.get_indexer(pd.Index(tracks.links["parent"]))
        child = ids.get_indexer(pd.Index(tracks.links["child"]))
        divides = tracks.links["parent"].isin(tracks.divisions).to_numpy(bool)
        return cls(parent, child, divides | (frame[child] - frame[parent] > 1), divides)

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True)
class LinkErrors:
    """Links to be added, removed and changed; positions in the tables of links.

    `missed` (truth), `false` and `skipping` (result), and pairs `wrong` (result) and
    `wrong_truth` (truth) that join the same cells, one as mother and daughter and the other as
    one cell. A `skipping` link joins a cell to its own past, but over frames in which the truth
    shows it too; the others that the truth has not are `false`.
    """

    missed: np.ndarray
    false: np.ndarray
    skipping: np.ndarray
    wrong: np.ndarray
    wrong_truth: np.ndarray


def compare_links(links: Links, true: Links, matching: Matching) -> LinkErrors:
    """Corrections of links after Matula et al. (2015).

    Of the result, only links between masks that hold one cell each are looked at; what is wrong
    with the others counts with the masks.
    """
    truth_of, n = matching.truth_of, len(matching.found)
    parent, child = truth_of[links.parent], truth_of[links.child]
    judged = np.flatnonzero((parent >= 0) & (child >= 0))
    code = parent[judged] * n + child[judged]
    true_code = true.parent * n + true.child
    _, here, there = np.intersect1d(code, true_code, assume_unique=True, return_indices=True)
    same = judged[here]
    differs = links.parental[same] != true.parental[there]
    extra = np.setdiff1d(judged, same)
    own = _is_past(parent[extra], child[extra], true, n)
    return LinkErrors(
        missed=np.setdiff1d(np.arange(len(true)), there),
        false=extra[~own],
        skipping=extra[own],
        wrong=same[differs],
        wrong_truth=there[differs],
    )


def _is_past(parent: np.ndarray, child: np.ndarray, true: Links, n: int) -> np.ndarray:
    """Whether each true cell `parent` is among the few before `child`, of `n` cells."""
    before = np.full(n + 1, -1)
    before[true.child] = true.parent
    found, cell = np.zeros(len(child), bool), child
    for _ in range(_LONGEST_GAP):
        cell = before[cell]
        found |= cell == parent
    return found


@dataclass(frozen=True)
class DivisionMatch:
    """Divisions of the truth and of the result, and which stand for each other.

    `true` and `found` hold the rows of the mothers at their last sight. `pairs` has a row for
    each pair that stands for one another, one to one: `true` and `found` (rows of mothers),
    `shift` (frames that the result divides too late), and `right`, whether both daughters are.
    """

    true: np.ndarray
    found: np.ndarray
    pairs: pd.DataFrame

    def within(self, frames: int) -> int:
        """Divisions found with the right daughters, at most so many frames away."""
        return int((self.pairs["right"] & (self.pairs["shift"].abs() <= frames)).sum())


def compare_divisions(tracks: Tracks, truth: Tracks, matching: Matching) -> DivisionMatch:
    """Find the division of the result that stands for each of the truth.

    It is at most `FARTHEST` frames away. Mother and mother are the same if, in the last frame
    before both divide in which the truth's has a mask of her own, that mask is the other's;
    daughters are right if the same holds in the first frame after both are born. So a missing or
    merged mask around the division, or a gap that was closed there, spoils nothing.
    """
    mine, true = _mothers(tracks), _mothers(truth)
    held = _Holders(tracks, truth, matching)
    pairs = true.merge(held.shared, on="track").merge(
        mine, left_on="holder", right_on="track", suffixes=("_true", "")
    )
    pairs["shift"] = pairs["frame"] - pairs["frame_true"]
    pairs = pairs[pairs["shift"].abs() <= FARTHEST]
    first = pairs[["frame", "frame_true"]].min(axis=1)
    pairs = pairs[held.before(pairs["track_true"], first) == pairs["track"].to_numpy()]

    def are(truth_side: str, side: str) -> np.ndarray:
        born = pairs[[f"born_{truth_side}_true", f"born_{side}"]].max(axis=1)
        daughter = held.after(pairs[f"track_{truth_side}_true"], born)
        return daughter == pairs[f"track_{side}"].to_numpy()

    pairs["right"] = (are("a", "a") & are("b", "b")) | (are("a", "b") & are("b", "a"))
    pairs = pairs.assign(far=pairs["shift"].abs()).sort_values(
        ["right", "far", "row_true"], ascending=[False, True, True], kind="stable"
    )
    pairs = pairs.drop_duplicates("row_true").drop_duplicates("row")
    pairs = pairs.rename(columns={"row_true": "true", "row": "found"})
    columns = ["true", "found", "shift", "right"]
    return DivisionMatch(
        true["row"].to_numpy(), mine["row"].to_numpy(), pairs[columns].reset_index(drop=True)
    )


def target_effectiveness(tracks: Tracks, truth: Tracks, matching: Matching) -> float | None:
    """Share of the sightings of true tracks that lie in the result track which holds most of each.

    Only masks that hold one cell count. None without a truth.
    """
    if not len(truth):
        return None
    alone = matching.alone
    known = np.flatnonzero(alone >= 0)
    held = pd.DataFrame(
        {"track": truth.components[known], "holder": tracks.components[alone[known]]}
    )
    best = held.value_counts().groupby(level="track").max()
    return float(best.sum() / len(truth))


def _mothers(tracks: Tracks) -> pd.DataFrame:
    """Dividing cells: `row`, `frame`, `track`, and track and first frame of daughters a and b."""
    links, component = Links.of(tracks), tracks.components
    frame = tracks.cells["frame"].to_numpy(np.int64)
    of_mother = np.flatnonzero(links.divides)
    order = of_mother[np.lexsort((links.child[of_mother], links.parent[of_mother]))]
    row, a, b = links.parent[order[::2]], links.child[order[::2]], links.child[order[1::2]]
    sides = {"a": a, "b": b}
    return pd.DataFrame(
        {"row": row, "frame": frame[row], "track": component[row].astype(np.int64)}
        | {f"track_{name}": component[side].astype(np.int64) for name, side in sides.items()}
        | {f"born_{name}": frame[side] for name, side in sides.items()}
    )


class _Holders:
    """Which track of the result holds a track of the truth, frame by frame."""

    def __init__(self, tracks: Tracks, truth: Tracks, matching: Matching) -> None:
        alone = matching.alone
        known = np.flatnonzero(alone >= 0)
        track = truth.components[known].astype(np.int64)
        holder = tracks.components[alone[known]].astype(np.int64)
        frame = truth.cells["frame"].to_numpy(np.int64)[known]
        last = max((int(t.cells["frame"].max()) for t in (tracks, truth) if len(t)), default=0)
        self._frames = last + 2
        code = track * self._frames + frame
        order = np.argsort(code, kind="stable")
        self._code, self._track, self._holder = code[order], track[order], holder[order]
        self.shared = pd.DataFrame({"track": track, "holder": holder}).drop_duplicates()

    def before(self, track: pd.Series, frame: pd.Series) -> np.ndarray:
        """Holder of each track where it was last held until `frame`; -1 if it never was."""
        code = track.to_numpy() * self._frames + frame.to_numpy()
        return self._at(np.searchsorted(self._code, code, "right") - 1, track)

    def after(self, track: pd.Series, frame: pd.Series) -> np.ndarray:
        """Holder of each track where it is first held from `frame` on; -1 if it never is."""
        code = track.to_numpy() * self._frames + frame.to_numpy()
        return self._at(np.searchsorted(self._code, code, "left"), track)

    def _at(self, place: np.ndarray, track: pd.Series) -> np.ndarray:
        if not len(self._code):
            return np.full(len(place), -1)
        kept = np.clip(place, 0, len(self._code) - 1)
        same = (place == kept) & (self._track[kept] == track.to_numpy())
        return np.where(same, self._holder[kept], -1)
