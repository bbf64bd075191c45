"""What is there for one frame only goes, what is missing for one frame is drawn."""

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.pipeline.clean import at_edge, clean
from napari_cellcycle.pipeline.flicker import filled, settle, without_flicker
from napari_cellcycle.pipeline.segment import segment


class Bright:
    """Every bright blob is a cell."""

    name = "bright"

    def __call__(self, image, pixel_size, settings):
        from skimage.measure import label

        return np.asarray(label(image > 200), np.int32)

    def find_diameter(self, images, pixel_size, settings):
        return None


def squares(*corners, side=10, planes=()):
    """Squares numbered 1, 2, ... in a frame of 60 x 60 pixels."""
    masks = np.zeros((*planes, 60, 60), np.int32)
    for number, (y, x) in enumerate(corners, 1):
        masks[..., y : y + side, x : x + side] = number
    return masks


@pytest.mark.parametrize("planes", [(), (3,)])
def test_an_object_of_one_frame_is_dropped(planes):
    cell = squares((5, 5), planes=planes)
    now = squares((40, 40), (7, 7), planes=planes)
    steady = without_flicker(cell, now, cell)
    assert np.array_equal(steady, squares((7, 7), planes=planes))


def test_a_cell_that_is_born_or_leaves_stays():
    nothing, cell = squares(), squares((5, 5))
    assert without_flicker(nothing, cell, cell) is cell
    assert without_flicker(cell, cell, nothing) is cell


@pytest.mark.parametrize("planes", [(), (3,)])
def test_a_cell_missing_for_one_frame_is_drawn_between_its_neighbours(planes):
    before = squares((5, 5), (30, 30), planes=planes)
    now = squares((30, 31), planes=planes)
    drawn = filled(before, now, squares((32, 31), (7, 6), planes=planes))
    assert np.array_equal(drawn == 1, now == 1)
    assert np.array_equal(drawn == 2, (squares((5, 5), planes=planes) > 0) &
                          (squares((7, 6), planes=planes) > 0))  # fmt: skip


def test_a_cell_that_shrinks_as_it_divides_is_not_drawn_over():
    large, small = squares((20, 20), side=20), squares((28, 28), side=6)
    assert filled(large, small, large) is small


def test_neighbours_that_do_not_agree_fill_nothing():
    nothing = squares()
    assert filled(squares((5, 5)), nothing, squares((12, 12))) is nothing


def test_a_cell_seen_missed_and_seen_again_stays():
    cell, nothing = squares((5, 5)), squares()
    frames = np.stack([nothing, cell, nothing, cell, nothing])
    both = frames.copy()
    settle(both, range(5), drop=True, fill=True)
    assert [bool(frame.any()) for frame in both] == [False, True, True, True, False]
    settle(frames, range(5), drop=True, fill=False)
    assert not frames.any()


@pytest.mark.parametrize("count", [1, 2])
def test_the_ends_of_a_movie_are_left_alone(count):
    frames = np.stack([squares((5, 5)), squares((40, 40))][:count])
    before = frames.copy()
    settle(frames, range(count), drop=True, fill=True)
    assert np.array_equal(frames, before)


def test_the_step_cleans_up_over_time_if_asked():
    images = [np.where(squares(*c) > 0, 300, 100) for c in ([(5, 5)], [(5, 5), (40, 40)], [(5, 5)])]
    movie = Movie(np.stack(images)[:, None].astype(np.uint16), (1.0, 1.0), 60.0, ("a",))
    plain = segment(movie, SegmentSettings(), model=Bright())
    clean_ones = segment(movie, SegmentSettings(drop_flicker=True), model=Bright())
    assert [frame.max() for frame in plain] == [1, 2, 1]
    assert [frame.max() for frame in clean_ones] == [1, 1, 1]


@pytest.mark.parametrize("planes", [(), (10,)])
def test_masks_much_larger_than_a_cell_are_dropped(planes):
    masks = squares((5, 5), planes=planes)
    masks[..., 25:55, 25:55] = 2
    size = (1.0,) * masks.ndim
    settings = SegmentSettings(diameter=12, max_diameter=2)
    assert np.array_equal(clean(masks, settings, size), squares((5, 5), planes=planes))
    assert clean(masks, SegmentSettings(diameter=12), size) is masks


def test_without_a_diameter_the_usual_mask_is_typical():
    masks = squares((2, 2), (2, 20), (20, 2))
    masks[25:55, 25:55] = 4
    assert clean(masks, SegmentSettings(max_diameter=2), (1.0, 1.0)).max() == 3


def test_cells_that_the_edge_cuts_are_dropped_if_asked():
    masks = squares((0, 20), (30, 50), (30, 20))
    found = clean(masks, SegmentSettings(drop_at_edge=True), (1.0, 1.0))
    assert np.array_equal(found, squares((30, 20)))
    assert at_edge(masks, (False, False, False, True)).tolist() == [2]


def test_first_and_last_planes_are_no_edges():
    masks = squares((20, 20), planes=(4,))
    assert clean(masks, SegmentSettings(drop_at_edge=True), (1.0, 1.0, 1.0)).max() == 1
