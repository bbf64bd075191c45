"""Masks from flows and back, by Cellpose's own dynamics: the same for its versions 3 and 4."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.models.segment.quiet import cellpose_module

if TYPE_CHECKING:
    import torch


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


def masks_of(
    flows: np.ndarray, logits: np.ndarray, rules: Rules, steps: int, device: "torch.device"
) -> np.ndarray:
    """Follow flows (2, Y, X), five times a unit vector, from pixels whose logit (Y, X) is high.

    `steps` is how many pixels the longest way to a centre takes. Returns int32 masks (Y, X),
    numbered; `tidy` them next.
    """
    dynamics = cellpose_module("dynamics")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse invariant checks", UserWarning)
        masks = dynamics.compute_masks(
            np.ascontiguousarray(flows, np.float32),
            np.ascontiguousarray(logits, np.float32),
            niter=steps,
            cellprob_threshold=rules.cell_threshold,
            flow_threshold=rules.flow_threshold,
            max_size_fraction=1.0,
            device=device,
        )
    return np.asarray(masks, np.int32)


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
