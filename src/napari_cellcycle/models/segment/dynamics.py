"""Masks from flows and back.

Targets and the check of masks come from Cellpose, the same for its versions 3 and 4. Flows are
followed by doubling: the way of 2 n steps is that of n steps, and then that of n steps from
there. So the cost grows with the logarithm of the way, and cells of 100 pixels cost no more than
small ones.
"""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.models.segment.normalise import resize
from napari_cellcycle.models.segment.quiet import cellpose_module

_TIMES = 5.0
"""What networks multiply unit vectors with."""
_SINGLE_STEPS = 4
_GRID_PX, _CHECK_PX = 22.0, 18.0
_LEAST_PEAK, _LEAST_AROUND = 10.0, 2.0
_REACH = 5


@dataclass(frozen=True)
class Rules:
    """What counts as a mask: least logit of its pixels, worst error of its flow (0: any)."""

    cell_threshold: float = 0.0
    flow_threshold: float = 0.4


def flows_of(masks: np.ndarray) -> np.ndarray:
    """Flow targets (2, Y, X) of masks (Y, X): unit vectors in y and x towards each centre.

    The flow of an empty image is zero.
    """
    import torch
    from skimage.segmentation import relabel_sequential

    if not masks.any():
        return np.zeros((2, *masks.shape), np.float32)
    dynamics = cellpose_module("dynamics")
    labels = relabel_sequential(masks)[0].astype(np.int32)
    cpu = torch.device("cpu")
    if hasattr(dynamics, "masks_to_flows"):
        return np.asarray(dynamics.masks_to_flows(labels, device=cpu), np.float32)
    return np.asarray(dynamics.masks_to_flows_gpu(labels, device=cpu)[0], np.float32)


def masks_of(flows: np.ndarray, logits: np.ndarray, rules: Rules, diameter_px: float) -> np.ndarray:
    """Follow flows (2, Y, X), five times a unit vector, from pixels whose logit (Y, X) is high.

    Pixels that end in the same place are one mask, as in Cellpose (Stringer et al. 2021), but
    the places are told apart on a grid on which cells measure about 20 squares. Returns int32
    masks (Y, X), numbered; `drop_odd` and `tidy` them next.
    """
    inside = logits > rules.cell_threshold
    masks = np.zeros(inside.shape, np.int32)
    if not inside.any():
        return masks
    y, x = (part[inside] for part in _ends(flows, inside, round(2 * diameter_px)))
    scale = min(1.0, _GRID_PX / diameter_px)
    shape = tuple(int(side * scale) + 1 for side in inside.shape)
    row = np.clip((y * scale + 0.5).astype(int), 0, shape[0] - 1)
    column = np.clip((x * scale + 0.5).astype(int), 0, shape[1] - 1)
    ended = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape)
    masks[inside] = _sinks(ended * scale**2)[row, column]
    return masks


def _ends(flows: np.ndarray, inside: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel gets to, y and x, each (Y, X); flows outside count as none."""
    import cv2

    flow_y, flow_x = np.where(inside, flows / _TIMES, 0).astype(np.float32)
    y, x = np.indices(inside.shape, np.float32)
    step = np.dstack([flow_x, flow_y])
    moved = step.copy()
    done = 1
    while done < steps:
        way = step if done < _SINGLE_STEPS else moved
        there = cv2.remap(
            way, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        moved = moved + there
        done += 1 if done < _SINGLE_STEPS else done
    return y + moved[..., 1], x + moved[..., 0]


def _sinks(ended: np.ndarray) -> np.ndarray:
    """Number the places (Y, X) in which many pixels `ended`, with what lies close around them."""
    import cv2

    ended = ended.astype(np.float32)
    peaks = (ended == cv2.dilate(ended, np.ones((5, 5), np.uint8))) & (ended > _LEAST_PEAK)
    sinks = cv2.connectedComponents(peaks.astype(np.uint8), connectivity=8)[1].astype(np.float32)
    for _ in range(_REACH):
        around = cv2.dilate(sinks, np.ones((3, 3), np.uint8))
        sinks = np.where((sinks == 0) & (ended > _LEAST_AROUND), around, sinks)
    return sinks.astype(np.int32)


def drop_odd(masks: np.ndarray, flows: np.ndarray, rules: Rules, diameter_px: float) -> np.ndarray:
    """Take masks (Y, X) away whose own flow differs too much from `flows` (2, Y, X).

    The error is the mean square (Stringer et al. 2021), where cells measure 18 pixels at most:
    that is quick, and loses nothing.
    """
    import cv2
    import torch

    if rules.flow_threshold <= 0 or not masks.any():
        return masks
    scale = min(1.0, _CHECK_PX / diameter_px)
    shape = tuple(max(1, round(side * scale)) for side in masks.shape)
    flows = resize(flows.transpose(1, 2, 0), shape).transpose(2, 0, 1)
    small = cv2.resize(
        masks.astype(np.float32), shape[::-1], interpolation=cv2.INTER_NEAREST
    ).astype(np.int32)
    shown = np.unique(small[small > 0])
    number = np.zeros(masks.max() + 1, np.int32)
    number[shown] = np.arange(1, len(shown) + 1)
    metrics = cellpose_module("metrics")
    errors = metrics.flow_error(number[small], np.asarray(flows, np.float32), torch.device("cpu"))
    good = np.zeros(len(number), bool)
    good[shown[errors[0] <= rules.flow_threshold]] = True
    return np.where(good[masks], masks, 0)


def tidy(masks: np.ndarray, least_size_px: float) -> np.ndarray:
    """Fill holes, keep the largest piece of each mask, drop small masks, number 1, 2, ..."""
    from skimage.measure import label

    if not masks.any():
        return masks.astype(np.int32)
    filled = fill_holes(masks)
    pieces = np.asarray(label(filled, background=0, connectivity=1)).ravel()
    sizes = np.bincount(pieces)
    owner = np.zeros(len(sizes), np.int64)
    owner[pieces] = filled.ravel()
    order = np.lexsort((-sizes, owner))
    first = np.unique(owner[order], return_index=True)[1]
    kept = order[first]
    kept = np.sort(kept[(owner[kept] > 0) & (sizes[kept] >= least_size_px)])
    number = np.zeros(len(sizes), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return number[pieces].reshape(masks.shape)


def fill_holes(masks: np.ndarray) -> np.ndarray:
    """Give background that is enclosed by a single mask to that mask."""
    from scipy.ndimage import maximum_filter, minimum_filter
    from skimage.measure import label

    holes = np.asarray(label(masks == 0, connectivity=1))
    edges = [np.take(holes, [0, -1], axis).ravel() for axis in range(holes.ndim)]
    count = int(holes.max()) + 1
    closed = np.setdiff1d(np.arange(1, count), np.concatenate(edges))
    inside = np.isin(holes, closed)
    if not inside.any():
        return masks.astype(np.int32)
    most = np.iinfo(np.int32).max
    low, high = np.full(count, most), np.zeros(count, np.int64)
    np.maximum.at(high, holes[inside], maximum_filter(masks, 3)[inside])
    np.minimum.at(low, holes[inside], minimum_filter(np.where(masks, masks, most), 3)[inside])
    return np.where(inside & (low == high)[holes], high[holes], masks).astype(np.int32)
