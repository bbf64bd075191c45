"""What segmenting a movie, a frame or a piece of it has in common: model, size, brightness."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.normalise import HIGH, LOW, SAMPLE, Levels
from napari_cellcycle.models.segment.segmenter import Segmenter, open_segmenter, takes_levels
from napari_cellcycle.progress import Progress, silent

HALO_DIAMETERS = 2.0
"""What is looked at around a piece, so that cells across its border are seen whole."""
UNKNOWN_HALO_PX = 64
LARGEST_PLANE = 16_000_000
LARGEST_VOLUME = 200_000_000
"""Pixels; a larger frame is never read whole."""
LEAST_DIAMETER_PX = 3.0
"""Smaller cells cannot be told from noise; enlarging them to look takes minutes and gigabytes."""
_LEAST_SIDE_PX = 2
_STRIP_PX = 8_000_000
_PROBE_PX = 1024
_PROBES = 3


@dataclass(frozen=True)
class Prepared:
    """An open model and settings whose diameter is known, for one channel of a movie.

    `settings.diameter` is None only where the movie shows no cells or the model needs no size.
    """

    movie: Movie
    settings: SegmentSettings
    segmenter: Segmenter

    @property
    def colours(self) -> int:
        """Channels of a flat movie that the segmenter looks at together, if none is chosen."""
        seen = getattr(self.segmenter, "channels", 1) if self.movie.ndim == 2 else 1
        return 1 if self.settings.channel else min(seen, len(self.movie.channels))

    @property
    def diameter_px(self) -> float | None:
        """Typical cell diameter in pixels along x."""
        diameter = self.settings.diameter
        return diameter / self.movie.pixel_size[-1] if diameter else None

    @property
    def halo_px(self) -> int:
        """How far to look around a piece."""
        diameter = self.diameter_px
        return math.ceil(HALO_DIAMETERS * diameter) if diameter else UNKNOWN_HALO_PX

    def read(self, time: int, region: Region | None = None) -> np.ndarray:
        """A frame or a piece of it: ([Z,] Y, X), or (C, Y, X) of several colours.

        Raises `BadInput` if it holds values that are no numbers.
        """
        names: Sequence[str | None] = [self.settings.channel]
        if self.colours > 1:
            names = self.movie.channels[: self.colours]
        planes = [_read(self.movie, time, name, region) for name in names]
        return planes[0] if len(planes) == 1 else np.stack(planes)

    def levels(self, time: int) -> Levels | None:
        """Brightness of a whole frame, as the segmenter would see it; None if it takes none."""
        if not takes_levels(self.segmenter) or self.colours > 1:
            return None
        return frame_levels(self.movie, time, self.settings.channel)

    def masks(self, image: np.ndarray, levels: Levels | None = None) -> np.ndarray:
        """Masks of an image, or of a piece of one whose brightness is `levels`."""
        size = self.movie.pixel_size
        if levels is not None and takes_levels(self.segmenter):
            return self.segmenter(image, size, self.settings, levels)
        return self.segmenter(image, size, self.settings)


def prepare(
    movie: Movie,
    settings: SegmentSettings,
    *,
    model: Segmenter | str | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Open the model and find how large cells are, unless both are given.

    Without `settings.diameter`, the size is found from the first, middle and last of the frames
    that are to be segmented. To keep a model and a size for many calls, hand over what the first
    gave: `prepare(movie, p.settings, model=p.segmenter)`.

    Raises
    ------
    BadInput
        There is no such channel or frame, or frames are too small to show a cell, or cells too
        small to be seen at this pixel size.
    UserError
        The device that was asked for cannot be used.
    MissingModel
        The model is not there.
    """
    if isinstance(model, str):
        settings = settings.model_copy(update={"model": model})
        model = None
    times = chosen_frames(len(movie), settings)
    _check(movie, settings.channel)
    _check_diameter(settings.diameter, movie.pixel_size[-1])
    progress(0, len(movie), "Opening the model")
    segmenter = model or open_model(settings, device, folder)
    prepared = Prepared(movie, settings, segmenter)
    if settings.diameter:
        return prepared
    progress(0, len(movie), "Measuring how large cells are")
    shown = dict.fromkeys((times[0], times[len(times) // 2], times[-1]))
    images = [image for time in shown for image in _probes(prepared, time)]
    found = segmenter.find_diameter(images, movie.pixel_size, settings)
    if not found:
        return prepared
    diameter = max(found, LEAST_DIAMETER_PX * movie.pixel_size[-1])
    return Prepared(movie, settings.model_copy(update={"diameter": diameter}), segmenter)


def open_model(
    settings: SegmentSettings, device: str = "auto", folder: str | Path | None = None
) -> Segmenter:
    """The segmenter that `settings.model` names; raises as `prepare` does."""
    if settings.model == "threshold":
        from napari_cellcycle.models.segment.threshold import ThresholdSegmenter

        return ThresholdSegmenter()
    from napari_cellcycle.models.device import choose_device

    return open_segmenter(settings, choose_device(device), folder)


def chosen_frames(count: int, settings: SegmentSettings) -> range:
    """The frames of a movie of `count` that the settings ask for."""
    first = settings.first_frame
    if first >= count:
        raise BadInput(
            f"The first frame is {first}, but the movie has {count} frames, counted from 0; "
            f"choose a frame up to {count - 1}."
        )
    return range(first, min(count, first + (settings.frame_count or count)))


def is_huge(shape: tuple[int, ...]) -> bool:
    """Whether frames ([Z,] Y, X) of that shape are only ever read piece by piece."""
    return math.prod(shape[-2:]) > LARGEST_PLANE or math.prod(shape) > LARGEST_VOLUME


def frame_levels(movie: Movie, time: int, channel: str | None = None) -> Levels:
    """Brightness that becomes 0 and 1: what `stretch` finds in the whole frame.

    The frame is read in strips; about a million pixels of it are kept.
    """
    shape = movie.frame_shape
    step = max(1, math.prod(shape) // SAMPLE)
    height, width = shape[-2:]
    rows = max(1, _STRIP_PX // (width * math.prod(shape[:-2])))
    sample, brightest = [], -math.inf
    for top in range(0, height, rows):
        strip = _read(movie, time, channel, Region(top, 0, min(height, top + rows), width))
        planes = strip.reshape(-1, strip.shape[-2] * width)
        for z, plane in enumerate(planes):
            skipped = -(z * height + top) * width % step
            sample.append(plane[skipped::step].astype(np.float32))
        brightest = max(brightest, float(strip.max()))
    low, high = np.percentile(np.concatenate(sample), [LOW, HIGH])
    return float(low), float(high) if high > low else brightest


def _check(movie: Movie, channel: str | None) -> None:
    movie.channel_number(channel)
    if min(movie.frame_shape[-2:]) < _LEAST_SIDE_PX:
        height, width = movie.frame_shape[-2:]
        raise BadInput(
            f"The frames are {height} x {width} pixels, too small to show a cell; expected images "
            "of cells; check that the right file was opened and its axes were told apart."
        )


def _check_diameter(diameter: float | None, pixel_um: float) -> None:
    """Refuse cells of a few pixels, which a slip in the pixel size or the diameter makes."""
    if diameter is not None and round(diameter / pixel_um, 6) < LEAST_DIAMETER_PX:
        raise BadInput(
            f"Cells of {diameter:.3g} µm are {diameter / pixel_um:.2g} pixels across at "
            f"{pixel_um:.3g} µm per pixel, but need {LEAST_DIAMETER_PX:.0f} pixels to be seen: "
            "check the pixel size, or give a larger diameter."
        )


def _read(movie: Movie, time: int, channel: str | None, region: Region | None) -> np.ndarray:
    """One channel of a frame, or a piece of it, all of whose values are numbers."""
    if region is None or region == Region.whole(movie.frame_shape):
        image = movie.frame(time, channel)
    else:
        number = movie.channel_number(channel)
        planes = (slice(None),) * (movie.ndim - 2)
        image = np.asarray(movie.pixels[(time, number, *planes, *region.slices[1:])])
    if image.dtype.kind in "fc" and not np.isfinite(image).all():
        raise BadInput(
            f"Frame {time} holds values that are not numbers (NaN or infinite); expected finite "
            "intensities; replace them, for example by 0, and open the movie again."
        )
    return image


def _probes(prepared: Prepared, time: int) -> list[np.ndarray]:
    """Images to find the size of cells in: the frame, or the liveliest pieces of a huge one."""
    shape = prepared.movie.frame_shape
    if not is_huge(shape):
        return [prepared.read(time)]
    sides = [min(_PROBE_PX, length) for length in shape[-2:]]
    corners = product(
        *(
            np.linspace(0, length - side, 3).astype(int).tolist()
            for length, side in zip(shape[-2:], sides, strict=True)
        )
    )
    pieces = [prepared.read(time, Region(y, x, y + sides[0], x + sides[1])) for y, x in corners]
    lively = np.argsort([-float(piece.std()) for piece in pieces], kind="stable")
    return [pieces[i] for i in lively[:_PROBES]]
