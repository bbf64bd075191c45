"""The recording: pixels on disk or in memory, and what one pixel means."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from napari_cellcycle.errors import BadInput


class ArrayLike(Protocol):
    """What numpy, dask, zarr and tensorstore arrays share and the core relies on."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True)
class Movie:
    """A time-lapse with axes (T, C, Y, X) or (T, C, Z, Y, X), never loaded whole.

    `pixel_size` is in micrometres, in the order of the spatial axes; `frame_interval` is in
    seconds. `guessed` names which of the two were not found in the file and stand at a
    default. `source` is the path that the movie was read from, if any.
    """

    pixels: ArrayLike
    pixel_size: tuple[float, ...]
    frame_interval: float
    channels: tuple[str, ...]
    source: str | None = None
    guessed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.pixels.shape) != 2 + self.ndim:
            raise ValueError(
                f"{self.ndim} pixel sizes do not fit an array of shape "
                f"{self.pixels.shape}; expected (T, C, [Z,] Y, X)"
            )
        if len(self.channels) != self.pixels.shape[1]:
            raise ValueError(
                f"{len(self.channels)} channel names for {self.pixels.shape[1]} channels"
            )

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions: 2 or 3."""
        return len(self.pixel_size)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one channel of one frame: ([Z,] Y, X)."""
        return tuple(self.pixels.shape[2:])

    @property
    def assumed_interval(self) -> str:
        """What to know of all times, in a sentence, if the frame interval is a guess; else ""."""
        if "frame_interval" not in self.guessed:
            return ""
        seconds = f"{self.frame_interval:g} s between frames"
        return f"All times assume {seconds}, as the file does not tell the frame interval."

    def frame(self, time: int, channel: str | None = None) -> np.ndarray:
        """Load one channel of one frame as a plain ([Z,] Y, X) array; the first by default.

        Raises `BadInput` if there is no such channel.
        """
        return np.asarray(self.pixels[time, self.channel_number(channel)])

    def colours(self, time: int) -> np.ndarray:
        """Load all channels of one frame, (C, [Z,] Y, X)."""
        return np.stack([self.frame(time, name) for name in self.channels])

    def channel_number(self, channel: str | None) -> int:
        """Place of a channel among the pixels; that of the first, 0, where none is named.

        Raises `BadInput` if there is no such channel.
        """
        if channel is None:
            return 0
        if channel not in self.channels:
            raise BadInput(
                f"The movie has no channel called {channel!r}; it has {', '.join(self.channels)}; "
                "choose one of them, or leave the channel empty for the first."
            )
        return self.channels.index(channel)
