"""What is known of every track in one table: its family, how long it lived, how sure it is."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.lineage_layout import NONE, Lineages, lineages_of
from napari_cellcycle.data.tracks import BY_USER

MITOSIS = "mitosis"
_OF_LINKS = ("link", "division")


@dataclass(frozen=True)
class Column:
    """One column of the table: its name in files, its title on screen, and what it means."""

    name: str
    title: str
    meaning: str


def columns_of(table: pd.DataFrame) -> list[Column]:
    """The columns of a table of `track_table`, in its order."""
    known = {column.name: column for column in _COLUMNS}
    return [known.get(str(name)) or _of_stage(str(name)) for name in table.columns]


_COLUMNS = (
    Column("track", "Cell", "Number of the track, which is the value of its masks"),
    Column("mother", "Mother", "Track that it was born from"),
    Column("daughters", "Daughters", "Tracks that it divides into"),
    Column("first_frame", "First frame", "Frame in which it is seen first"),
    Column("last_frame", "Last frame", "Frame in which it is seen last"),
    Column("hours", "Hours", "Time from its first to its last frame, both included"),
    Column("divides", "Divides", "Whether it divides at its end"),
    Column("doubt", "Lowest link", "How far its least trusted link is trusted, from 0 to 1"),
    Column("corrections", "Corrections", "Its cells with a link, stage or mask that you set"),
    Column("confirmed", "Confirmed", "Its cells of which you said that something is right"),
    Column(f"{MITOSIS}_min", "Mitosis, min", "Minutes in the stages of mitosis, as far as seen"),
    Column("area_um2", "Mean area, µm²", "Mean of its measured area"),
    Column("volume_um3", "Mean volume, µm³", "Mean of its measured volume"),
)


def track_table(
    draft: Draft,
    minutes: float,
    mitotic: Collection[str] = (),
    lineages: Lineages | None = None,
) -> pd.DataFrame:
    """One row a track, by number, with the columns that `columns_of` explains.

    `minutes` is the time between frames, `mitotic` the stages that make up mitosis; columns of
    things that nobody knows, such as stages before cells are classified, are left out. Missing
    mothers are 0, missing scores and areas NaN. `lineages` saves sorting the cells once more.
    """
    known = lineages if lineages is not None else lineages_of(draft)
    frames = known.last - known.first + 1
    table = {
        "track": known.tracks,
        "mother": np.where(known.mothers == NONE, 0, known.tracks[known.mothers]),
        "daughters": _daughters(known),
        "first_frame": known.first,
        "last_frame": known.last,
        "hours": frames * minutes / 60,
    }
    table["divides"] = table["daughters"] != ""
    table["doubt"] = _lowest_links(draft, known)
    confirmed = confirmed_cells(draft)
    mine = corrected(draft, confirmed)[known.order]
    table["corrections"] = _sums(known, mine).astype(np.int64)
    right = np.isin(known.cells, [cell for _, cell in confirmed])
    table["confirmed"] = _sums(known, right).astype(np.int64)
    table.update(_stage_minutes(draft, known, minutes, mitotic))
    if "area" in draft.names:
        name = "area_um2" if len(draft.axes) == 2 else "volume_um3"
        table[name] = _means(known, draft.column("area").astype(float)[known.order])
    return pd.DataFrame(table)


def confirmed_cells(draft: Draft) -> frozenset[tuple[str, int]]:
    """What was confirmed about cells: (kind, cell)."""
    return frozenset((kind, cell) for kind, cell in draft.confirmed if kind != "frame")


def corrected(draft: Draft, confirmed: Collection[tuple[str, int]]) -> np.ndarray:
    """Which cells, (n,) bool in the order of the draft, the user has set something about.

    A link that the user only confirmed is no correction.
    """
    linked = draft.column("link_by") == BY_USER
    right = [cell for kind, cell in confirmed if kind in _OF_LINKS]
    if right:
        linked &= ~(np.isin(draft.ids, right) | np.isin(draft.column("parent"), right))
    return linked | (draft.column("pinned") != "") | (draft.column("by") == BY_USER)


def stage_codes_of(draft: Draft) -> np.ndarray:
    """Stage of each cell, (n,) int8 in the order of the draft, as its place in the set; or -1."""
    codes = np.full(len(draft), -1, np.int8)
    names = draft.column("stage")
    for code, name in enumerate(draft.stages.names):
        codes[names == name] = code
    return codes


def _of_stage(name: str) -> Column:
    stage = name.removesuffix("_min").replace("_", " ")
    return Column(name, f"{stage.capitalize()}, min", f"Minutes in {stage}, as far as seen")


def _sums(known: Lineages, values: np.ndarray) -> np.ndarray:
    """Sum (m,) over the cells of each track."""
    return np.bincount(known.track_of, values, minlength=len(known))


def _means(known: Lineages, values: np.ndarray) -> np.ndarray:
    """Mean (m,) over the cells of each track of which there is a value."""
    there = ~np.isnan(values)
    number = _sums(known, there)
    with np.errstate(invalid="ignore"):
        return _sums(known, np.where(there, values, 0)) / np.where(number > 0, number, np.nan)


def _daughters(known: Lineages) -> np.ndarray:
    """Numbers of the daughters of each track, in words."""
    born = np.flatnonzero(known.mothers != NONE)
    told: dict[int, list[str]] = {}
    for mother, track in zip(
        known.mothers[born].tolist(), known.tracks[born].tolist(), strict=True
    ):
        told.setdefault(mother, []).append(str(track))
    words = np.full(len(known), "", object)
    for mother, tracks in told.items():
        words[mother] = " ".join(tracks)
    return words


def _stage_minutes(
    draft: Draft, known: Lineages, minutes: float, mitotic: Collection[str]
) -> dict[str, np.ndarray]:
    codes = stage_codes_of(draft)[known.order].astype(np.int64)
    if not (codes >= 0).any():
        return {}
    names = draft.stages.names
    n = len(names) + 1
    counted = np.bincount(known.track_of * n + codes + 1, minlength=n * len(known))
    spent = counted.reshape(-1, n)[:, 1:] * minutes
    chosen = [code for code, name in enumerate(names) if name in mitotic]
    found = {f"{MITOSIS}_min": spent[:, chosen].sum(axis=1)} if chosen else {}
    return found | {
        f"{name.replace(' ', '_')}_min": spent[:, code] for code, name in enumerate(names)
    }


def _lowest_links(draft: Draft, known: Lineages) -> np.ndarray:
    """Lowest score (m,) of the links to the cells of each track, NaN without links."""
    score = np.where(draft.column("parent") != 0, draft.column("link_score"), np.inf)[known.order]
    lowest = np.minimum.reduceat(score, known.starts[:-1]) if len(known) else np.zeros(0)
    return np.where(np.isfinite(lowest), lowest, np.nan)
