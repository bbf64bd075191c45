"""Corrections that cannot all be right, and what else cannot be taught, each in a sentence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.teach.copies import movie_of
from napari_cellcycle.training.teach.truth import pinned_stages

Named = tuple[str, Experiment]
"""An experiment with the name of its folder."""
_PLACES = 0
"""Decimals of positions, in pixels, by which a cell is known in two copies of a movie."""


def check_links(experiments: Sequence[Named]) -> None:
    """Raise `BadInput` if a link was both made and taken away.

    Cells are known by frame and place, so that copies of one experiment may be compared.
    """
    said = pd.concat([_links(name, one) for name, one in experiments], ignore_index=True)
    both = _two_answers(said, ["movie", "parent", "child"], "right")
    if both is not None:
        one, other = both
        raise BadInput(
            f"The link to cell {one['label']} in frame {one['frame']} was made in {one['name']} "
            f"and taken away in {other['name']}: look at it again, and undo one of the two."
        )


def check_stages(experiments: Sequence[Named]) -> None:
    """Raise `BadInput` if a cell was set to two stages."""
    said = pd.concat([_stages(name, one) for name, one in experiments], ignore_index=True)
    both = _two_answers(said, ["movie", "cell"], "stage")
    if both is not None:
        one, other = both
        raise BadInput(
            f"Cell {one['label']} in frame {one['frame']} was set to {one['stage']} in "
            f"{one['name']}, but to {other['stage']} in {other['name']}: look at it again, and "
            "set it to the same stage in both, or leave one of them out."
        )


def _two_answers(
    said: pd.DataFrame, keys: list[str], answer: str
) -> tuple[pd.Series, pd.Series] | None:
    """Two rows that are of the same thing, and answer differently; None if there are none."""
    if not len(said):
        return None
    differing = said.groupby(keys, sort=False)[answer].transform("nunique") > 1
    if not differing.any():
        return None
    rows = said[differing]
    same = rows[(rows[keys] == rows.iloc[0][keys]).all(axis=1)].sort_values(answer, ascending=False)
    one = same.iloc[0]
    return one, same[same[answer] != one[answer]].iloc[0]


def _links(name: str, experiment: Experiment) -> pd.DataFrame:
    tracks = experiment.tracks
    if tracks is None:
        return pd.DataFrame()
    made = tracks.links.loc[tracks.links["by"] == BY_USER, ["parent", "child"]]
    told = pd.concat([made.assign(right=True), tracks.rejected.assign(right=False)])
    known, child = _places(tracks), told["child"]
    return pd.DataFrame(
        {
            "name": name,
            "movie": movie_of(experiment),
            "parent": known.loc[told["parent"]].to_numpy(),
            "child": known.loc[child].to_numpy(),
            "right": told["right"].to_numpy(bool),
            "frame": tracks.cells.loc[child, "frame"].to_numpy(),
            "label": tracks.cells.loc[child, "label"].to_numpy(),
        }
    )


def _stages(name: str, experiment: Experiment) -> pd.DataFrame:
    tracks = experiment.tracks
    if tracks is None:
        return pd.DataFrame()
    pinned = pinned_stages(tracks)
    rows = np.flatnonzero(pinned != "")
    cells = tracks.cells.iloc[rows]
    return pd.DataFrame(
        {
            "name": name,
            "movie": movie_of(experiment),
            "cell": _places(tracks).iloc[rows].to_numpy(),
            "stage": pinned[rows],
            "frame": cells["frame"].to_numpy(),
            "label": cells["label"].to_numpy(),
        }
    )


def _places(tracks: Tracks) -> pd.Series:
    """What a cell is known by: its frame and place, to the pixel."""
    cells = tracks.cells
    text = cells["frame"].astype(str)
    for axis in tracks.axes:
        text = text + " " + cells[axis].round(_PLACES).astype(str)
    return text
