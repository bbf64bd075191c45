"""Recordings to learn from, out of challenge folders, corrected experiments and the simulator."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from napari_cellcycle.data.channel import channel_of, seen_in
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.shape import compact
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.ctc import find_truth, read_track_lines
from napari_cellcycle.io.experiment import is_experiment, open_experiment
from napari_cellcycle.io.frames import check_labels_fit, frame_files, open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.simulate import Simulation, random_settings, simulate
from napari_cellcycle.training.link.recordings import Recording, fully_known
from napari_cellcycle.training.source_names import told_apart

TRACK_FILE = "man_track.txt"
_SAME_IDS = 0.95
"""If more of the masks found by their markers have the marker's value, all have."""
_APPEARS, _IS_LOST = "start", "end"
"""Kinds of confirmations that a track begins, or ends, as it should."""


def ctc_recording(
    images_folder: str | Path | None,
    masks_folder: str | Path,
    truth_folder: str | Path,
    *,
    name: str | None = None,
    progress: Progress = silent,
) -> Recording:
    """A sequence of the Cell Tracking Challenge, all of whose lineage is known.

    The values of masks may be the numbers of the true tracks, as in the truth itself and in
    silver truth. Of other masks each is the track whose marker it covers by more than half, or
    that it covers most of if there are several, and no cell if there is none.

    Parameters
    ----------
    images_folder
        Left out or missing: brightness is unknown, and lengths are in pixels.
    masks_folder
        Masks of all frames, such as `01_ST/SEG`, `01_GT/TRA` or another program's.
    truth_folder
        `01_GT`, or the TRA folder in it.
    name
        By default the last two parts of the sequence's path, such as "Fluo-N2DL-HeLa/01".

    Raises
    ------
    BadInput
        No truth, frames that differ, or masks that cover no marker.
    """
    masks_folder, tra = Path(masks_folder).expanduser(), _tra(Path(truth_folder).expanduser())
    labels, markers = open_labels(masks_folder), open_labels(tra)
    if labels.shape != markers.shape:
        raise BadInput(
            f"The masks in {masks_folder} have shape {labels.shape}, but the truth in {tra} has "
            f"{markers.shape}: choose the masks and the truth of the same movie."
        )
    images = None if images_folder is None else Path(images_folder).expanduser()
    movie = open_movie(images) if images is not None and images.is_dir() else None
    if movie is not None:
        check_labels_fit(movie, labels)
    lines = read_track_lines(tra / TRACK_FILE)
    truth = _true_tracks(labels, None if masks_folder == tra else markers, lines, progress)
    if not (truth["track"] > 0).any():
        raise BadInput(
            f"No mask in {masks_folder} covers a marker of the truth in {tra}: choose the masks "
            "and the truth of the same movie."
        )
    born = lines[lines["parent"] > 0]
    return Recording(
        name or f"{tra.parent.parent.name}/{tra.parent.name.removesuffix('_GT')}",
        labels,
        truth,
        dict(zip(born["label"].tolist(), born["parent"].tolist(), strict=True)),
        movie.pixel_size if movie is not None else (1.0,) * labels.ndim,
        movie,
    )


def find_sequences(folder: str | Path) -> list[Path]:
    """All sequences of a data set folder that have a truth, or the one sequence that is named.

    `folder` holds 01, 01_GT, 01_ST, ..., or is one of them. The paths are those of the images,
    which need not be there.

    Raises `BadInput` if there is no truth.
    """
    folder = Path(folder).expanduser()
    stem = folder.name.removesuffix("_GT").removesuffix("_ST")
    if (folder.with_name(f"{stem}_GT") / "TRA" / TRACK_FILE).is_file():
        return [folder.with_name(stem)]
    truths = sorted(folder.glob(f"*_GT/TRA/{TRACK_FILE}"))
    if not truths:
        raise BadInput(
            f"{folder} has no truth to learn from: expected a folder of the Cell Tracking "
            f"Challenge with 01_GT/TRA/{TRACK_FILE} in it, or an experiment, NAME.cellcycle."
        )
    return [folder / path.parent.parent.name.removesuffix("_GT") for path in truths]


def sequence_recording(
    images: Path, *, name: str | None = None, progress: Progress = silent
) -> Recording:
    """A sequence of images of a data set, with its truth.

    The masks are the silver truth, or the gold truth if it has all frames, or else the markers of
    the truth.
    """
    truth = find_truth(images)
    assert truth.tracking is not None
    masks, frames = truth.tracking, len(frame_files(truth.tracking))
    for place in (truth.silver, truth.gold):
        if place is not None and len(frame_files(place)) == frames:
            masks = place
            break
    return ctc_recording(images, masks, truth.tracking, name=name, progress=progress)


def _tra(truth: Path) -> Path:
    tra = truth if truth.name == "TRA" else truth / "TRA"
    if not (tra / TRACK_FILE).is_file():
        raise BadInput(
            f"{tra} holds no {TRACK_FILE}, which says who is whose parent; choose the truth "
            "(such as 01_GT) of a sequence of the Cell Tracking Challenge."
        )
    return tra


def _true_tracks(
    labels: LabelStack, markers: LabelStack | None, lines: pd.DataFrame, progress: Progress
) -> pd.DataFrame:
    """The `truth` of masks; without markers, the values of the masks are their tracks."""
    values, covered = [], []
    for time in range(len(labels)):
        progress(time, len(labels), "Reading the truth")
        mask = labels.frame(time)
        values.append(compact(mask.ravel())[0])
        values[-1] = values[-1][values[-1] > 0]
        if markers is not None:
            covered.append(_covered(mask, markers.frame(time)))
    progress(len(labels), len(labels), "Reading the truth")
    truth = fully_known(values)
    named = truth.assign(track=truth["label"].where(truth["label"].isin(lines["label"]), 0))
    pairs = np.concatenate([np.empty((0, 2), np.int64), *covered])
    if markers is None or (len(pairs) and (pairs[:, 0] == pairs[:, 1]).mean() > _SAME_IDS):
        return named
    frame = np.repeat(np.arange(len(covered)), [len(found) for found in covered])
    index = pd.MultiIndex.from_arrays([frame, pairs[:, 0]])
    track = pd.Series(pairs[:, 1], index).reindex(
        pd.MultiIndex.from_frame(truth[["frame", "label"]]), fill_value=0
    )
    return truth.assign(track=track.where(track.isin(lines["label"]), 0).to_numpy())


def _covered(mask: np.ndarray, marker: np.ndarray) -> np.ndarray:
    """Values of masks and of the markers that they cover by more than half (n, 2)."""
    place = np.flatnonzero(marker)
    above, below = mask.ravel()[place].astype(np.int64), marker.ravel()[place].astype(np.int64)
    ids, size = np.unique(below, return_counts=True)
    width = int(below.max(initial=0)) + 1
    pairs, shared = np.unique(above * width + below, return_counts=True)
    found = np.column_stack([pairs // width, pairs % width])
    most = (found[:, 0] > 0) & (2 * shared > size[np.searchsorted(ids, found[:, 1])])
    found, shared = found[most], shared[most]
    found = found[np.lexsort((found[:, 1], -shared, found[:, 0]))]
    return found[np.unique(found[:, 0], return_index=True)[1]]


def experiment_recording(
    folder: str | Path,
    *,
    trust_all: bool = False,
    name: str | None = None,
    channel: str | None = None,
) -> Recording:
    """An experiment (NAME.cellcycle) whose links the user corrected.

    Where a link by the user leads from a cell, all that became of this cell is known: its
    `future`, and the `past` of the one or two cells it became. Links that were taken away are
    `rejected`. Nothing else is known, unless `trust_all` says that every link was checked: then
    all links are true, and cells without a link have no past or no future. Cells are seen in the
    `channel` of that name, by default the one that they were segmented in.

    Raises `BadInput` if the experiment has no tracks, or nothing in it was corrected.
    """
    folder = Path(folder).expanduser()
    experiment = open_experiment(folder)
    if experiment.labels is None or experiment.tracks is None:
        raise BadInput(
            f"The cells of {folder} are not tracked yet, so there is nothing to learn from: "
            "track them and correct the links first."
        )
    found = recording_of_links(
        experiment, name or folder.name, trust_all=trust_all, channel=channel
    )
    if not knows_anything(found):
        raise BadInput(
            f"No link of {folder} was corrected, so there is nothing to learn from: correct some "
            "links first, or add --trust-all if you have checked that all of them are right."
        )
    return found


def recording_of_links(
    experiment: Experiment, name: str, *, trust_all: bool = False, channel: str | None = None
) -> Recording:
    """A tracked experiment with what is known of its links: see `experiment_recording`."""
    labels, tracks = experiment.labels, experiment.tracks
    assert labels is not None and tracks is not None
    movie = seen_in(experiment.movie, channel or channel_of(experiment))
    past, future = decided(tracks, experiment.confirmed)
    cells = tracks.cells
    truth = pd.DataFrame(
        {
            "frame": cells["frame"].to_numpy(np.int64),
            "label": cells["label"].to_numpy(np.int64),
            "track": tracks.track_id.loc[cells.index].to_numpy(np.int64),
            "past": past | trust_all,
            "future": future | trust_all,
        }
    )
    rejected = _as_sightings(tracks)
    return Recording(name, labels, truth, dict(tracks.mothers), movie.pixel_size, movie, rejected)


def open_recordings(
    sources: Sequence[str | Path],
    *,
    trust_all: bool = False,
    channel: str | None = None,
    progress: Progress = silent,
) -> list[list[Recording]]:
    """Recordings of each source of any kind: an experiment or a folder of the challenge.

    Of an experiment, cells are seen in the `channel` of that name, by default the one that they
    were segmented in. Their names tell them apart: the same recording has the same wherever it is
    given, and no two others do. Raises `BadInput` if a source is neither, or has nothing to learn
    from.
    """
    given = [Path(source).expanduser() for source in sources]
    parts = [[place] if is_experiment(place) else find_sequences(place) for place in given]
    places = [place for part in parts for place in part]
    names = {
        place: name if is_experiment(place) or "/" in name else f"{place.parent.name}/{name}"
        for place, name in zip(places, told_apart(places), strict=True)
    }

    def opened(place: Path) -> Recording:
        name = names[place]
        if is_experiment(place):
            return experiment_recording(place, trust_all=trust_all, name=name, channel=channel)
        return sequence_recording(place, name=name, progress=progress)

    return [[opened(place) for place in part] for part in parts]


def knows_anything(recording: Recording) -> bool:
    """Whether there is anything to learn from in it."""
    return bool(recording.truth[["past", "future"]].any(axis=None)) or len(recording.rejected) > 0


def decided(
    tracks: Tracks, confirmed: Collection[tuple[str, int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Whether past and future of each row of the cells were decided by the user, bool (n,).

    `confirmed` tells, besides links, of cells that are right to appear, or to be lost, where they
    are.
    """
    links = tracks.links
    parents = links.loc[links["by"] == BY_USER, "parent"]
    linked = links["parent"].isin(parents)
    past, future = (tracks.cells.index.isin(links.loc[linked, end]) for end in ("child", "parent"))
    for which, kind, end in ((past, _APPEARS, "child"), (future, _IS_LOST, "parent")):
        right = [number for told, number in confirmed if told == kind]
        which |= tracks.cells.index.isin(np.setdiff1d(right, links[end]).astype(np.int64))
    return past, future


def _as_sightings(tracks: Tracks) -> pd.DataFrame:
    seen = tracks.cells[["frame", "label"]]
    columns = {
        f"{end}_{what}": seen.loc[tracks.rejected[end], what].to_numpy(np.int64)
        for end in ("parent", "child")
        for what in ("frame", "label")
    }
    return pd.DataFrame(columns)


def simulated_recording(seed: int, ndim: Literal[2, 3] = 2) -> Recording:
    """A simulated movie of random settings, small enough to be made in seconds."""
    small = {"frames": 40, "size": 512} if ndim == 2 else {"frames": 25, "size": 160, "cells": 15}
    settings = random_settings(seed, ndim).model_copy(update=small)
    return recording_of(simulate(settings), f"simulated-{ndim}d-{seed}")


def recording_of(made: Simulation, name: str) -> Recording:
    """A simulated movie with all that is true of it."""
    values = [compact(mask.ravel())[0] for mask in made.labels]
    return Recording(
        name,
        made.labels,
        fully_known([value[value > 0] for value in values]),
        dict(made.tracks.mothers),
        made.movie.pixel_size,
        made.movie,
    )


def split_in_time(recording: Recording, fraction: float) -> tuple[Recording, Recording]:
    """The first `fraction` of the frames and the rest; links across the cut are in neither.

    Raises `BadInput` if one of the parts would have fewer than two frames.
    """
    frames = len(recording.labels)
    cut = round(fraction * frames)
    if not 2 <= cut <= frames - 2:
        raise BadInput(
            f"{recording.name} has {frames} frames, which cannot be parted at {fraction:.0%}: both "
            "parts need two frames, so use another part or a longer movie."
        )
    return frames_of(recording, 0, cut), frames_of(recording, cut, frames)


def frames_of(recording: Recording, first: int, stop: int) -> Recording:
    """The frames from `first` to before `stop`, counted from 0, read as lazily as before."""
    truth, rejected, movie = recording.truth, recording.rejected, recording.movie
    truth = truth[(truth["frame"] >= first) & (truth["frame"] < stop)]
    within = (rejected["parent_frame"] >= first) & (rejected["child_frame"] < stop)
    rejected = rejected[within].astype(np.int64)
    labels = recording.labels
    shape = (stop - first, *labels.shape[1:])
    part = LabelStack(FrameArray(shape, np.dtype(np.int32), _Later(labels.frame, first), 1))
    if movie is not None:
        pixels = movie.pixels
        shape = (stop - first, *pixels.shape[1:])
        kind = np.asarray(pixels[0, 0]).dtype
        movie = replace(movie, pixels=FrameArray(shape, kind, _Later(_Plane(pixels), first)))
    return replace(
        recording,
        name=f"{recording.name}, frames {first} to {stop - 1}",
        labels=part,
        movie=movie,
        truth=truth.assign(frame=truth["frame"] - first).reset_index(drop=True),
        rejected=rejected.assign(
            parent_frame=rejected["parent_frame"] - first,
            child_frame=rejected["child_frame"] - first,
        ).reset_index(drop=True),
    )


@dataclass(frozen=True)
class _Later:
    """Frames of another reader, counted from its frame `first`."""

    read: Callable[..., np.ndarray]
    first: int

    def __call__(self, time: int, *channel: int) -> np.ndarray:
        return self.read(self.first + time, *channel)


@dataclass(frozen=True)
class _Plane:
    pixels: Any

    def __call__(self, time: int, channel: int) -> np.ndarray:
        return np.asarray(self.pixels[time, channel])
