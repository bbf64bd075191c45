"""Measuring some cells of a frame anew, without looking at all the others."""

import numpy as np

from napari_cellcycle.data.boxes import Box, tight, whole, wider
from napari_cellcycle.data.changes import Table
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.features.shape import Masks, measure_frame

_BRIGHTNESS_ROOM = 48
"""Pixels around cells from which the background is taken."""


def measure_cells(bench: Bench, frame: int, labels: np.ndarray, within: Box | None = None) -> Table:
    """What `features.shape.measure_frame` gives for some masks of a frame, ascending by label.

    The background is that around these cells, not that of the whole frame. `within` is a box that
    is known to hold all of them.
    """
    draft = bench.draft
    mask = draft.mask(frame)
    searched = within or whole(mask.shape)
    found, _ = tight(searched, np.isin(mask[searched], labels))
    window = wider(found, _BRIGHTNESS_ROOM, mask.shape)
    part = np.ascontiguousarray(mask[window])
    size = draft.pixel_size or (1.0,) * mask.ndim
    image = brightness(bench, frame, window)
    table = measure_frame(image, Masks.of(part), part.shape, size)
    chosen = np.isin(table["label"], labels)
    table = {name: values[chosen] for name, values in table.items()}
    for axis, span in zip(("z", "y", "x")[-mask.ndim :], window, strict=True):
        table[axis] = table[axis] + span.start
    table["at_edge"] = _at_edge(part, table["label"], window, mask.shape)
    table["frame"] = np.full(len(table["label"]), frame, np.int64)
    return table


def brightness(bench: Bench, frame: int, box: Box) -> np.ndarray | None:
    """Pixels ([Z,] Y, X) of the channel that cells are seen in, in a box of a frame, if any."""
    movie = bench.movie
    if movie is None:
        return None
    channel = movie.channel_number(bench.channel)
    return np.asarray(movie.pixels[(frame, channel, *box)])


def _at_edge(
    part: np.ndarray, labels: np.ndarray, window: Box, shape: tuple[int, ...]
) -> np.ndarray:
    """Whether each label touches the border of the frame in y or x."""
    found: list[np.ndarray] = []
    for axis in (-2, -1):
        if window[axis].start == 0:
            found.append(np.take(part, 0, axis))
        if window[axis].stop == shape[axis]:
            found.append(np.take(part, -1, axis))
    values = [np.unique(face) for face in found]
    return np.isin(labels, np.concatenate(values)) if values else np.zeros(len(labels), bool)
