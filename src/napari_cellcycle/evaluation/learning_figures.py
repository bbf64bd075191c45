"""Figures about learning: how loss and score changed, and how far stages lie apart."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.stage_figures import FAINT, TEXT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 5000
"""Cells in a plot of the feature space; more are drawn at random."""


def read_curve(path: str | Path) -> pd.DataFrame:
    """Read a learning curve: a CSV with the columns epoch, loss and (optional) score.

    Raises
    ------
    BadInput
        There is no such file or column.
    """
    try:
        curve = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no table of a training; give a CSV with epoch, loss.") from error
    return _curve(curve, str(path))


def draw_learning(history: pd.DataFrame | Iterable[Mapping[str, Any]]) -> "Figure":
    """Draw the mean loss and the held-out score of every epoch, from a fit's history or curve.

    The epoch of the best score is marked. Raises `BadInput` if there is no epoch.
    """
    from matplotlib.figure import Figure

    table = history if isinstance(history, pd.DataFrame) else pd.DataFrame(list(history))
    curve = _curve(table, "The history")
    figure = Figure(figsize=(10, 3.6), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    left.plot(curve["epoch"], curve["loss"], color="#4477aa", linewidth=2, marker=".")
    left.set_title("Mean loss of the examples learned from", color=TEXT, fontsize=12)
    score = pd.to_numeric(curve["score"], errors="coerce")
    if score.notna().any():
        right.plot(curve["epoch"], score, color="#ee9944", linewidth=2, marker=".")
        best = int(np.nanargmax(score.to_numpy(float)))
        right.plot(
            curve["epoch"].iloc[best], score.iloc[best], "o", color=TEXT, markersize=8, mfc="none"
        )
        right.set_title(f"Held-out score, best {score.iloc[best]:.3f}", color=TEXT, fontsize=12)
    else:
        right.text(0.5, 0.5, "nothing was held out", ha="center", color=FAINT, fontsize=12)
    for axes in (left, right):
        axes.set_xlabel("epoch", color=TEXT, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=TEXT, labelsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def principal_axes(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project features on their first two principal axes.

    `features` (n, d); each is first brought to mean 0 and spread 1, and those that are not
    finite everywhere or never vary are left out. Gives the places (n, 2) and the shares (2,) of
    the variance they hold. Raises `BadInput` for fewer than 3 cells or 2 features that vary.
    """
    values = np.asarray(features, float)
    values = values[:, np.isfinite(values).all(axis=0)]
    values = values[:, values.std(axis=0) > 1e-12] if len(values) else values
    if len(values) < 3 or values.shape[1] < 2:
        raise BadInput(
            f"A map of features needs 3 cells and 2 features that vary; here are {len(values)} "
            f"cells and {values.shape[1]} such features."
        )
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    left, size, _ = np.linalg.svd(values, full_matrices=False)
    return left[:, :2] * size[:2], size[:2] ** 2 / (size**2).sum()


def draw_features(
    features: np.ndarray, told: pd.Series, stages: StageSet, true: pd.Series | None = None
) -> "Figure":
    """Draw cells on the principal axes of their features, coloured by true and told stage.

    `features` (n, d) in the order of `told` and `true` (names, "" if unknown).
    """
    from matplotlib.figure import Figure

    place, share = principal_axes(features)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(place))[:MOST_POINTS]
    columns = [("predicted", told)] if true is None else [("true", true), ("predicted", told)]
    figure = Figure(figsize=(1 + 5 * len(columns), 4.9), layout="constrained", facecolor="white")
    names: set[str] = set()
    for axes, (title, named) in zip(
        figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True
    ):
        stage = named.astype(str).to_numpy()[order]
        names |= set(stage)
        colour = [stages.colours.get(name, "#dddddd") for name in stage]
        axes.scatter(*place[order].T, c=colour, s=9, alpha=0.7, linewidths=0, rasterized=True)
        axes.set_title(title, color=TEXT, fontsize=12)
        axes.set_xlabel(f"first principal axis ({share[0]:.0%})", color=TEXT, fontsize=11)
        axes.set_ylabel(f"second ({share[1]:.0%})", color=TEXT, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=TEXT, labelsize=11)
    _legend(figure, stages, names)
    return figure


def _legend(figure: "Figure", stages: StageSet, names: set[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=stage.colour, marker="o", linestyle="", label=stage.name)
        for stage in stages.stages
        if stage.name in names
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=max(1, min(len(handles), 7)),
        frameon=False,
        fontsize=11,
        labelcolor=TEXT,
    )


def _curve(table: pd.DataFrame, what: str) -> pd.DataFrame:
    table = table.rename(columns={"number": "epoch"})
    if not len(table) or not {"epoch", "loss"} <= set(table.columns):
        raise BadInput(f"{what} holds no epochs; a column epoch and a column loss were expected.")
    return table if "score" in table else table.assign(score=np.nan)
