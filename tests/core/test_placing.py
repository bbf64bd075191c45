"""Which mask each cell of a foreign file lies on."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.io.placing import mask_sizes, placed

NO_LINKS = pd.DataFrame({"parent": [], "child": [], "score": []}, dtype=np.int64)


def points(*rows, links=NO_LINKS):
    """Cells of (frame, label, [z,] y, x)."""
    names = ["frame", "label", *"zyx"[-(len(rows[0]) - 2) :]]
    cells = pd.DataFrame(rows, columns=names).astype({"frame": int, "label": int})
    return Tracks(cells.set_index(pd.RangeIndex(1, len(rows) + 1, name="cell_id")), links)


def two_squares(ndim=2):
    """Masks 4 and 7 of one frame, five pixels wide, the first at the top left."""
    frame = np.zeros((12, 12), np.int32)
    frame[0:5, 0:5], frame[6:11, 6:11] = 4, 7
    return LabelStack((frame if ndim == 2 else np.stack([frame * 0, frame]))[None])


@pytest.mark.parametrize("z", [(), (1,)])
def test_cells_take_the_label_of_the_mask_under_them(z):
    found = placed(points((0, 1, *z, 2, 2), (0, 2, *z, 8.4, 7.6)), two_squares(2 + len(z)))
    assert found.tracks.cells["label"].tolist() == [4, 7]
    assert (found.without, found.spare) == (0, 0)


def test_a_cell_beside_all_masks_stays_a_point_with_a_label_of_its_own():
    found = placed(points((0, 1, 2, 9), (0, 7, 8, 8)), two_squares())
    assert found.tracks.cells["label"].tolist()[1] == 7
    assert found.tracks.cells["label"].iloc[0] > 7
    assert (found.without, found.crowded, found.outside, found.spare) == (1, 0, 0, 1)


def test_a_cell_outside_of_the_image_stays_a_point():
    found = placed(points((0, 1, 2, 2), (0, 2, 400, 2), (0, 3, -3, 2)), two_squares())
    assert (found.without, found.outside, found.spare) == (2, 2, 1)


def test_of_two_cells_on_a_mask_the_nearer_to_its_middle_has_it():
    found = placed(points((0, 1, 0, 1), (0, 2, 2, 3)), two_squares())
    assert found.tracks.cells["label"].tolist()[1] == 4
    assert (found.without, found.crowded, found.spare) == (1, 1, 1)


def test_of_two_cells_on_a_mask_the_one_that_names_it_has_it():
    found = placed(points((0, 4, 0, 1), (0, 2, 2, 2)), two_squares())
    assert found.tracks.cells["label"].tolist()[0] == 4 and found.crowded == 1


def test_a_bent_cell_is_found_by_its_label_where_labels_can_be_trusted():
    masks = np.zeros((3, 9, 9), np.int32)
    masks[:, 1:8, 1:8] = 5
    masks[:, 2:8, 2:7] = 0
    masks[:2, 0, 0] = 3
    trusted = points((0, 5, 4, 4), (0, 3, 0, 0), (1, 3, 0, 0))
    assert placed(trusted, LabelStack(masks)).tracks.cells["label"].tolist() == [5, 3, 3]
    alone = placed(points((0, 5, 4, 4), (0, 9, 0, 0)), LabelStack(masks))
    assert alone.tracks.cells["label"].iloc[0] != 5 or alone.without


def two_hooked_cells():
    """A long cell, 1, and one bent around it, 2: the middles of both lie in cell 1."""
    frame = np.zeros((40, 60), np.int32)
    frame[5:9, 4:56] = frame[32:36, 4:56] = frame[5:36, 52:56] = frame[5:19, 4:8] = 2
    frame[18:22, 10:50] = 1
    return LabelStack(frame[None])


def test_cells_keep_the_masks_whose_middles_they_are_though_these_lie_on_another():
    cells = points((0, 1, 19.5, 29.5), (0, 2, 19.525547, 31.777372))
    found = placed(cells, two_hooked_cells())
    assert found.tracks.cells["label"].tolist() == [1, 2] and found.spare == 0


def test_a_label_counts_more_than_a_place_where_nearly_all_labels_are_masks():
    frames = np.repeat(two_hooked_cells().base, 4, axis=0)
    frames[:, 0, 0], frames[:, 0, 59] = 3, 4
    frames[0][frames[0] == 1] = 9
    rows = [(t, 2, 19, 34) for t in range(4)]
    rows += [(t, *cell) for t in range(4) for cell in ((3, 0, 0), (4, 0, 59))]
    found = placed(points(*rows), LabelStack(frames))
    assert found.tracks.cells["label"].tolist() == [2, 2, 2, 2] + [3, 4] * 4
    assert found.without == 0 and found.spare == 4


def test_points_of_one_track_share_a_label_that_no_mask_has():
    links = pd.DataFrame({"parent": [1], "child": [2], "score": [1.0]})
    masks = LabelStack(np.repeat(two_squares().base, 2, axis=0))
    found = placed(points((0, 1, 2, 9), (1, 1, 2, 9), (1, 2, 2, 2), links=links), masks)
    assert found.tracks.cells["label"].iloc[0] == found.tracks.cells["label"].iloc[1] > 7


def test_sizes_of_masks_are_counted_by_cell():
    sizes = mask_sizes(two_squares(), points((0, 7, 8, 8), (0, 9, 1, 1)))
    assert sizes.of_cells.tolist() == [25, 0] and sizes.spare == 1
