"""Pictures of results: frames with outlines coloured by stage, and lineage trees."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST_VIEW = 640
"""Most pixels of a frame, in y and x, that are shown; larger frames are cropped."""

MOST_TRACKS = 60
"""Tracks in a tree, so that it stays readable; lineages with most divisions come first."""

_TEXT, _FAINT, _UNKNOWN = "#222222", "#888888", "#dddddd"
_BARS_UM = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def save_picture(experiment: Experiment, path: str | Path, *, frames: int = 4) -> None:
    """Draw some frames with outlines coloured by stage above the lineage tree (PNG, PDF, SVG).

    Volumes are shown as maximum projections. Raises `BadInput` without tracks, `CannotWrite`
    if the file cannot be written.
    """
    from matplotlib.figure import Figure

    if experiment.tracks is None or experiment.labels is None:
        raise BadInput("There are no tracks to draw yet; run Track first.")
    shown = _frames_to_show(experiment, frames)
    tree = lineage_order(experiment.tracks)
    height = 3.6 + 1.4 + max(2.4, 0.13 * len(tree))
    figure = Figure(figsize=(14, height), layout="constrained", facecolor="white")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.9, height - 3.9))[:, 0]
    for axes, time in zip(top.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        draw_frame(axes, experiment, time)
    draw_lineages(bottom.subplots(), experiment, tree)
    _draw_legend(bottom, experiment)
    try:
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise CannotWrite(
            f"The picture {path} cannot be written ({error.strerror}); choose another place."
        ) from error


def draw_frame(axes: "Axes", experiment: Experiment, time: int) -> None:
    """Draw one frame with the outline of every cell in the colour of its stage."""
    from matplotlib.colors import to_rgba_array

    assert experiment.labels is not None and experiment.tracks is not None
    image = _flat(experiment.movie.frame(time))
    mask = _flat(experiment.labels.frame(time))
    view = tuple(_middle(size) for size in image.shape)
    image, mask = image[view].astype(np.float32), mask[view]
    low, high = np.percentile(image, (1, 99.7))
    bright = np.clip((image - low) / max(high - low, 1), 0, 1) ** 0.7
    axes.imshow(bright, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    zoom = 4
    fine = mask.repeat(zoom, 0).repeat(zoom, 1)
    cells = experiment.tracks.cells
    here = cells[cells["frame"] == time]
    colour = np.full((int(mask.max()) + 1, 4), to_rgba_array(_FAINT)[0])
    known = here["label"].to_numpy() < len(colour)
    colour[here["label"].to_numpy()[known]] = to_rgba_array(_colours(here, experiment))[known]
    outline = colour[fine]
    outline[..., 3] = _rim(fine, 2 * zoom)
    axes.imshow(outline, extent=(-0.5, mask.shape[1] - 0.5, mask.shape[0] - 0.5, -0.5))
    hours = time * experiment.movie.frame_interval / 3600
    axes.set_title(f"frame {time + 1}, {_clock(hours)}", color=_TEXT, fontsize=11)
    _draw_scale_bar(axes, mask.shape, experiment.movie.pixel_size[-1])
    axes.set_axis_off()


def draw_lineages(axes: "Axes", experiment: Experiment, order: pd.DataFrame | None = None) -> None:
    """Draw lineage trees, time to the right, each cell a line in the colours of its stages."""
    from matplotlib.collections import LineCollection

    tracks = experiment.tracks
    assert tracks is not None
    order = lineage_order(tracks) if order is None else order
    hours = experiment.movie.frame_interval / 3600
    track = tracks.track_id
    cells = tracks.cells.assign(track=track)
    cells = cells[cells["track"].isin(order.index)].sort_values(["track", "frame"])
    y = order["place"].reindex(cells["track"]).to_numpy()
    frame, number = cells["frame"].to_numpy(), cells["track"].to_numpy()
    same = np.r_[number[1:] == number[:-1], False]
    until = np.where(same, np.r_[frame[1:], 0], frame + 1)
    segments = np.stack([np.c_[frame * hours, y], np.c_[until * hours, y]], axis=1)
    divided = order[order["mother"] > 0]
    born = cells.groupby("track")["frame"].min().reindex(divided.index).to_numpy() * hours
    above = order["place"].reindex(divided["mother"]).to_numpy()
    joints = np.stack([np.c_[born, above], np.c_[born, divided["place"].to_numpy()]], axis=1)
    axes.add_collection(LineCollection(list(joints), colors=_FAINT, linewidths=1.2, zorder=1))
    axes.add_collection(
        LineCollection(
            list(segments),
            colors=_colours(cells, experiment),
            linewidths=4.5,
            capstyle="butt",
            zorder=2,
        )
    )
    axes.set_xlim(0, len(experiment.movie) * hours)
    axes.set_ylim(order["place"].max() + 1 if len(order) else 1, -1)
    axes.set_xlabel("hours", color=_TEXT, fontsize=11)
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)
    total = int(track.nunique())
    what = f"{len(order)} of {total} tracks" if len(order) < total else f"all {total} tracks"
    axes.set_title(f"Lineages ({what})", loc="left", color=_TEXT, fontsize=12)


def lineage_order(tracks: Tracks, most: int = MOST_TRACKS) -> pd.DataFrame:
    """Places of tracks in a drawn tree: `place` (lines from the top) and `mother` (0: none).

    Indexed by track. Lineages with most divisions come first, then the longest; whole
    lineages are left out once `most` tracks are placed.
    """
    mother = tracks.mothers
    daughters: dict[int, list[int]] = {}
    for child, parent in mother.items():
        daughters.setdefault(parent, []).append(child)
    length = tracks.track_id.value_counts()
    founders = [t for t in length.index if t not in mother]
    sizes = {founder: _tree(founder, daughters) for founder in founders}
    founders.sort(key=lambda t: (-len(sizes[t]), -int(length[sizes[t]].sum()), t))
    place: dict[int, float] = {}
    line = 0.0
    for founder in founders:
        if place and len(place) + len(sizes[founder]) > most:
            continue
        for track in sizes[founder]:
            if track not in daughters:
                place[track] = line
                line += 1
        for track in reversed(sizes[founder]):
            if track in daughters:
                place[track] = float(np.mean([place[child] for child in daughters[track]]))
        line += 0.8
    table = pd.DataFrame({"place": place, "mother": {t: mother.get(t, 0) for t in place}})
    return table.astype({"place": float, "mother": int})


def _tree(founder: int, daughters: dict[int, list[int]]) -> list[int]:
    """Tracks of a lineage, each mother before her daughters and beside them."""
    found, waiting = [], [founder]
    while waiting:
        track = waiting.pop()
        found.append(track)
        waiting += sorted(daughters.get(track, ()), reverse=True)
    return found


def _frames_to_show(experiment: Experiment, count: int) -> list[int]:
    """Evenly spread frames, each moved to the one nearby that shows most stages."""
    total = len(experiment.movie)
    assert experiment.tracks is not None
    cells = experiment.tracks.cells
    kinds = np.zeros(total)
    if "stage" in cells:
        seen = cells.assign(stage=cells["stage"].astype(str)).groupby("frame")["stage"].nunique()
        kinds[seen.index.to_numpy()] = seen.to_numpy()
    parts = min(count, total)
    middles = (np.arange(parts) + 0.5) * total / parts
    near = total // (4 * parts)
    windows = [range(int(m) - near, int(m) + near + 1) for m in middles]
    return [max(window, key=lambda time: kinds[time]) for window in windows]


def _colours(cells: pd.DataFrame, experiment: Experiment) -> list[str]:
    if "stage" not in cells:
        return [experiment.stages.stages[0].colour] * len(cells)
    return cells["stage"].astype(str).map(experiment.stages.colours).fillna(_UNKNOWN).tolist()


def _flat(frame: np.ndarray) -> np.ndarray:
    return frame.max(axis=0) if frame.ndim == 3 else frame


def _middle(size: int) -> slice:
    start = max(0, (size - LARGEST_VIEW) // 2)
    return slice(start, start + min(size, LARGEST_VIEW))


def _rim(mask: np.ndarray, width: int) -> np.ndarray:
    """Whether each pixel lies within half of `width` pixels of the inner edge of its mask."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = width + 1
    is_edge = maximum_filter(mask, size) != minimum_filter(mask, size)
    return is_edge & (mask > 0)


def _draw_scale_bar(axes: "Axes", shape: tuple[int, ...], pixel_size: float) -> None:
    from matplotlib.patches import Rectangle

    width = shape[1] * pixel_size
    length = max((bar for bar in _BARS_UM if bar <= width / 4), default=_BARS_UM[0])
    right, y = shape[1] * 0.96, shape[0] * 0.955
    axes.add_patch(
        Rectangle(
            (right - length / pixel_size * 1.1, shape[0] * 0.89),
            length / pixel_size * 1.2,
            shape[0] * 0.08,
            color="black",
            alpha=0.6,
            linewidth=0,
        )
    )
    axes.plot([right - length / pixel_size, right], [y, y], color="white", linewidth=3)
    axes.text(
        right - length / pixel_size / 2,
        y * 0.985,
        f"{length} µm",
        color="white",
        ha="center",
        va="bottom",
        fontsize=9,
    )


def _draw_legend(figure: Any, experiment: Experiment) -> None:
    from matplotlib.lines import Line2D

    stages = experiment.stages.stages
    handles = [Line2D([], [], color=s.colour, linewidth=5, label=s.name) for s in stages]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=11,
        labelcolor=_TEXT,
    )


def _clock(hours: float) -> str:
    minutes = round(hours * 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
