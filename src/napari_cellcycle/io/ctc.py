"""The Cell Tracking Challenge's layout: masks, and a text file of tracks beside them.

A track file has one line "L B E P" a track: its label, first and last frame, and its parent
(0 for none). A parent with one child is the same cell seen again after a gap, and a parent
with two children divides: that is how a track with gaps, which the layout does not know, is
written and read here.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import BY_MODEL, Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.ctc_links import links_by_lines
from napari_cellcycle.io.frame_numbers import frame_numbers, missing_frames
from napari_cellcycle.io.frames import (
    LARGEST_ID,
    frame_files,
    frame_names,
    frame_pattern,
    open_labels,
    write_plane,
)
from napari_cellcycle.io.storage import replace_file, replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress

RESULT_FILE = "res_track.txt"
_TRACK_FILES = (RESULT_FILE, "man_track.txt")
OWN = f"{frame_pattern('mask')}|{re.escape(RESULT_FILE)}"
"""What `write_ctc` writes."""


@dataclass(frozen=True)
class Truth:
    """Folders of a sequence's truth; `None` where there is none.

    `tracking` holds markers or masks with lineage (GT/TRA), `gold` full masks of some frames
    (GT/SEG), `silver` computed masks of all frames (ST/SEG).
    """

    tracking: Path | None = None
    gold: Path | None = None
    silver: Path | None = None


@dataclass(frozen=True)
class RelabelledFrames:
    """Masks read through another reader with their labels replaced, by a table a frame."""

    read: FrameArray
    tables: tuple[np.ndarray, ...]

    def __call__(self, time: int) -> np.ndarray:
        """Read one frame with its new labels; labels without a new one become 0."""
        return _relabelled(np.asarray(self.read[time]), self.tables[time])


def find_truth(sequence: str | Path) -> Truth:
    """Find the truth that belongs to a folder of images: NAME_GT and NAME_ST beside NAME."""
    sequence = Path(sequence).expanduser()
    places = {
        "tracking": sequence.with_name(f"{sequence.name}_GT") / "TRA",
        "gold": sequence.with_name(f"{sequence.name}_GT") / "SEG",
        "silver": sequence.with_name(f"{sequence.name}_ST") / "SEG",
    }
    return Truth(**{name: place for name, place in places.items() if place.is_dir()})


def is_ctc(folder: str | Path) -> bool:
    """Tell whether a folder holds tracks in this layout."""
    return any((Path(folder) / name).is_file() for name in _TRACK_FILES)


def read_ctc(
    folder: str | Path, *, by_track: bool = False, progress: Progress = silent
) -> tuple[LabelStack, Tracks]:
    """Read a result (RES) or truth (TRA) folder; the masks stay on disk.

    Cells come from the masks, in the order of frame and label, and positions are centres of
    mass in pixels. A parent with more than two children keeps the first two.

    Parameters
    ----------
    by_track
        Renumber the labels so that they equal `Tracks.track_id`, as in an experiment, instead
        of keeping those of the files.

    Raises
    ------
    BadInput
        No masks, a frame that is missing between others, no track file, a line that is not four
        numbers, or a parent that is unknown or lives on after its child began.
    """
    labels, tracks, _ = read_ctc_counted(folder, progress=progress)
    return label_by_track(labels, tracks) if by_track else (labels, tracks)


def read_ctc_counted(
    folder: str | Path, *, progress: Progress = silent
) -> tuple[LabelStack, Tracks, dict[str, int]]:
    """As `read_ctc`, and what of the track file was left out, counted as by `links_by_lines`."""
    folder = Path(folder).expanduser()
    found = [folder / name for name in _TRACK_FILES if (folder / name).is_file()]
    if not found:
        raise BadInput(
            f"{folder} holds neither {' nor '.join(_TRACK_FILES)}; choose a tracking result "
            "(NAME_RES) or truth (NAME_GT/TRA) folder of the Cell Tracking Challenge."
        )
    lines = read_track_lines(found[0])
    labels = open_labels(folder)
    first = _first_frame(folder)
    frames = track_progress(enumerate(labels), len(labels), progress, "Reading masks")
    parts = [centres(mask).assign(frame=time) for time, mask in frames]
    cells = pd.concat(parts, ignore_index=True)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    axes = ["z", "y", "x"][-labels.ndim :]
    cells = cells[["frame", "label", *axes]].assign(by=BY_MODEL)
    links, left_out = links_by_lines(cells, lines, found[0], first)
    return labels, Tracks(cells, links), left_out


def _first_frame(folder: Path) -> int:
    """The number in the name of the first frame; refuses a folder in which a later one is gone."""
    files = frame_files(folder)
    missing = missing_frames(files, step=1)
    if missing:
        more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise BadInput(
            f"{folder} has no {missing[0]}{more}, but masks of every frame from "
            f"{files[0].name} to {files[-1].name} are expected: add what is missing, an empty mask "
            "where no cell was seen."
        )
    return (frame_numbers(files) or [0])[0]


def write_ctc(
    labels: LabelStack, tracks: Tracks, folder: str | Path, progress: Progress = silent
) -> None:
    """Write a result folder: mask000.tif ... and res_track.txt, with ids 1, 2, ...

    A track with gaps is written as one track for each stretch, each naming the one before as
    its parent. Masks that belong to no cell are left out. An earlier result in `folder` is
    replaced once the new one is complete.

    Raises
    ------
    BadInput
        More than 65,535 ids, a cell without a mask, or frames that are not in the masks.
    CannotWrite
        The disk refuses, or `folder` holds anything else; it is then as it was.
    """
    folder = Path(folder).expanduser()
    if len(tracks) and tracks.cells["frame"].max() >= len(labels):
        raise BadInput(
            f"The tracks go up to frame {tracks.cells['frame'].max()}, but the masks end at "
            f"{len(labels) - 1}: choose the masks that belong to these tracks."
        )
    number, lines = stretches(tracks)
    if len(lines) > LARGEST_ID:
        raise BadInput(
            f"The result has {len(lines):,} ids, but the Cell Tracking Challenge's masks go up to "
            f"{LARGEST_ID:,}: save it as an experiment, or export fewer frames."
        )
    tables = _tables(tracks.cells, number, len(labels))
    with writing_to(folder), replaced_folder(folder, own=OWN) as draft:
        names = frame_names("mask", len(labels))
        for time in track_progress(range(len(labels)), len(labels), progress, "Writing masks"):
            mask = _relabelled(labels.frame(time), tables[time])
            _check_present(mask, tables[time], time)
            write_plane(draft / names[time], mask.astype(np.uint16))
        text = "".join(f"{a} {b} {c} {d}\n" for a, b, c, d in lines.tolist())
        replace_file(draft / RESULT_FILE, text)


def centres(mask: np.ndarray) -> pd.DataFrame:
    """Give label and centre of mass ([z,] y, x in pixels) of every mask of a frame."""
    where = np.flatnonzero(mask)
    labels, inverse = np.unique(mask.ravel()[where], return_inverse=True)
    size = np.bincount(inverse, minlength=len(labels))
    places = np.unravel_index(where, mask.shape)
    means = {
        axis: np.bincount(inverse, weights=place, minlength=len(labels)) / np.maximum(size, 1)
        for axis, place in zip("zyx"[-mask.ndim :], places, strict=True)
    }
    return pd.DataFrame({"label": labels.astype(np.int64), **means})


def label_by_track(labels: LabelStack, tracks: Tracks) -> tuple[LabelStack, Tracks]:
    """Renumber masks, lazily, so that the label of every cell is its track.

    Masks that belong to no cell become background.
    """
    number = tracks.track_id.to_numpy()
    tables = tuple(_tables(tracks.cells, number, len(labels)))
    whole = FrameArray(labels.shape, np.dtype(np.int32), _Frames(labels), leading=1)
    renumbered = FrameArray(
        labels.shape, np.dtype(np.int32), RelabelledFrames(whole, tables), leading=1
    )
    return LabelStack(renumbered), tracks.with_columns(label=number)


@dataclass(frozen=True)
class _Frames:
    labels: LabelStack

    def __call__(self, time: int) -> np.ndarray:
        return self.labels.frame(time)


def read_track_lines(path: Path) -> pd.DataFrame:
    """Read a track file: one row a track with `label`, `begin`, `end` and `parent` (0 for none).

    Raises
    ------
    BadInput
        A line that is not four numbers, a track listed twice, or a parent that is not listed.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        fields = re.split(r"[\s,;]+", line.strip())
        if fields == [""]:
            continue
        try:
            label, begin, end, parent = (int(float(field)) for field in fields)
        except ValueError as error:
            raise BadInput(
                f"Line {number} of {path} is {line.strip()[:40]!r}, but four whole numbers are "
                "expected (label, first frame, last frame, parent): correct that line."
            ) from error
        rows.append((label, begin, end, parent))
    lines = pd.DataFrame(rows, columns=["label", "begin", "end", "parent"], dtype=np.int64)
    twice = lines["label"][lines["label"].duplicated()]
    if len(twice):
        raise BadInput(
            f"{path} lists track {twice.iloc[0]} twice: give every track one line of its own."
        )
    unknown = lines["parent"][~lines["parent"].isin([0, *lines["label"]])]
    if len(unknown):
        raise BadInput(
            f"{path} names {unknown.iloc[0]} as a parent, but lists no such track: write 0 where "
            "there is no parent."
        )
    return lines


def stretches(tracks: Tracks) -> tuple[np.ndarray, np.ndarray]:
    """Number the unbroken stretches of all tracks.

    Returns
    -------
    number, lines
        The stretch (1, 2, ...) of each row of `tracks.cells`, and an array (n, 4) of label,
        first frame, last frame and parent of each stretch.
    """
    if not len(tracks):
        return np.empty(0, np.int64), np.empty((0, 4), np.int64)
    track = tracks.track_id.loc[tracks.cells.index].to_numpy()
    frame = tracks.cells["frame"].to_numpy()
    order = np.lexsort((frame, track))
    track, frame = track[order], frame[order]
    begins = np.r_[True, (track[1:] != track[:-1]) | (frame[1:] != frame[:-1] + 1)]
    ends = np.r_[begins[1:], True]
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(begins)
    of_track = track[begins]
    lines = np.column_stack(
        [np.arange(1, len(of_track) + 1), frame[begins], frame[ends], np.zeros(len(of_track))]
    ).astype(np.int64)
    again = np.r_[False, of_track[1:] == of_track[:-1]]
    lines[again, 3] = lines[again, 0] - 1
    last = pd.Series(lines[:, 0], of_track).groupby(level=0).last()
    mother = pd.Series(of_track).map(tracks.mothers)
    born = ~again & mother.notna().to_numpy()
    lines[born, 3] = last.loc[mother[born].astype(np.int64)].to_numpy()
    return number, lines


def _tables(cells: pd.DataFrame, number: np.ndarray, frames: int) -> list[np.ndarray]:
    """Give, for each frame, the new number of every label in it."""
    label, frame = cells["label"].to_numpy(), cells["frame"].to_numpy()
    order = np.argsort(frame, kind="stable")
    cuts = np.searchsorted(frame[order], np.arange(frames + 1))
    tables = []
    for start, stop in pairwise(cuts):
        rows = order[start:stop]
        table = np.zeros(int(label[rows].max(initial=0)) + 1, np.int32)
        table[label[rows]] = number[rows]
        tables.append(table)
    return tables


def _relabelled(mask: np.ndarray, table: np.ndarray) -> np.ndarray:
    if mask.size and mask.max() >= len(table):
        mask = np.where(mask < len(table), mask, 0)
    return table[mask]


def _check_present(mask: np.ndarray, table: np.ndarray, time: int) -> None:
    wanted = np.flatnonzero(table)
    missing = wanted[~np.isin(table[wanted], np.unique(mask))]
    if len(missing):
        raise BadInput(
            f"Cell {missing[0]} of frame {time} has no mask, but every tracked cell needs one: "
            "draw it, or delete the cell."
        )
