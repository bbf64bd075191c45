"""Points of cells on a map, masks grown from them, and how points are scored."""

import numpy as np
import pytest

from napari_cellcycle.evaluation.keypoints import KeypointScore, score_keypoints, wilson
from napari_cellcycle.models.segment.query.points import components_of, masks_from, points_of

EMPTY = np.zeros((30, 40), np.float32)


def bumps(*places: tuple[int, int], height: float = 1.0, width: float = 3.0) -> np.ndarray:
    """A map with a hill at each place."""
    y, x = np.indices((60, 80))
    hills = [np.exp(-((y - b) ** 2 + (x - a) ** 2) / (2 * width**2)) for b, a in places]
    return (height * np.max(hills, 0)).astype(np.float32)


def test_each_hill_has_one_point_the_highest_first():
    values = np.maximum(bumps((20, 20), height=0.7), bumps((40, 60)))
    points = points_of(values, 0.3, 1.0, 5)
    assert points.places.round().tolist() == [[40, 60], [20, 20]]
    assert points.scores[0] > points.scores[1] > 0.3


def test_hills_closer_than_the_radius_share_a_point():
    values = np.maximum(bumps((20, 20)), bumps((20, 28), height=0.9))
    assert len(points_of(values, 0.3, 0.5, 3)) == 2
    assert len(points_of(values, 0.3, 0.5, 9)) == 1


def test_a_plateau_is_one_point_in_its_middle():
    values = EMPTY.copy()
    values[10:15, 20:27] = 1
    points = points_of(values, 0.5, 0, 2)
    assert points.places.tolist() == [[12, 23]]


def test_raising_the_threshold_never_adds_a_point():
    values = np.maximum(bumps((20, 20), height=0.5), bumps((40, 60), height=0.9))
    counts = [len(points_of(values, level, 1.0, 5)) for level in (0.1, 0.4, 0.6, 0.95)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 2 and counts[-1] == 0


@pytest.mark.parametrize("find", [points_of, components_of])
def test_a_map_without_cells_has_no_points_and_no_masks(find):
    points = find(EMPTY)
    assert len(points) == 0
    assert not masks_from(EMPTY, EMPTY, points).any()


def test_connected_parts_have_boxes_and_touch_by_sides_only():
    values = EMPTY.copy()
    values[2:6, 3:9] = 0.99
    values[6:9, 9:12] = 0.97
    points = components_of(values, 0.95)
    assert points.boxes.tolist() == [[2, 3, 6, 9], [6, 9, 9, 12]]
    assert points.places.tolist() == [[3.5, 5.5], [7, 10]]


def test_touching_cells_are_parted_along_the_valley_between_them():
    depth = bumps((30, 30), (30, 44), width=5)
    inside = (depth > 0.2).astype(np.float32)
    masks = masks_from(inside, depth, points_of(depth, 0.5, 1, 4))
    assert set(np.unique(masks)) == {0, 1, 2}
    assert np.array_equal(masks > 0, inside > 0)
    assert masks[30, 30] != masks[30, 44]
    assert abs((masks == 1).sum() - (masks == 2).sum()) < 0.1 * (masks > 0).sum()


def square(y: int, x: int, side: int = 4) -> tuple[tuple[int, int], np.ndarray]:
    return (y, x), np.ones((side, side), bool)


def test_a_point_finds_a_cell_once_and_a_second_one_there_is_false():
    cells = [square(0, 0), square(10, 10), square(20, 20)]
    places = np.array([[1.0, 1.0], [2.0, 2.0], [13.9, 10.2], [14.0, 10.0]])
    score = score_keypoints(places, [0, 0, 1, 0], cells, [0, 0, 1])
    assert score == KeypointScore(found=2, false=2, missed=1, right=1, judged=2)
    assert score.recall == pytest.approx(2 / 3) and score.precision == 0.5


def test_a_cell_without_a_judged_kind_still_counts_as_found():
    score = score_keypoints(np.array([[1.0, 1.0]]), [1], [square(0, 0)], [-1])
    assert (score.found, score.judged) == (1, 0)


def test_of_two_masks_over_each_other_two_points_find_both():
    cells = [square(0, 0, 6), square(0, 0, 6)]
    assert score_keypoints(np.array([[1, 1], [4, 4]]), None, cells, [0, 0]).found == 2


def test_an_empty_image_scores_nothing_and_hurts_nobody():
    score = score_keypoints(np.zeros((0, 2)), [], [], [])
    assert score == KeypointScore() and np.isnan(score.recall)


def test_the_published_figures_come_out_with_their_intervals():
    score = KeypointScore(found=478, false=4, missed=10, right=393, judged=416)
    shares = {name: (share, low, high) for name, _, _, share, low, high in score.rows()}
    assert 100 * shares["recall"][0] == pytest.approx(97.95, abs=0.005)
    assert 100 * shares["precision"][0] == pytest.approx(99.17, abs=0.005)
    assert 100 * shares["accuracy"][0] == pytest.approx(94.47, abs=0.005)
    # Wilson's interval of 478 of 488, worked out by hand from its formula.
    assert shares["recall"][1:] == pytest.approx((0.96265, 0.98884), abs=2e-4)


def test_the_interval_of_nothing_is_everything():
    assert wilson(0, 0) == (0, 1)
    assert wilson(10, 10)[1] == pytest.approx(1) and wilson(0, 10)[0] == pytest.approx(0)
