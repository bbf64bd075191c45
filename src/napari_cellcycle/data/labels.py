"""Masks of every frame: a stored stack and the frames that replace some of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from napari_cellcycle.data.movie import ArrayLike
from napari_cellcycle.errors import BadInput

LARGEST = np.iinfo(np.int32).max


def as_labels(mask: np.ndarray, frame: str) -> np.ndarray:
    """Give the masks of a frame as int32, without a copy where they are that already.

    `frame` is what a message calls it. Raises `BadInput` for values that are not whole numbers
    from 0 to 2,147,483,647.
    """
    if mask.dtype.kind == "f" and not (mask == np.floor(mask)).all():
        raise BadInput(
            f"{frame} holds decimal values, but masks hold whole numbers, 0 for background: choose "
            "the masks, not the image."
        )
    is_large = mask.dtype != np.int32 and mask.max(initial=0) > LARGEST
    if is_large or mask.min(initial=0) < 0:
        raise BadInput(
            f"{frame} holds values outside 0 to 2,147,483,647, which masks cannot have: renumber "
            "the masks, with 0 for background."
        )
    return mask.astype(np.int32, copy=False)


@dataclass(frozen=True)
class LabelStack:
    """Cell masks with axes (T, Y, X) or (T, Z, Y, X); 0 is background.

    `base` may live on disk (zarr, dask) and is never loaded whole. `edited` holds the frames
    that were changed since, as int32 arrays ([Z,] Y, X); an edit returns a new `LabelStack`
    that shares everything else, so undo costs one frame.
    """

    base: ArrayLike
    edited: Mapping[int, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if len(self.base.shape) not in (3, 4):
            raise ValueError(f"masks have shape {self.base.shape}; expected (T, [Z,] Y, X)")
        for time, frame in self.edited.items():
            if frame.shape != self.base.shape[1:] or not 0 <= time < len(self):
                raise ValueError(
                    f"frame {time} of shape {frame.shape} does not fit masks of {self.base.shape}"
                )

    def __len__(self) -> int:
        return int(self.base.shape[0])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.frame(time) for time in range(len(self)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis: (T, [Z,] Y, X)."""
        return tuple(self.base.shape)

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions: 2 or 3."""
        return len(self.base.shape) - 1

    def frame(self, time: int) -> np.ndarray:
        """Masks of one frame as an int32 array ([Z,] Y, X). Treat it as read-only.

        Raises `BadInput` for values that are not whole numbers from 0 to 2,147,483,647.
        """
        if time in self.edited:
            return self.edited[time]
        return as_labels(np.asarray(self.base[time]), f"Frame {time} of the masks")

    def with_frame(self, time: int, mask: np.ndarray) -> "LabelStack":
        """Return a copy whose frame `time` is `mask`; raises `BadInput` as `frame` does."""
        own = as_labels(np.asarray(mask), f"Frame {time} of the masks")
        edited = {**self.edited, time: own}
        return replace(self, edited=MappingProxyType(edited))

    def to_array(self) -> np.ndarray:
        """Load everything as one int32 array. For movies that fit into memory only."""
        return np.stack(list(self))
