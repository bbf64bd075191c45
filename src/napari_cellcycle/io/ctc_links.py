"""The links that a track file of the Cell Tracking Challenge makes between masks."""

from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import BY_MODEL
from napari_cellcycle.errors import BadInput


def links_by_lines(
    cells: pd.DataFrame, lines: pd.DataFrame, path: Path, first: int = 0
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Link the masks of each label, and the first of them to the last of its parent.

    Parameters
    ----------
    cells
        One row a mask, with `frame` and `label`.
    lines
        What `read_track_lines` gives of the file at `path`.
    first
        The number in the name of the first frame, from which some files count.

    Returns
    -------
    links, left_out
        `left_out` counts lines of tracks without any mask ("maskless"), links to the parent of
        which that is so ("strangers"), links to a third child or further ones ("further"), and
        lines whose first or last frame is not that of the masks ("spans").

    Raises
    ------
    BadInput
        A parent that lives on after its child began.
    """
    ordered = cells.sort_values(["label", "frame"])
    ids, label = ordered.index.to_numpy(), ordered["label"].to_numpy()
    same = label[1:] == label[:-1]
    ends = np.r_[True, ~same][: len(ids)], np.r_[~same, True][: len(ids)]
    begins, stops = (pd.Series(ids[end], label[end]) for end in ends)
    born = lines[lines["parent"] > 0].sort_values(["parent", "begin", "label"])
    born = born[born["label"].isin(begins.index)]
    known = born["parent"].isin(stops.index)
    paired = born[known & (born[known].groupby("parent").cumcount().reindex(born.index) < 2)]
    mothers = stops.loc[paired["parent"]].to_numpy()
    daughters = begins.loc[paired["label"]].to_numpy()
    frame = cells["frame"]
    late = frame.loc[mothers].to_numpy() >= frame.loc[daughters].to_numpy()
    if late.any():
        wrong = paired.iloc[int(np.flatnonzero(late)[0])]
        raise BadInput(
            f"In {path} track {wrong['parent']} is the parent of {wrong['label']} but is still "
            "seen when that begins: a parent must end before its children begin."
        )
    parent, child = np.r_[ids[:-1][same], mothers], np.r_[ids[1:][same], daughters]
    links = pd.DataFrame({"parent": parent, "child": child, "score": 1.0, "by": BY_MODEL})
    seen = lines["label"].isin(begins.index)
    counts = {
        "maskless": int((~seen).sum()),
        "strangers": int((~known).sum()),
        "further": int(known.sum()) - len(paired),
        "spans": _other_spans(cells, lines[seen], first),
    }
    left_out = {name: count for name, count in counts.items() if count}
    return links.sort_values("child", ignore_index=True), left_out


def _other_spans(cells: pd.DataFrame, lines: pd.DataFrame, first: int) -> int:
    """How many lines say other first or last frames than the masks, however the file counts."""
    seen = cells.groupby("label")["frame"].agg(["min", "max"]).loc[lines["label"]].to_numpy()
    said = lines[["begin", "end"]].to_numpy()
    return min(int((said != seen + shift).any(axis=1).sum()) for shift in (0, first))
