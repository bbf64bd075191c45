"""How often the stage of a cell is right, and how sure that figure is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

FEWEST_GROUPS = 3
"""Drawing fewer groups anew shows nothing of how much others would differ."""
_FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class StageScores:
    """Scores of stages told apart.

    `table` has one row a stage that occurs (precision, recall, f1, cells); `confusion` (S, S)
    counts cells by true (row) and predicted (column) stage; `interval` holds the 95 per cent
    bounds of `macro_f1`, from drawing whole groups of cells anew with replacement, and
    `intervals` those of every figure of `table` (columns `precision_low`, `precision_high`, ...;
    NaN where no draw holds the stage). Of fewer than `FEWEST_GROUPS` groups all bounds are NaN.
    """

    names: tuple[str, ...]
    table: pd.DataFrame
    confusion: np.ndarray
    accuracy: float
    macro_f1: float
    interval: tuple[float, float]
    intervals: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def has_interval(self) -> bool:
        """Whether there were groups enough to tell how sure the figures are."""
        return bool(np.isfinite(self.interval).all())

    @property
    def certainty(self) -> str:
        """The interval of macro-F1 in words: "0.712 to 0.853", or why there is none."""
        if not self.has_interval:
            return "no interval: too few groups of cells"
        low, high = self.interval
        return f"{low:.3f} to {high:.3f}"

    def summary(self) -> pd.DataFrame:
        """One row a stage with its figures and their intervals beside them."""
        names = [n for f in _FIGURES for n in (f, f"{f}_low", f"{f}_high")]
        return self.table.join(self.intervals)[[*names, "cells"]]

    def __str__(self) -> str:
        sure = f"95 % interval {self.certainty}" if self.has_interval else self.certainty
        return (
            f"{self.table.round(3).to_string()}\n"
            f"accuracy {self.accuracy:.3f}, macro-F1 {self.macro_f1:.3f} "
            f"({sure})"
        )


def score_stages(
    true: Sequence[str] | np.ndarray,
    predicted: Sequence[str] | np.ndarray,
    names: Sequence[str],
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> StageScores:
    """Compare predicted with true stages of the same cells.

    `groups` (n,) says which sightings belong together (a cell, a lineage, a movie) and so are
    not independent; without it, each is its own. Macro-F1 is the mean over the stages that
    occur in the truth. The interval is that of 1,000 bootstrap samples of groups; of fewer than
    `FEWEST_GROUPS` there is none.
    """
    position = {name: code for code, name in enumerate(names)}
    codes = [np.array([position[name] for name in column], int) for column in (true, predicted)]
    if not len(codes[0]) or len(codes[0]) != len(codes[1]):
        raise ValueError(f"{len(codes[0])} true stages for {len(codes[1])} predicted ones")
    groups = np.arange(len(codes[0])) if groups is None else np.asarray(groups)
    tables = _confusions(codes[0], codes[1], groups, len(names))
    confusion = tables.sum(axis=0)
    f1 = _f1(confusion)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(tables), np.full(len(tables), 1 / len(tables)), 1000)
    resampled = np.tensordot(drawn, tables, axes=1)
    samples = np.nanmean(_f1(resampled), axis=1)
    occurs = confusion.sum(axis=1) > 0
    hits = np.diag(confusion)
    table = pd.DataFrame(
        {
            "precision": hits / np.maximum(confusion.sum(axis=0), 1),
            "recall": hits / np.maximum(confusion.sum(axis=1), 1),
            "f1": f1,
            "cells": confusion.sum(axis=1),
        },
        index=pd.Index(names, name="stage"),
    )[occurs]
    low, high = np.percentile(samples, [2.5, 97.5])
    intervals = _intervals(resampled, pd.Index(names, name="stage"))[occurs]
    if len(tables) < FEWEST_GROUPS:
        low = high = np.nan
        intervals[:] = np.nan
    return StageScores(
        names=tuple(names),
        table=table,
        confusion=confusion,
        accuracy=float(hits.sum() / confusion.sum()),
        macro_f1=float(np.nanmean(f1)),
        interval=(float(low), float(high)),
        intervals=intervals,
    )


def _intervals(resampled: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """Bounds that hold 95 per cent of the figures of confusion matrices (draws, S, S)."""
    hits = np.diagonal(resampled, axis1=-2, axis2=-1).astype(float)
    told, there = resampled.sum(axis=-2), resampled.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = (hits / told, hits / there, _f1(resampled))
    columns: dict[str, np.ndarray] = {}
    for name, values in zip(_FIGURES, figures, strict=True):
        bounds = np.full((2, values.shape[1]), np.nan)
        known = ~np.isnan(values).all(axis=0)
        bounds[:, known] = np.nanpercentile(values[:, known], [2.5, 97.5], axis=0)
        columns |= {f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return pd.DataFrame(columns, index=names)


def _confusions(
    true: np.ndarray, predicted: np.ndarray, groups: np.ndarray, stages: int
) -> np.ndarray:
    """One confusion matrix a group, (groups, S, S)."""
    index = np.unique(groups, return_inverse=True)[1]
    tables = np.zeros((index.max() + 1, stages, stages), np.int64)
    np.add.at(tables, (index, true, predicted), 1)
    return tables


def _f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each stage, (..., S), of confusion matrices (..., S, S); NaN where it never occurs."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurs, told = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return np.where(occurs > 0, 2 * hits / np.maximum(occurs + told, 1), np.nan)
