"""Measuring some cells of a frame anew, without looking at all the others."""

import numpy as np

from napari_cellcycle.data.changes import Table
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.features.shape import Masks, measure_frame

_BRIGHTNESS_ROOM = 48
"""Pixels around cells from which the background is taken."""


def measure_cells(bench: Bench, frame: int, labels: np.ndarray) -> Table:
    """What `features.shape.measure_frame` gives for some masks of a frame, ascending by label.

    The background is that around these cells, not that of the whole frame.
    """
    draft = bench.draft
    mask = draft.mask(frame)
    window = _around(mask, labels, _BRIGHTNESS_ROOM)
    part = np.ascontiguousarray(mask[window])
    image = None
    if bench.movie is not None:
        image = np.asarray(bench.movie.frame(frame, bench.channel))[window]
    size = draft.pixel_size or (1.0,) * mask.ndim
    table = measure_frame(image, Masks.of(part), part.shape, size)
    chosen = np.isin(table["label"], labels)
    table = {name: values[chosen] for name, values in table.items()}
    for axis, span in zip(("z", "y", "x")[-mask.ndim :], window, strict=True):
        table[axis] = table[axis] + span.start
    table["at_edge"] = _at_edge(part, table["label"], window, mask.shape)
    table["frame"] = np.full(len(table["label"]), frame, np.int64)
    return table


def _around(mask: np.ndarray, labels: np.ndarray, margin: int) -> tuple[slice, ...]:
    there = np.isin(mask, labels)
    window = []
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        places = np.flatnonzero(there.any(axis=others))
        low, high = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
        window.append(slice(max(0, low - margin), min(mask.shape[axis], high + margin + 1)))
    return tuple(window)


def _at_edge(
    part: np.ndarray, labels: np.ndarray, window: tuple[slice, ...], shape: tuple[int, ...]
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
