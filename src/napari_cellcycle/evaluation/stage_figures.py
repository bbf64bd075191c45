"""Figures about stages: matrices of cells and frames, confusion, scores and durations.

Each function gives a matplotlib figure that belongs to no window; `save_figure` writes it.
"""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.duration_table import survival
from napari_cellcycle.evaluation.stage_matrix import StageMatrix
from napari_cellcycle.evaluation.stages import StageScores
from napari_cellcycle.io.storage import writing_to

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 500
"""Tracks in a label matrix, so that a row stays visible; those with mitosis come first."""

TEXT, FAINT, GAP = "#222222", "#999999", "#ffffff"
_DPI = 130


def draw_label_matrix(
    matrix: StageMatrix, stages: StageSet, frame_interval: float, *, hours: bool = True
) -> "Figure":
    """Draw stages of tracks (rows) over time, the truth beside the prediction; gaps are white.

    `frame_interval` in seconds. More than `MOST_ROWS` tracks are cut to the first.
    """
    from matplotlib.colors import ListedColormap

    total = len(matrix.tracks)
    shown = matrix.rows(np.arange(min(total, MOST_ROWS)))
    columns = [("predicted", shown.told)]
    if shown.true is not None:
        columns = [("true", shown.true), ("predicted", shown.told)]
    height = 1.5 + float(np.clip(0.09 * len(shown.tracks), 1.5, 9))
    figure = _figure(2 + 5.2 * len(columns), height)
    colours = ListedColormap([GAP, *(stage.colour for stage in stages.stages)])
    scale = frame_interval / 3600 if hours else 1
    end = shown.told.shape[1] * scale
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for place, (name, codes) in zip(axes, columns, strict=True):
        place.imshow(
            codes + 1,
            cmap=colours,
            vmin=-0.5,
            vmax=len(stages) + 0.5,
            aspect="auto",
            interpolation="nearest",
            extent=(0, end, len(codes), 0),
        )
        place.set_title(name, color=TEXT, fontsize=12)
        place.set_xlabel("hours" if hours else "frame", color=TEXT, fontsize=11)
        place.tick_params(colors=TEXT, labelsize=11)
    some = f"the first {len(shown.tracks)} of {total:,}" if total > MOST_ROWS else f"{total:,}"
    axes[0].set_ylabel(f"{some} tracks, by onset of mitosis", color=TEXT, fontsize=11)
    _stage_legend(figure, stages)
    return figure


def draw_confusion(scores: StageScores) -> "Figure":
    """Draw the confusion matrix, each row divided by its cells, with the numbers of cells."""
    counts = scores.confusion
    occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    names = [name for name, here in zip(scores.names, occurs, strict=True) if here]
    counts = counts[np.ix_(occurs, occurs)]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.85 * len(names)
    figure = _figure(side + 1.0, side)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if counts[row, column]:
            axes.text(
                column,
                row,
                f"{value:.2f}\n{counts[row, column]:,}",
                ha="center",
                va="center",
                fontsize=11,
                color="white" if value > 0.55 else TEXT,
            )
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names, rotation=35, ha="right", fontsize=11, color=TEXT)
    axes.set_yticks(ticks, names, fontsize=11, color=TEXT)
    axes.set_xlabel("predicted", color=TEXT, fontsize=11)
    axes.set_ylabel("true", color=TEXT, fontsize=11)
    title = f"accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}"
    axes.set_title(f"{title} ({scores.certainty})", color=TEXT, fontsize=11)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the true stage", color=TEXT, fontsize=11)
    return figure


def draw_scores(scores: StageScores, stages: StageSet) -> "Figure":
    """Draw precision, recall and F1 of every stage with their 95 per cent intervals."""
    table = scores.summary()
    figure = _figure(8.5, 1.4 + 0.55 * len(table))
    places = figure.subplots(1, 3, sharey=True)
    y = np.arange(len(table))
    colours = [stages.colours.get(name, FAINT) for name in table.index]
    for axes, name in zip(places, ("precision", "recall", "f1"), strict=True):
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        axes.hlines(y, low, high, colors=FAINT, linewidth=2, zorder=1)
        axes.scatter(table[name], y, c=colours, s=70, zorder=2, edgecolors=TEXT, clip_on=False)
        axes.set_title("F1" if name == "f1" else name, color=TEXT, fontsize=12)
        lowest = float(np.nanmin([low.min(), table[name].min()])) if len(table) else 0.0
        axes.set_xlim(max(0.0, np.floor(lowest * 10 - 0.5) / 10), 1.02)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _plain(axes)
        axes.grid(axis="x", color="#e5e5e5")
        axes.set_axisbelow(True)
    named = [f"{name} ({cells:,})" for name, cells in table["cells"].items()]
    places[0].set_yticks(y, named, fontsize=11, color=TEXT)
    places[0].set_ylim(len(table) - 0.5, -0.5)
    return figure


def draw_durations(visits: pd.DataFrame, stages: StageSet) -> "Figure":
    """Draw how long cells stay in each stage.

    `visits` as of `duration_table.visit_table`. Left, each stay a point: filled if seen whole,
    hollow if cut off and so at least as long, with median and quartiles of the whole ones.
    Right, the share still in the stage (Kaplan-Meier, of stays whose beginning was seen).
    """
    from matplotlib.ticker import LogLocator, NullLocator

    names = [name for name in stages.names if (visits["stage"] == name).any()]
    figure = _figure(12, 1.8 + max(2.4, 0.5 * len(names)))
    left, right = figure.subplots(1, 2)
    rng = np.random.default_rng(0)
    for y, name in enumerate(names):
        own = visits[visits["stage"] == name]
        _stays(left, own, y, stages.colours[name], rng)
        begun = own[own["begins"].isin(["change", "birth"])]
        if len(begun):
            whole = begun["is_whole"].to_numpy(bool)
            duration = begun["duration_min"].to_numpy(float)
            curve = survival(duration, whole)
            x = np.append(curve["duration"], duration.max())
            share = np.append(curve["share"], curve["share"].iloc[-1])
            right.step(x, share, where="post", color=stages.colours[name], linewidth=2, label=name)
    labels = []
    for name in names:
        seen = visits.loc[visits["stage"] == name, "is_whole"]
        count = int(seen.sum())
        labels.append(f"{name}\n{count} whole, {len(seen) - count} cut")
    left.set_yticks(range(len(names)), labels, fontsize=11, color=TEXT)
    left.set_ylim(len(names) - 0.4, -0.6)
    left.set_title("Stays: filled whole, hollow cut off; bar median", color=TEXT, fontsize=12)
    right.set_title("Share still in the stage (Kaplan-Meier)", color=TEXT, fontsize=12)
    right.set_ylim(0, 1.03)
    for axes in (left, right):
        if len(visits):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("minutes", color=TEXT, fontsize=11)
        _plain(axes)
    if names:
        right.legend(frameon=False, fontsize=11, labelcolor=TEXT)
    return figure


def draw_timing(found: pd.DataFrame, stages: StageSet, reach: int = 6) -> "Figure":
    """Draw how many frames changes of stage come too early or late, one panel a kind.

    `found` as of `stage_timing.transitions`; errors beyond `reach` are gathered at the ends, and
    changes that are never told stand at the right.
    """
    pairs = sorted(set(zip(found["from"].tolist(), found["to"].tolist(), strict=True)))
    kinds = [(p, found[(found["from"] == p[0]) & (found["to"] == p[1])]) for p in pairs]
    columns = min(3, max(1, len(kinds)))
    rows = -(-max(1, len(kinds)) // columns)
    figure = _figure(4.4 * columns, 2.5 * rows + 0.3)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    bins = np.arange(-reach, reach + 1)
    for axes, ((before, after), own) in zip(places, kinds, strict=False):
        error = own["error"].dropna().clip(-reach, reach)
        axes.bar(
            bins, [(error == value).sum() for value in bins], color=stages.stages[after].colour
        )
        missed = int(own["error"].isna().sum())
        axes.bar([reach + 2], [missed], color="white", edgecolor=TEXT, hatch="///")
        names = (stages.names[before], stages.names[after])
        near = (own["error"].abs() <= 1).mean()
        title = f"{names[0]} to {names[1]}: {near:.0%} within 1"
        axes.set_title(title, color=TEXT, fontsize=11)
        axes.set_xticks([-reach, -3, 0, 3, reach, reach + 2], ["early", -3, 0, 3, "late", ""])
        axes.yaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
    for axes in places[len(kinds) :]:
        axes.set_axis_off()
    figure.supxlabel("frames too early or late; hatched: never predicted", color=TEXT, fontsize=11)
    return figure


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure (PNG, PDF or SVG, by its suffix), whole or not at all.

    Raises
    ------
    BadInput
        The suffix is none of these.
    CannotWrite
        The disk refuses.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise BadInput(f"{path.name} is no picture's name; end it with .png, .pdf or .svg.")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=".", dir=path.parent)
        os.close(handle)
        try:
            figure.savefig(name, dpi=_DPI)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _stays(axes: "Axes", own: pd.DataFrame, y: int, colour: str, rng: np.random.Generator) -> None:
    whole = own["is_whole"].to_numpy(bool)
    duration = own["duration_min"].to_numpy(float)
    jitter = y + rng.uniform(-0.22, 0.22, len(own))
    axes.scatter(duration[whole], jitter[whole], s=18, color=colour, alpha=0.75, linewidths=0)
    axes.scatter(duration[~whole], jitter[~whole], s=18, facecolors="none", edgecolors=colour)
    if whole.any():
        low, middle, high = np.percentile(duration[whole], [25, 50, 75])
        axes.hlines(y, low, high, colors=TEXT, linewidth=1.5, zorder=4)
        axes.vlines(middle, y - 0.32, y + 0.32, colors=TEXT, linewidth=2.5, zorder=4)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=TEXT, labelsize=11)


def _stage_legend(figure: "Figure", stages: StageSet) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=s.colour, label=s.name) for s in stages.stages]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 7),
        frameon=False,
        fontsize=11,
        labelcolor=TEXT,
    )
