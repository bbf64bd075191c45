"""Other trackers behind one face: centres of masks in, our `Tracks` out.

btrack lives in an environment of its own, because it needs versions of libraries that ours
does not; `btrack_worker.py` runs there.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks

WORKER = Path(__file__).with_name("btrack_worker.py")


class PeerMissing(Exception):
    """The peer cannot be run here; says why."""


@dataclass(frozen=True)
class Outside:
    """What a peer in another process found, the seconds it linked and its peak memory (GB)."""

    tracks: Tracks
    seconds: float
    peak_gb: float


def centres_of(labels: LabelStack) -> pd.DataFrame:
    """`frame`, `label`, centre [`z`,] `y`, `x` (pixels) and `area` (pixels) of every mask."""
    from skimage.measure import regionprops_table

    axes = ("z", "y", "x")[-labels.ndim :]
    names = {f"centroid-{i}": axis for i, axis in enumerate(axes)}
    parts = [
        pd.DataFrame(regionprops_table(mask, properties=("label", "centroid", "area"))).assign(
            frame=time
        )
        for time, mask in enumerate(labels)
    ]
    cells = pd.concat(parts, ignore_index=True).rename(columns=names)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    return cells[["frame", "label", *axes, "area"]]


def laptrack(
    cells: pd.DataFrame, near: float, split: float, pixel_size: tuple[float, ...] | None = None
) -> Tracks:
    """LapTrack as in its examples: frame-to-frame assignment, gap closing, splitting.

    `near` and `split` are the farthest that cells move and that daughters start from their
    mother, in pixels or, with a `pixel_size`, in its unit.
    """
    from laptrack import LapTrack

    axes = [axis for axis in ("z", "y", "x") if axis in cells]
    scaled = cells.reset_index(names="cell_id")[["frame", "cell_id", *axes]]
    scaled[axes] *= np.array(pixel_size or (1.0,) * len(axes))
    tracker = LapTrack(
        cutoff=near**2,
        splitting_cutoff=split**2,
        gap_closing_cutoff=near**2,
        gap_closing_max_frame_count=1,
    )
    found, splits, _ = tracker.predict_dataframe(
        scaled, coordinate_cols=axes, frame_col="frame", only_coordinate_cols=False
    )
    pairs = splits[["parent_track_id", "child_track_id"]].to_numpy(int) if len(splits) else ()
    track = found.set_index("cell_id")["track_id"]
    return forest(cells, track, {int(c): int(p) for p, c in pairs})


def forest(cells: pd.DataFrame, track: pd.Series, mother: dict[int, int]) -> Tracks:
    """Links from the track number of each cell (by cell id) and the mother track of each track."""
    own = cells[["frame"]].assign(track=track).dropna().sort_values(["track", "frame"])
    ids, number = own.index.to_numpy(), own["track"].to_numpy(int)
    same = np.diff(number) == 0
    begin = dict(zip(number[~np.append(False, same)], ids[~np.append(False, same)], strict=True))
    end = dict(zip(number[~np.append(same, False)], ids[~np.append(same, False)], strict=True))
    born = [(end[m], begin[d]) for d, m in mother.items() if d in begin and m in end]
    links = np.concatenate(
        [np.column_stack([ids[:-1][same], ids[1:][same]]), np.array(born, int).reshape(-1, 2)]
    )
    table = pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0)
    return Tracks(cells, table)


def btrack(
    cells: pd.DataFrame,
    python: str | None,
    settings: dict[str, Any],
    shape: tuple[int, ...],
    limit: float = 600,
) -> Outside:
    """Btrack's Bayesian tracking and its global optimisation, run by another `python`.

    `settings` are those of `btrack_worker.configuration`; `shape` is a frame's, in pixels.
    Raises `PeerMissing` where btrack cannot be run, fails, or takes more than `limit` seconds.
    """
    if not python:
        raise PeerMissing("not asked for: name the python of its environment with --btrack")
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "cells.npz", Path(folder) / "tracks.npz"
        np.savez(given, **{name: cells[name].to_numpy() for name in cells}, shape=shape)
        command = [python, str(WORKER), str(given), str(answer), json.dumps(settings)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except OSError as error:
            raise PeerMissing(f"{python} does not start: {error}") from error
        except subprocess.TimeoutExpired:
            raise PeerMissing(f"not done after {limit:.0f} s") from None
        if done.returncode or not answer.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PeerMissing(f"stopped ({done.returncode}): {last[:160]}")
        with np.load(answer) as found:
            track = pd.Series(found["track"], cells.index).where(found["track"] >= 0)
            mother = dict(zip(found["child"].tolist(), found["parent"].tolist(), strict=True))
            return Outside(
                forest(cells, track, mother), float(found["seconds"]), float(found["peak_gb"])
            )
