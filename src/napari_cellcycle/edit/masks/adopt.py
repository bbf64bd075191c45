"""Operation that takes over masks that were made anew, such as by segmenting a frame again."""

import numpy as np

from napari_cellcycle.data.tracks import BY_MODEL
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.found import check_frame
from napari_cellcycle.edit.masks.gaps import labels_for
from napari_cellcycle.edit.painting import paint
from napari_cellcycle.errors import Refused
from napari_cellcycle.features.shape import Masks
from napari_cellcycle.pipeline.resegment import labels_of


def adopt_masks(bench: Bench, frame: int, masks: np.ndarray) -> str:
    """Replace the masks of a whole frame ([Z,] Y, X) by others, in which cells have any numbers.

    A new mask is the cell of the old one that it overlaps most, one to one: this keeps its
    number, links, stage and what was set by hand. Others are new cells, or those that a track
    misses there. Old ones that are not found again are taken out, and their tracks go on across
    the gap.
    """
    draft = bench.draft
    check_frame(draft, frame)
    before, new = draft.mask(frame), np.asarray(masks, np.int32)
    if new.shape != before.shape:
        raise Refused(
            f"The new masks have the shape {new.shape}, but the frame has {before.shape}: segment "
            "the frame of this movie again."
        )
    top = max(int(before.max(initial=0)), draft.next_label)
    label = labels_of(new, before, top)
    added = np.flatnonzero(label > top)
    if len(added):
        label[added] = labels_for(bench, frame, _middles(new, added))
    said = paint(bench, frame, (0,) * new.ndim, label[new], by=BY_MODEL)
    return f"Took over new masks of frame {frame}: {said[0].lower()}{said[1:]}"


def _middles(masks: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The middle [z,] y, x of each of some masks of a frame, ascending by label."""
    listed = Masks.of(np.where(np.isin(masks, labels), masks, 0))
    places = np.unravel_index(listed.pixels, masks.shape)
    return list(np.column_stack([listed.sum(values) / listed.sum() for values in places]))
