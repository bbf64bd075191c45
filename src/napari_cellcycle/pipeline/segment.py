"""The first step: masks of the cells in every frame."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.models.segment.segmenter import Segmenter, open_segmenter
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
    """Find the cells of every frame, one frame in memory at a time.

    Parameters
    ----------
    movie, settings
        What to segment, and how. Without `settings.diameter`, the size of cells is found from
        the first, middle and last frame and used for all.
    model
        An open segmenter, or a name that takes the place of `settings.model`.
    device
        "auto", "cpu", "cuda" or "mps".
    into
        Array (T, [Z,] Y, X) of int32 that frames are written to as they are done, such as a zarr
        array; an array in memory by default.
    folder
        Where the user's own models are; the usual place by default.

    Raises
    ------
    BadInput
        A frame holds values that are no numbers, or the channel does not exist.
    UserError
        No cells were found in the whole movie, or memory ran out.
    MissingModel
        The model is not there.
    Cancelled
        From `progress`.
    """
    if isinstance(model, str):
        settings = settings.model_copy(update={"model": model})
        model = None
    channel = _channel(movie, settings.channel)
    progress(0, len(movie), "Opening the model")
    segmenter = model or _opened(settings, device, folder)
    settings = _with_diameter(movie, channel, settings, segmenter, progress)
    shape = (len(movie), *movie.frame_shape)
    masks = np.zeros(shape, np.int32) if into is None else into
    total, blank = 0, []
    for time in track_progress(range(len(movie)), len(movie), progress, "Segmenting"):
        image = _checked(movie, time, channel, _colours(movie, segmenter))
        if image.min() == image.max():
            blank.append(time)
        found = segmenter(image, movie.pixel_size, settings)
        total += int(found.max(initial=0))
        masks[time] = found
    if not total:
        raise UserError(_nothing(movie, channel, settings, len(blank)))
    if blank:
        frames = ", ".join(map(str, blank[:_SHOWN])) + (", ..." if len(blank) > _SHOWN else "")
        warnings.warn(
            f"{len(blank)} of {len(movie)} frames are of one value all over and hold no cells "
            f"(frame {frames}).",
            stacklevel=1,
        )
    return LabelStack(masks)


def _opened(settings: SegmentSettings, device: str, folder: str | Path | None) -> Segmenter:
    if settings.model == "threshold":
        from napari_cellcycle.models.segment.threshold import ThresholdSegmenter

        return ThresholdSegmenter()
    from napari_cellcycle.models.device import choose_device

    return open_segmenter(settings, choose_device(device), folder)


def _channel(movie: Movie, name: str | None) -> str | None:
    if name is not None and name not in movie.channels:
        raise BadInput(
            f"The movie has no channel called {name!r}; it has {', '.join(movie.channels)}; "
            "choose one of them, or leave the channel empty for the first."
        )
    return name


def _colours(movie: Movie, segmenter: Segmenter) -> int:
    """Channels of a flat movie that the segmenter looks at together, if none is chosen."""
    return min(getattr(segmenter, "channels", 1), len(movie.channels)) if movie.ndim == 2 else 1


def _checked(movie: Movie, time: int, channel: str | None, colours: int = 1) -> np.ndarray:
    """One frame, all of whose values are numbers: ([Z,] Y, X), or (C, Y, X) of several colours."""
    if channel is None and colours > 1:
        image = np.stack([movie.frame(time, name) for name in movie.channels[:colours]])
    else:
        image = movie.frame(time, channel)
    if image.dtype.kind in "fc" and not np.isfinite(image).all():
        raise BadInput(
            f"Frame {time} holds values that are not numbers (NaN or infinite); expected finite "
            "intensities; replace them, for example by 0, and open the movie again."
        )
    return image


def _with_diameter(
    movie: Movie,
    channel: str | None,
    settings: SegmentSettings,
    segmenter: Segmenter,
    progress: Progress,
) -> SegmentSettings:
    """Settings with the diameter found from three frames, unless it is given."""
    if settings.diameter:
        return settings
    progress(0, len(movie), "Measuring how large cells are")
    times = dict.fromkeys((0, len(movie) // 2, len(movie) - 1))
    colours = _colours(movie, segmenter)
    images = [_checked(movie, time, channel, colours) for time in times]
    found = segmenter.find_diameter(images, movie.pixel_size, settings)
    return settings.model_copy(update={"diameter": found}) if found else settings


def _nothing(movie: Movie, channel: str | None, settings: SegmentSettings, blank: int) -> str:
    """What to say when not one cell was found."""
    if blank == len(movie):
        return (
            f"All {blank} frames are of one value all over, so there are no cells to find; "
            "check that the right file, channel and contrast were saved."
        )
    shown = channel or movie.channels[0]
    size = (
        f"of about {settings.diameter:.3g} micrometres "
        f"({settings.diameter / movie.pixel_size[-1]:.0f} pixels) "
        if settings.diameter
        else ""
    )
    return (
        f"No cells {size}were found in any of the {len(movie)} frames of channel {shown!r}; "
        "check the channel and the pixel size, set the cell diameter, or lower the cell threshold."
    )
