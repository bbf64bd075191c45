"""One line of the table of trackers: link the masks of one case one way, and score the result."""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from memory import forget_peak, peak_gb
from peers import PeerMissing, btrack, centres_of, laptrack
from sequences import Case

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import UserError
from napari_cellcycle.evaluation.tracking import compare_folders, compare_tracking
from napari_cellcycle.io.ctc import read_ctc, write_ctc
from napari_cellcycle.pipeline.track import track

SCORES = {
    "LNK": "LNK",
    "TRA": "TRA",
    "DET": "DET",
    "CT": "CT",
    "BC(1)": "BC(1)",
    "CHOTA": "CHOTA",
    "DIV": "DIV_F1(1)",
}
"""Columns, and the names of the scores in them."""
JUDGED = ("LNK", "CT", "BC(1)", "CHOTA")
"""The settings of a peer are best if the mean of these is."""
OPEN, NEVER, WITHIN = "never saw it, gaps left open", "never saw it", "within"
LINKERS: dict[str, tuple[tuple[str, str], ...]] = {
    "ours": (("ours", NEVER), ("ours", OPEN), ("ours", WITHIN)),
    "simple": (("simple", NEVER), ("simple", OPEN), ("simple", WITHIN)),
    "paper": (("paper", NEVER),),
    "LapTrack": (("LapTrack", "best"),),
    "btrack": (("btrack", "best"),),
}
"""Lines of each linker: its kind, and what it is given."""
SHIPPED = "shipped"
VOLUME_LINKERS: dict[str, tuple[tuple[str, str], ...]] = {
    "ours": (("ours", SHIPPED),),
    "simple": (("simple", SHIPPED),),
    "LapTrack": (("LapTrack", "best"),),
}
_SHIPPED = {"ours": "cellcycle-links", "simple": "simple"}
_MEASURING = ("Measuring cells", "Looking at cells")
_PAINTING = "Painting tracks"


@dataclass(frozen=True)
class Job:
    """What to link, and how; `btrack` is the python of its environment."""

    case: Case
    linker: str
    how: str
    weights: Path
    btrack: str | None = None
    device: str = "cpu"

    def row(self, **found: Any) -> dict[str, Any]:
        """The row, with what was found."""
        about = {"sequence": self.case.sequence, "masks": self.case.masks}
        return {**about, "linker": self.linker, "how": self.how, **found}


class Clock:
    """Notes, as `progress`, when measuring ended and when painting began."""

    def __init__(self) -> None:
        self.start = self.measured = time.perf_counter()
        self.linked: float | None = None

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Note the time."""
        now = time.perf_counter()
        if message in _MEASURING and self.linked is None:
            self.measured = now
        if message == _PAINTING and self.linked is None:
            self.linked = now

    def seconds(self) -> dict[str, float]:
        """Seconds of measuring and of linking."""
        linked = self.linked or time.perf_counter()
        return {"measuring": self.measured - self.start, "linking": linked - self.measured}


def make_row(job: Job) -> dict[str, Any]:
    """Link and score; a linker that is missing or fails says so in `failed`."""
    try:
        if job.linker == "LapTrack":
            return _laptrack_row(job)
        if job.linker == "btrack":
            return _btrack_row(job)
        return _our_row(job)
    except (PeerMissing, UserError, ImportError) as error:
        return job.row(failed=str(error).partition(";")[0])


def _our_row(job: Job) -> dict[str, Any]:
    from crossfit import open_crossed

    movie, labels = job.case.movie(), job.case.stack()
    settings = TrackSettings(fill_gaps=job.how != OPEN)
    if job.how == SHIPPED:
        linker: Any = _SHIPPED[job.linker]
    else:
        how = NEVER if job.how == OPEN else job.how
        linker = open_crossed(job.linker, job.case.sequence, how, job.weights, job.device)
    short = Movie(movie.pixels[:4], movie.pixel_size, movie.frame_interval, movie.channels)
    track(short, LabelStack(labels.base[:4]), settings, model=linker, device=job.device)
    clock = Clock()
    asked = {"model": linker, "device": job.device, "progress": clock}
    painted, tracks = track(movie, labels, settings, **asked)
    figures = {**clock.seconds(), "peak_gb": peak_gb()}
    filled = int(tracks.cells["filled"].sum()) if "filled" in tracks.cells else 0
    found = scored(painted, tracks, job.case.truth)
    return job.row(scores=found, cells=len(tracks) - filled, filled=filled, **figures)


def _laptrack_row(job: Job) -> dict[str, Any]:
    labels, size = job.case.stack(), job.case.pixel_size or None
    start = time.perf_counter()
    cells = centres_of(labels)
    measuring = time.perf_counter() - start
    laptrack(cells[cells["frame"] < 3], job.case.grid.near[0], job.case.grid.split[0], size)

    def link(setting: dict[str, float]) -> Tracks:
        return laptrack(cells, setting["near"], setting["split"], size)

    pairs = product(job.case.grid.near, job.case.grid.split)
    tried = _tried(job.case, labels, [{"near": a, "split": b} for a, b in pairs], link)
    best = max(tried, key=_merit)["setting"]
    forget_peak()
    start = time.perf_counter()
    tracks = link(best)
    figures = {"measuring": measuring, "linking": time.perf_counter() - start, "peak_gb": peak_gb()}
    found = scored(labels, tracks, job.case.truth)
    return job.row(scores=found, cells=len(tracks), setting=best, grid=tried, **figures)


def best_of_each(row: dict[str, Any]) -> dict[str, Any]:
    """From a row with a grid of settings another, of which each score has its own best."""
    best = {name: max(t["scores"][name] or 0.0 for t in row["grid"]) for name in SCORES}
    kept = {name: row[name] for name in ("sequence", "masks", "linker", "cells")}
    return {**kept, "how": "best of each", "scores": best}


def btrack_grid(diameter: float) -> list[dict[str, float]]:
    """Settings that btrack is tried with: those that were seen to matter most."""
    return [
        {
            "max_search_radius": 2 * diameter,
            "noise": 0.2 * diameter,
            "prob_not_assign": probability,
            "lambda_link": link * diameter,
            "dist_thresh": apart * diameter,
        }
        for probability, link, apart in product((0.1, 0.3, 0.5), (0.5, 1.5), (0.7, 1.25))
    ]


def _btrack_row(job: Job) -> dict[str, Any]:
    labels = job.case.stack()
    shape = labels.shape[1:]
    start = time.perf_counter()
    cells = centres_of(labels)
    measuring = time.perf_counter() - start
    tried = _tried(
        job.case,
        labels,
        btrack_grid(job.case.grid.diameter),
        lambda setting: btrack(cells, job.btrack, setting, shape).tracks,
    )
    best = max(tried, key=_merit)["setting"]
    answer = btrack(cells, job.btrack, best, shape)
    figures = {"measuring": measuring, "linking": answer.seconds, "peak_gb": answer.peak_gb}
    found = scored(labels, answer.tracks, job.case.truth)
    return job.row(scores=found, cells=len(cells), setting=best, grid=tried, **figures)


def _tried(
    case: Case,
    labels: LabelStack,
    grid: list[dict[str, float]],
    link: Callable[[dict[str, float]], Tracks],
) -> list[dict[str, Any]]:
    """The scores of all settings, from memory, without writing files."""
    masks, true = read_ctc(case.truth / "TRA")
    masks = LabelStack(masks.to_array())
    tried = []
    for setting in grid:
        found = compare_tracking(labels, link(setting), masks, true).scores.table()
        tried.append({"setting": setting, "scores": {k: found.get(v) for k, v in SCORES.items()}})
    return tried


def _merit(tried: dict[str, Any]) -> float:
    return float(np.mean([tried["scores"][name] or 0.0 for name in JUDGED]))


def scored(labels: LabelStack, tracks: Tracks, truth: Path) -> dict[str, float | None]:
    """Scores by column, of the files that a user would export."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "RES"
        write_ctc(labels, tracks, result)
        found = compare_folders(result, truth, seg=False).scores.table()
    return {column: found.get(name) for column, name in SCORES.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """All rows as a Markdown table; rows as `make_row` gives them, or as read from --out."""
    head = ["sequence", "masks", "linker", *SCORES, "cells", "measuring + linking, s", "GB"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *map(line, rows)]
    return "\n".join(lines) + "\n"


def line(row: dict[str, Any]) -> str:
    """One row as a line of Markdown."""
    name = f"{row['linker']}, {row['how']}"
    if "setting" in row:
        name += f" ({', '.join(f'{k} {v:g}' for k, v in row['setting'].items())})"
    begin = f"| {row['sequence']} | {row['masks']} | {name} |"
    if "failed" in row:
        return f"{begin} {row['failed']} |" + " |" * (len(SCORES) + 2)
    scores = " | ".join(_number(row["scores"][column]) for column in SCORES)
    cells = f"{row['cells']}" + (f" + {row['filled']}" if row.get("filled") else "")
    seconds = f"{row['measuring']:.1f} + {row['linking']:.1f}" if "linking" in row else ""
    peak = f"{row['peak_gb']:.2f}" if "peak_gb" in row else ""
    return f"{begin} {scores} | {cells} | {seconds} | {peak} |"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4f}"
