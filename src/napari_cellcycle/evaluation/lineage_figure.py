"""Lineage trees in the colours of the stages, with durations written on the branches."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.durations import stage_visits
from napari_cellcycle.evaluation.figures import MOST_TRACKS, draw_lineages, lineage_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TEXT = "#222222"
_INCHES_A_TRACK = 0.5
_SHORTEST = 0.024
"""Part of the movie that a stay must last to have its minutes written."""


def draw_lineage_tree(
    experiment: Experiment, tracks: list[int] | None = None, most: int = MOST_TRACKS
) -> "Figure":
    """Draw whole lineages, time to the right, each stay in a stage with its minutes.

    `tracks` names cells whose lineages are wanted; without it those with most divisions come
    first, up to `most` tracks. Above each branch stands the cell's number; below each stay its
    minutes, with a > where it was cut off by the movie or the field, and so is longer. Stays
    too short for the text have none. Raises `BadInput` without tracks or for an unknown one.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if experiment.tracks is None:
        raise BadInput("There are no tracks to draw yet: track the cells first.")
    order = lineage_order(experiment.tracks, most)
    if tracks is not None:
        everything = lineage_order(experiment.tracks, len(experiment.tracks))
        order = _families(everything, tracks)
    height = 1.6 + _INCHES_A_TRACK * max(2, len(order))
    figure = Figure(figsize=(14, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    draw_lineages(axes, experiment, order)
    hours = experiment.movie.frame_interval / 3600
    first = experiment.tracks.cells.groupby(experiment.tracks.track_id)["frame"].min()
    starts = first.reindex(order.index).tolist()
    for track, start, y in zip(order.index, starts, order["place"].tolist(), strict=True):
        axes.text(start * hours, y - 0.1, f" {track}", va="bottom", fontsize=11, color=_TEXT)
    end = len(experiment.movie) * hours
    axes.set_xlim(-0.01 * end, end * 1.01)
    if "stage" in experiment.tracks.cells:
        _write_durations(axes, experiment, order["place"])
        title = axes.get_title(loc="left")
        axes.set_title(f"{title}; durations in minutes", loc="left", fontsize=12, color=_TEXT)
        stages = experiment.stages.stages
        figure.legend(
            handles=[Patch(facecolor=s.colour, label=s.name) for s in stages],
            loc="outside lower center",
            ncols=len(stages),
            frameon=False,
            fontsize=11,
            labelcolor=_TEXT,
        )
    return figure


def _write_durations(axes: "Axes", experiment: Experiment, place: pd.Series) -> None:
    """Write the minutes of every stay below its piece of branch, where there is room."""
    minutes = experiment.movie.frame_interval / 60
    visits = stage_visits(experiment)
    visits = visits[visits["track"].isin(place.index)]
    visits = visits[visits["frames"] >= _SHORTEST * len(experiment.movie)]
    middles = (visits["first"] + visits["frames"] / 2) * minutes / 60
    lines = place.loc[visits["track"]].tolist()
    durations = (visits["frames"] * minutes).tolist()
    whole = visits["is_whole"].tolist()
    for x, y, duration, is_whole in zip(middles, lines, durations, whole, strict=True):
        text = f"{'' if is_whole else '>'}{_minutes(duration)}"
        axes.text(x, y + 0.12, text, ha="center", va="top", fontsize=11, color=_TEXT)


def _families(order: pd.DataFrame, tracks: list[int]) -> pd.DataFrame:
    """The lineages of some tracks, moved up to stand without gaps."""
    strange = [track for track in tracks if track not in order.index]
    if strange:
        raise BadInput(f"There is no cell {strange[0]}; the number of a cell is that of its track.")
    mother = order["mother"].to_dict()

    def founder(track: int) -> int:
        while mother[track]:
            track = mother[track]
        return track

    own = pd.Series({track: founder(track) for track in order.index})
    kept = order[own.isin([founder(track) for track in tracks])].sort_values("place")
    family = own.loc[kept.index].to_numpy()
    place = kept["place"].to_numpy()
    moved = np.zeros(len(place))
    start = 0.0
    for one in dict.fromkeys(family.tolist()):
        rows = family == one
        moved[rows] = place[rows] - place[rows].min() + start
        start = moved[rows].max() + 1.8
    return kept.assign(place=moved)


def _minutes(duration: float) -> str:
    return f"{duration:.0f}" if duration >= 10 else f"{duration:g}"
