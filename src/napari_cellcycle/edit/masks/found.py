"""Where the mask of a cell lies, and what is known around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.boxes import Box, tight, whole
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.errors import Refused


@dataclass(frozen=True, eq=False)
class Found:
    """The mask of a cell in a frame: its pixels `inside` a box, and its cell, if it is tracked."""

    frame: int
    label: int
    cell: int
    box: Box
    inside: np.ndarray

    @property
    def count(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.inside))

    @property
    def centre(self) -> np.ndarray:
        """Its middle [z,] y, x in pixels of the frame."""
        start = np.array([part.start for part in self.box], float)
        return start + np.argwhere(self.inside).mean(axis=0)

    def within(self, window: Box) -> np.ndarray:
        """Which pixels of a window of the frame are its; the window may reach out of the frame."""
        whole_window = np.zeros([part.stop - part.start for part in window], bool)
        source, target = [], []
        for part, own in zip(window, self.box, strict=True):
            low, high = max(part.start, own.start), min(part.stop, own.stop)
            if low >= high:
                return whole_window
            source.append(slice(low - own.start, high - own.start))
            target.append(slice(low - part.start, high - part.start))
        whole_window[tuple(target)] = self.inside[tuple(source)]
        return whole_window


def find(bench: Bench, frame: int, label: int) -> Found:
    """The mask with a label in a frame. Raises `Refused` if there is none."""
    draft = bench.draft
    check_frame(draft, frame)
    cell = draft.cell_at(frame, label)
    if cell != NOBODY:
        box, inside = draft.pixels_of(cell)
    else:
        mask = draft.mask(frame)
        box, inside = tight(whole(mask.shape), mask == label)
    if label <= 0 or not inside.any():
        raise Refused(f"There is no mask of cell {label} in frame {frame}: click on one first.")
    return Found(frame, label, cell, box, inside)


def mask_of(bench: Bench, cell: int) -> Found | None:
    """The mask of a tracked cell; None if it has no pixels."""
    draft = bench.draft
    box, inside = draft.pixels_of(cell)
    if not inside.any():
        return None
    return Found(draft.frame(cell), draft.label(cell), cell, box, inside)


def find_cell(bench: Bench, cell: int) -> Found:
    """The mask of a tracked cell. Raises `Refused` if there is none."""
    if not bench.draft.has(cell):
        raise Refused("That cell is not there any more: choose another one.")
    return find(bench, bench.draft.frame(cell), bench.draft.label(cell))


def find_all(bench: Bench, frame: int, labels: Sequence[int]) -> list[Found]:
    """The masks of some cells of a frame, each once. Raises `Refused` if one is missing."""
    if not len(labels):
        raise Refused("No cell is chosen: click on one first.")
    return [find(bench, frame, int(label)) for label in dict.fromkeys(labels)]


def check_frame(draft: Draft, frame: int) -> None:
    """Refuse a frame that the movie does not have."""
    if draft.masks is None:
        raise Refused("There are no masks yet: segment the movie first.")
    count = draft.masks.shape[0]
    if not 0 <= frame < count:
        raise Refused(f"There is no frame {frame}: the movie has frames 0 to {count - 1}.")


def fresh_labels(draft: Draft, frame: int, count: int) -> list[int]:
    """Labels for new masks of a frame, which no cell of it has; of no track at all, if tracked."""
    if draft.tracked:
        return [draft.fresh_label() for _ in range(count)]
    top = int(draft.mask(frame).max(initial=0))
    return list(range(top + 1, top + 1 + count))


def spacing(draft: Draft, ndim: int) -> np.ndarray:
    """Size of a pixel along [z,] y, x, in widths of a pixel."""
    size = np.ones(ndim) if draft.pixel_size is None else np.array(draft.pixel_size, float)
    return size / size[-1]


def usual_diameter(draft: Draft, frame: int, ndim: int) -> float:
    """Diameter in widths of a pixel of a usual cell of a frame; 20 where nothing is known."""
    area = draft.column("area") if "area" in draft.names else np.empty(0)
    here = area[draft.column("frame") == frame] if len(area) else area
    known = here if len(here) else area
    known = known[known > 0]
    if not len(known):
        return 20.0
    size = 1.0 if draft.pixel_size is None else draft.pixel_size[-1]
    middle = float(np.median(known)) / size**ndim
    return (4 * middle / np.pi) ** 0.5 if ndim == 2 else (6 * middle / np.pi) ** (1 / 3)
