"""What the settings find in one frame, or in the part of it that is looked at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.segmenter import Segmenter
from napari_cellcycle.pipeline.clean import clean
from napari_cellcycle.pipeline.prepare import Prepared, prepare

PREVIEW_PX = 512 * 512
"""Most pixels of a preview, halo and planes included: what takes less than a second."""
_HALO_DIAMETERS = 0.5


@dataclass(frozen=True)
class Preview:
    """Masks ([Z,] Y, X) of `region`, and what they were found with.

    `region` can be smaller than what was asked for. `prepared` holds the open model and the
    settings with the diameter that was found, to be kept for the next preview.
    """

    masks: np.ndarray
    region: Region
    prepared: Prepared

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the first pixel of the masks."""
        return self.region.top, self.region.left


def preview(
    movie: Movie,
    time: int,
    settings: SegmentSettings,
    region: Region | None = None,
    *,
    model: Segmenter | str | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
    most_px: int | None = PREVIEW_PX,
) -> Preview:
    """Find the cells in a region of one frame, or in all of it, quickly.

    Fast if `model` is an open segmenter and `settings.diameter` is given; without them the model
    is opened and the size found first, in seconds. So hand over what the first preview gave:
    `preview(movie, time, p.prepared.settings, model=p.prepared.segmenter)`. Clean-up over time
    needs more than one frame and is left out.

    Parameters
    ----------
    region
        What is looked at; None for the whole frame. Of more than `most_px` pixels only the
        middle is segmented (`most_px=None`: all).

    Raises
    ------
    BadInput
        No such frame or channel, or the region lies outside of the image.
    UserError, MissingModel
        As `prepare`.
    """
    check_frame(movie, time)
    shape = movie.frame_shape
    asked = (region or Region.whole(shape)).within(shape)
    whole_movie = settings.model_copy(update={"first_frame": 0, "frame_count": 0})
    prepared = prepare(movie, whole_movie, model=model, device=device, folder=folder)
    margin = round(_HALO_DIAMETERS * (prepared.diameter_px or 0.0))
    if most_px is not None:
        asked = _middle(asked, int(most_px / np.prod(shape[:-2], dtype=int)), margin)
    window = asked.grown(margin, shape)
    masks = piece_masks(prepared, time, window)
    part = masks[asked.inside(window).slices]
    numbers, place = np.unique(part, return_inverse=True)
    first = 0 if numbers[0] == 0 else 1
    renumbered = (place.reshape(part.shape) + first).astype(np.int32)
    return Preview(renumbered, asked, prepared)


def piece_masks(prepared: Prepared, time: int, window: Region) -> np.ndarray:
    """Masks of a piece of one frame, by the brightness of the whole frame, cleaned."""
    shape = prepared.movie.frame_shape
    image = prepared.read(time, window)
    if image.min() == image.max():
        return np.zeros((*shape[:-2], *window.shape), np.int32)
    levels = None if window == Region.whole(shape) else prepared.levels(time)
    masks = prepared.masks(image, levels)
    return clean(masks, prepared.settings, prepared.movie.pixel_size, window.edges(shape))


def check_frame(movie: Movie, time: int) -> None:
    """Raise `BadInput` if the movie has no frame `time`."""
    if not 0 <= time < len(movie):
        raise BadInput(
            f"Frame {time} was asked for, but the movie has {len(movie)} frames, counted from 0; "
            f"choose one up to {len(movie) - 1}."
        )


def _middle(region: Region, most_px: int, margin: int) -> Region:
    """The middle of a region of which, with its margin, not more than `most_px` are seen."""
    height, width = region.shape
    room = (height + 2 * margin) * (width + 2 * margin)
    if room <= most_px:
        return region
    share = (most_px / room) ** 0.5
    sides = [max(1, round((side + 2 * margin) * share) - 2 * margin) for side in (height, width)]
    top = region.top + (height - sides[0]) // 2
    left = region.left + (width - sides[1]) // 2
    return Region(top, left, top + sides[0], left + sides[1])
