"""A rectangle of pixels in the plane of an image."""

from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from napari_cellcycle.errors import BadInput


@dataclass(frozen=True)
class Region:
    """Rows `top` to `bottom` and columns `left` to `right`, the last ones not included.

    Of a volume it means all planes.
    """

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> "Region":
        """The region that holds all of an image ([Z,] Y, X) of that shape."""
        return cls(0, 0, int(shape[-2]), int(shape[-1]))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[EllipsisType, slice, slice]:
        """Index of the region in an array ([Z,] Y, X)."""
        return ..., slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, shape: tuple[int, ...]) -> "Region":
        """The part of it that lies in an image ([Z,] Y, X) of that shape.

        Raises `BadInput` if no pixel does.
        """
        part = self._cut(shape)
        if min(part.shape) < 1:
            raise BadInput(
                f"The region of rows {self.top} to {self.bottom} and columns {self.left} to "
                f"{self.right} has no pixel in the image of {shape[-2]} x {shape[-1]} pixels; "
                "draw it on the image."
            )
        return part

    def grown(self, margin: int, shape: tuple[int, ...]) -> "Region":
        """It with a margin around, as far as the image ([Z,] Y, X) of that shape reaches."""
        return Region(
            self.top - margin, self.left - margin, self.bottom + margin, self.right + margin
        )._cut(shape)

    def inside(self, other: "Region") -> "Region":
        """The same rectangle, counted from the corner of `other`."""
        y, x = other.top, other.left
        return Region(self.top - y, self.left - x, self.bottom - y, self.right - x)

    def edges(self, shape: tuple[int, ...]) -> tuple[bool, bool, bool, bool]:
        """Which sides (top, left, bottom, right) lie on the edge of an image of that shape."""
        whole = Region.whole(shape)
        return (
            self.top <= 0,
            self.left <= 0,
            self.bottom >= whole.bottom,
            self.right >= whole.right,
        )

    def has(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Whether each of the places lies in it."""
        return (y >= self.top) & (y < self.bottom) & (x >= self.left) & (x < self.right)

    def _cut(self, shape: tuple[int, ...]) -> "Region":
        height, width = shape[-2:]
        return Region(
            min(max(self.top, 0), height),
            min(max(self.left, 0), width),
            min(max(self.bottom, 0), height),
            min(max(self.right, 0), width),
        )
