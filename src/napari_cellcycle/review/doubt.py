"""What looks wrong: one thing to look at, why, and how it could be mended."""

from dataclasses import dataclass

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.errors import Fix

Key = tuple[str, int]
"""Kind and number (a cell, mostly) that the operation `confirm` takes."""

KINDS = {
    "link": "Uncertain link",
    "jump": "Sudden change",
    "gap": "Not seen for a while",
    "division": "Doubtful division",
    "missing division": "Missing division",
    "start": "Starts inside the field",
    "end": "Ends inside the field",
    "short track": "Seen for a moment only",
    "merged": "Merged masks",
    "split": "Part of a mask",
    "stage": "Stage and lineage disagree",
    "duration": "Stage too short or too long",
}
"""Kinds of doubts, and what they are called in lists."""
OF_TRACKS = ("stage", "duration")
"""Kinds that are about whole tracks; all others are about a cell and its neighbours."""
MOST_MENDS = 3
LAST_RESORTS = ("unlink", "copy_mask", "delete_cells")
"""Mends that are offered where there is room, as they leave something to be mended."""


@dataclass(frozen=True)
class Facts:
    """What is known of the movie: [z,] y, x of a frame in pixels, frames, seconds, um."""

    frame_shape: tuple[int, ...]
    frames: int
    frame_interval: float
    pixel_size: tuple[float, ...]


def facts_of(draft: Draft, frame_interval: float) -> Facts:
    """The facts as the masks of a draft tell them; `frame_interval` in seconds."""
    ndim = len(draft.axes)
    size = draft.pixel_size or (1.0,) * ndim
    if draft.masks is not None:
        frames, *shape = draft.masks.shape
        return Facts(tuple(shape), frames, frame_interval, size)
    places = [draft.column(axis) for axis in draft.axes]
    extent = tuple(int(values.max(initial=0)) + 1 for values in places)
    return Facts(extent, int(draft.column("frame").max(initial=-1)) + 1, frame_interval, size)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that may be wrong.

    `cells` are ids, the first of them the one to look at, in `frame` at `place` ([z,] y, x in
    pixels). `reason` says why, in sentences; `weight` is the probability that something is wrong,
    comparable between kinds. `mends` are up to three corrections to choose from, the likeliest
    first. `keys` are what is confirmed if nothing is wrong, its own first.
    """

    kind: str
    cells: tuple[int, ...]
    frame: int
    place: tuple[float, ...]
    reason: str
    weight: float
    keys: tuple[Key, ...]
    mends: tuple[Fix, ...] = ()

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.keys[0]
