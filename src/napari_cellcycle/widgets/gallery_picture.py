"""The picture of the tiles that are in view, put together as one array; knows no windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BAR = 7
"""Height of the bar in the colour of the stage, below each tile."""
GAP, SPACE = 3, 6
"""Between tiles side by side, and between rows."""
_RIM, _DOT = np.uint32(0xFF000000), np.uint32(0xFFFFFFFF)
_NO_CROP = np.uint32(0xFF202020)


@dataclass(frozen=True)
class Sizes:
    """Measures of a tile in pixels; `ratio` is how many of the device make one of the screen."""

    side: int
    ratio: float = 1.0

    @property
    def across(self) -> int:
        """Distance from column to column."""
        return self.side + GAP

    @property
    def down(self) -> int:
        """Distance from row to row."""
        return self.side + BAR + SPACE

    def on_device(self, length: float) -> int:
        """A length on the screen, in pixels of the device."""
        return round(length * self.ratio)


@dataclass(frozen=True)
class Part:
    """What is seen: for each tile (r, c) whether there is a cell, its stage and pin, and a line.

    `colours` are of the stages, the last of cells without one; `lines` marks tiles before which
    a daughter begins. Colours are 0xAARRGGBB.
    """

    there: np.ndarray
    codes: np.ndarray
    pinned: np.ndarray
    lines: np.ndarray
    colours: np.ndarray
    background: int
    text: int


def picture(part: Part, tiles: Sequence[np.ndarray | None], sizes: Sizes) -> np.ndarray:
    """Pixels (H, W) uint32 of the tiles in view, all of them whole.

    `tiles` are those of the cells that are there, row by row; where one is None its place is
    left dark.
    """
    rows, columns = part.there.shape
    across, down = sizes.on_device(sizes.across), sizes.on_device(sizes.down)
    side, bar = sizes.on_device(sizes.side), max(1, sizes.on_device(BAR))
    canvas = np.full((rows, down, columns, across), part.background, np.uint32)
    where = np.argwhere(part.there).tolist()
    for (row, column), tile in zip(where, tiles, strict=True):
        canvas[row, :side, column, :side] = _NO_CROP if tile is None else tile
    shown = np.where(part.there, part.colours[part.codes], np.uint32(part.background))
    canvas[:, side : side + bar, :, :side] = shown[:, np.newaxis, :, np.newaxis]
    _stamp(canvas, part.pinned & part.there, side, bar)
    for row, column in np.argwhere(part.lines).tolist():
        if column:
            canvas[row, : side + bar, column - 1, side:] = part.text
    return canvas.reshape(rows * down, columns * across)


def _stamp(canvas: np.ndarray, pinned: np.ndarray, side: int, bar: int) -> None:
    """A white dot with a dark rim in the middle of the bar of each pinned tile."""
    size = bar + bar % 2 - 1
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    distance = np.hypot(y, x)
    rim, dot = distance <= size / 2, distance <= size / 2 - max(1.0, size / 6)
    top, left = side + (bar - size) // 2, (side - size) // 2
    for row, column in np.argwhere(pinned).tolist():
        place = canvas[row, top : top + size, column, left : left + size]
        place[rim] = _RIM
        place[dot] = _DOT
