"""Pictures over time as one OME-TIFF file, which napari and ImageJ open."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tifffile

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.io.storage import replaced_file, writing_to


def write_pictures(
    path: str | Path, movie: Movie, pictures: Iterable[tuple[int, np.ndarray]]
) -> None:
    """Write a picture (Y, X) float32 of each frame of `movie`, one in memory at a time.

    `pictures` (frame, picture) come in the order of time; frames without one are black. Size of
    pixels and interval are those of `movie`. The file is there once it is complete.

    Raises
    ------
    CannotWrite
        The disk refuses; what was there before is untouched.
    """
    path = Path(path).expanduser()
    shape = (len(movie), *movie.frame_shape[-2:])
    y, x = movie.pixel_size[-2:]
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as draft:
            tifffile.imwrite(
                draft,
                _every_frame(pictures, shape),
                shape=shape,
                dtype=np.float32,
                ome=True,
                compression="zlib",
                photometric="minisblack",
                metadata={
                    "axes": "TYX",
                    "PhysicalSizeY": y,
                    "PhysicalSizeX": x,
                    "TimeIncrement": movie.frame_interval,
                },
            )


def _every_frame(
    pictures: Iterable[tuple[int, np.ndarray]], shape: tuple[int, ...]
) -> Iterator[np.ndarray]:
    """The pictures, and black ones for frames that have none."""
    black, following = np.zeros(shape[1:], np.float32), 0
    for time, picture in pictures:
        for _ in range(following, time):
            yield black
        yield picture
        following = time + 1
    for _ in range(following, shape[0]):
        yield black
