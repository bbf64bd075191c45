"""What is wrong with a tracking result, one row an error, to look at and to mend."""

from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.evaluation.lineage import DivisionMatch, LinkErrors, Links
from napari_cellcycle.evaluation.matching import Matching

KINDS = {
    "missed cell": "FN",
    "false cell": "FP",
    "merged cells": "NS",
    "missed link": "EA",
    "false link": "ED",
    "link over missing masks": "ED",
    "link of the wrong kind": "EC",
    "missed division": "",
    "false division": "",
    "shifted division": "",
    "wrong daughters": "",
}
"""Kinds of errors, and what AOGM calls the correction that each needs; divisions have none of
their own, since their links are counted. A link over missing masks is as right as it can be."""


def list_errors(
    tracks: Tracks,
    truth: Tracks,
    matching: Matching,
    links: LinkErrors,
    divisions: DivisionMatch,
) -> pd.DataFrame:
    """Table of errors, in the order of frames.

    Columns: `kind` (of `KINDS`), `frame`, `cell` (a label in that frame), `of` (whose label:
    "result", or "truth" where the result has no mask for the cell), position `[z,] y, x` in
    pixels, `correction` (its name in AOGM) and `sentence`.
    """
    names = _Names(tracks, truth, matching)
    parts = [
        *_cell_errors(names, matching),
        *_link_errors(names, Links.of(tracks), Links.of(truth), links),
        *_division_errors(names, divisions),
    ]
    rows = pd.concat(parts, ignore_index=True)
    rank = pd.Series(np.arange(len(KINDS)), list(KINDS))
    order = np.lexsort((rows["cell"], rank.loc[rows["kind"]].to_numpy(), rows["frame"]))
    rows = rows.iloc[order].reset_index(drop=True)
    rows["correction"] = rows["kind"].map(KINDS).astype(str)
    return rows[["kind", "frame", "cell", "of", *truth.axes, "correction", "sentence"]]


class _Names:
    """What the cells of either side are called, and where they are."""

    def __init__(self, tracks: Tracks, truth: Tracks, matching: Matching) -> None:
        self.tables = {"result": tracks.cells, "truth": truth.cells}
        self.axes = truth.axes
        self.alone = matching.alone

    def rows(self, kind: str, of: str, rows: np.ndarray, sentence: Any) -> pd.DataFrame:
        """Error rows at the cells in `rows` of the table `of`."""
        cells = self.tables[of].iloc[rows]
        columns = {"frame": cells["frame"], "cell": cells["label"]}
        columns |= {axis: cells[axis] for axis in self.axes}
        plain = {name: column.to_numpy() for name, column in columns.items()}
        return pd.DataFrame({"kind": kind, "of": of, **plain, "sentence": np.asarray(sentence)})

    def both(self, kind: str, rows: np.ndarray, sentence: Any) -> list[pd.DataFrame]:
        """Error rows at true cells, called as in the result where that has a mask for them."""
        mask, said = self.alone[rows], np.asarray(sentence)
        known = mask >= 0
        return [
            self.rows(kind, "result", mask[known], said[known]),
            self.rows(kind, "truth", rows[~known], said[~known]),
        ]

    def of_result(self, rows: np.ndarray) -> pd.Series:
        """Words for cells of the result, such as "cell 7"."""
        return self._words("result", rows)

    def of_truth(self, rows: np.ndarray) -> pd.Series:
        """Words for true cells: "cell 7" if the result has a mask for them, else "true cell 5"."""
        mask = self.alone[rows]
        words = "true " + self._words("truth", rows)
        known = mask >= 0
        words[known] = self._words("result", mask[known]).to_numpy()
        return words

    def frames(self, of: str, rows: np.ndarray) -> pd.Series:
        """Frames of cells, as words."""
        return pd.Series(self.tables[of]["frame"].to_numpy()[rows]).astype(str)

    def _words(self, of: str, rows: np.ndarray) -> pd.Series:
        return "cell " + pd.Series(self.tables[of]["label"].to_numpy()[rows]).astype(str)


def _cell_errors(names: _Names, matching: Matching) -> list[pd.DataFrame]:
    missed = np.flatnonzero(matching.found < 0)
    false = np.flatnonzero(matching.held == 0)
    shared = np.flatnonzero(matching.found >= 0)
    shared = shared[matching.held[matching.found[shared]] > 1]
    mask = matching.found[shared]
    further = pd.Series(mask).duplicated().to_numpy()
    first = pd.Series(shared[~further], mask[~further])
    more, mask = shared[further], mask[further]
    sentence = (
        _begin(names.of_result(mask) + " holds ")
        + (names.of_truth(more) + " as well as ")
        + (names.of_truth(first.reindex(mask).to_numpy(int)) + ".")
    )
    return [
        names.rows(
            "missed cell", "truth", missed, _begin(names.of_truth(missed)) + " has no mask."
        ),
        names.rows(
            "false cell",
            "result",
            false,
            _begin(names.of_result(false)) + " is none of the truth's cells, or too little of one.",
        ),
        names.rows("merged cells", "result", mask, sentence).assign(
            **{axis: names.tables["truth"][axis].to_numpy()[more] for axis in names.axes}
        ),
    ]


def _link_errors(
    names: _Names, links: Links, true: Links, errors: LinkErrors
) -> list[pd.DataFrame]:
    parent, child = true.parent[errors.missed], true.child[errors.missed]
    relation = np.where(true.divides[errors.missed], " is a daughter of ", " goes on from ")
    whole = (names.alone[parent] >= 0) & (names.alone[child] >= 0)
    end = np.where(whole, " is not linked to it.", " one of them has no mask of its own.")
    sentence = (
        _begin(names.of_truth(child))
        + relation
        + (names.of_truth(parent) + " in frame ")
        + names.frames("truth", parent)
        + (" but" + pd.Series(end))
    )
    missed = names.both("missed link", child, sentence)
    parent, child = links.parent[errors.false], links.child[errors.false]
    sentence = _begin(names.of_result(child)) + (" is linked to " + names.of_result(parent))
    sentence += " in frame " + names.frames("result", parent) + " but is another cell."
    false = names.rows("false link", "result", child, sentence)
    parent, child = links.parent[errors.skipping], links.child[errors.skipping]
    sentence = _begin(names.of_result(child)) + (" goes on from " + names.of_result(parent))
    sentence += " in frame " + names.frames("result", parent)
    sentence += " as linked, but has no mask of its own in between."
    skipping = names.rows("link over missing masks", "result", child, sentence)
    parent, child = links.parent[errors.wrong], links.child[errors.wrong]
    splits = true.divides[errors.wrong_truth]
    sentence = _begin(names.of_result(child)) + np.where(
        splits, " is a daughter of ", " goes on as the same cell from "
    )
    sentence += names.of_result(parent) + " in frame " + names.frames("result", parent)
    sentence += np.where(splits, " but is linked as the same cell.", " but is linked as daughter.")
    wrong = names.rows("link of the wrong kind", "result", child, sentence)
    return [*missed, false, skipping, wrong]


def _division_errors(names: _Names, divisions: DivisionMatch) -> list[pd.DataFrame]:
    pairs = divisions.pairs
    missed = np.setdiff1d(divisions.true, pairs["true"])
    false = np.setdiff1d(divisions.found, pairs["found"])
    parts = names.both(
        "missed division",
        missed,
        _begin(names.of_truth(missed)) + " divides after this frame, but not in the result.",
    )
    said = _begin(names.of_result(false)) + " divides after this frame, but not in the truth."
    parts.append(names.rows("false division", "result", false, said))
    late = pairs[pairs["right"] & (pairs["shift"] != 0)]
    found, shift = late["found"].to_numpy(int), late["shift"].to_numpy()
    away = pd.Series(np.abs(shift)).astype(str)
    said = _begin(names.of_result(found)) + (" divides " + away)
    said += np.where(np.abs(shift) == 1, " frame", " frames")
    said += np.where(shift > 0, " too late.", " too early.")
    parts.append(names.rows("shifted division", "result", found, said))
    found = pairs.loc[~pairs["right"], "found"].to_numpy(int)
    said = _begin(names.of_result(found)) + " divides, but not into these two daughters."
    parts.append(names.rows("wrong daughters", "result", found, said))
    return parts


def _begin(words: pd.Series) -> pd.Series:
    """The words with a capital letter at the beginning."""
    return words.str[:1].str.upper() + words.str[1:]
