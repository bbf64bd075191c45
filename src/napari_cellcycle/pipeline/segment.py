"""The first step: masks of the cells in every frame."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import UserError
from napari_cellcycle.models.segment.segmenter import Segmenter
from napari_cellcycle.pipeline.clean import clean
from napari_cellcycle.pipeline.flicker import settle
from napari_cellcycle.pipeline.huge import segment_pieces
from napari_cellcycle.pipeline.prepare import Prepared, chosen_frames, is_huge, prepare
from napari_cellcycle.pipeline.shares import Share
from napari_cellcycle.progress import Progress, silent, track_progress

_DEFAULT = SegmentSettings()
_SHOWN = 5


def segment(
    movie: Movie,
    settings: SegmentSettings = _DEFAULT,
    *,
    model: Segmenter | str | None = None,
    device: str = "auto",
    into: Any = None,
    folder: str | Path | None = None,
    progress: Progress = silent,
) -> LabelStack:
    """Find the cells of every frame, one frame in memory at a time, or a piece of a huge one.

    Parameters
    ----------
    movie, settings
        What to segment, and how. Without `settings.diameter`, the size of cells is found from
        the first, middle and last frame and used for all. Frames that `settings.first_frame` and
        `settings.frame_count` leave out stay empty.
    model
        An open segmenter, or a name that takes the place of `settings.model`.
    device
        "auto", "cpu", "cuda" or "mps".
    into
        Array (T, [Z,] Y, X) of int32 that frames are written to as they are done, such as a zarr
        array; an array in memory by default. Frames of more than 16 million pixels are written
        piece by piece.
    folder
        Where the user's own models are; the usual place by default.

    Raises
    ------
    BadInput
        A frame holds values that are no numbers, or the channel or the first frame does not exist.
    UserError
        No cells were found in the whole movie, or memory ran out.
    MissingModel
        The model is not there.
    Cancelled
        From `progress`.
    """
    prepared = prepare(
        movie, settings, model=model, device=device, folder=folder, progress=progress
    )
    settings, shape = prepared.settings, (len(movie), *movie.frame_shape)
    times = chosen_frames(len(movie), settings)
    masks = np.zeros(shape, np.int32) if into is None else into
    if into is not None:
        _empty(masks, [time for time in range(len(movie)) if time not in times])
    blank: list[int] = []
    if is_huge(movie.frame_shape):
        total = _by_pieces(prepared, times, masks, progress)
    else:
        total, blank = _by_frames(prepared, times, masks, progress)
    if not total:
        raise UserError(_nothing(prepared, len(times), len(blank)))
    if blank:
        frames = ", ".join(map(str, blank[:_SHOWN])) + (", ..." if len(blank) > _SHOWN else "")
        warnings.warn(
            f"{len(blank)} of {len(times)} frames are of one value all over and hold no cells "
            f"(frame {frames}).",
            stacklevel=1,
        )
    drop, fill = settings.drop_flicker, settings.fill_flicker
    settle(masks, times, drop=drop, fill=fill, progress=progress)
    return LabelStack(masks)


def _by_frames(
    prepared: Prepared, times: range, masks: Any, progress: Progress
) -> tuple[int, list[int]]:
    """Segment whole frames; how many masks there are, and which frames are of one value."""
    total, blank = 0, []
    size = prepared.movie.pixel_size
    for time in track_progress(times, len(times), progress, "Segmenting"):
        image = prepared.read(time)
        if image.min() == image.max():
            blank.append(time)
        found = clean(prepared.masks(image), prepared.settings, size)
        total += int(found.max(initial=0))
        masks[time] = found
    return total, blank


def _by_pieces(prepared: Prepared, times: range, masks: Any, progress: Progress) -> int:
    """Segment frames that are larger than memory; how many masks there are."""
    total = 0
    for done, time in enumerate(times):
        share = Share(progress, done / len(times), 1 / len(times))
        total += segment_pieces(prepared, time, masks, progress=share)
    return total


def _empty(masks: Any, times: list[int]) -> None:
    """Write frames without cells."""
    if times:
        none = np.zeros(masks.shape[1:], np.int32)
        for time in times:
            masks[time] = none


def _nothing(prepared: Prepared, frames: int, blank: int) -> str:
    """What to say when not one cell was found."""
    movie, settings = prepared.movie, prepared.settings
    if blank == frames:
        return (
            f"All {blank} frames are of one value all over, so there are no cells to find; "
            "check that the right file, channel and contrast were saved."
        )
    shown = settings.channel or movie.channels[0]
    size = (
        f"of about {settings.diameter:.3g} micrometres "
        f"({settings.diameter / movie.pixel_size[-1]:.0f} pixels) "
        if settings.diameter
        else ""
    )
    return (
        f"No cells {size}were found in any of the {frames} frames of channel {shown!r}; "
        "check the channel and the pixel size, set the cell diameter, or lower the cell threshold."
    )
