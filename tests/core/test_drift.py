"""A jump of the whole field is found from positions alone, and only where it is beyond doubt."""

import numpy as np
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.features.drift import field_offsets, field_shift
from napari_cellcycle.features.shape import measure_overlaps

DIAMETER = 10.0


def scattered(ndim, cells, rng, size=400.0):
    """Positions of cells that keep some distance from each other."""
    found = []
    while len(found) < cells:
        place = rng.uniform(0, size if ndim == 2 else size / 3, ndim)
        if all(np.linalg.norm(place - other) > DIAMETER for other in found):
            found.append(place)
    return np.array(found)


def offsets(frames):
    frame = np.repeat(np.arange(len(frames)), [len(f) for f in frames])
    position = np.concatenate(frames)
    return field_offsets(frame, position, np.full(len(position), DIAMETER))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("jump", [60.0, -35.0, 8.0])
def test_a_jump_of_the_stage_is_found(ndim, jump):
    rng = np.random.default_rng(1)
    before = scattered(ndim, 150, rng)
    shift = np.eye(ndim)[0] * jump
    after = rng.permutation(before + shift + rng.normal(0, 0.1 * DIAMETER, before.shape))[10:]
    found = DIAMETER * field_shift(before / DIAMETER, after / DIAMETER)
    np.testing.assert_allclose(found, shift, atol=0.1 * DIAMETER)


def test_cells_that_leave_the_field_do_not_hide_the_jump():
    rng = np.random.default_rng(2)
    world = scattered(2, 200, rng)
    before = world[(world[:, 0] < 250)]
    after = world[(world[:, 0] > 60)] - [60, 0]
    found = DIAMETER * field_shift(before / DIAMETER, after / DIAMETER)
    np.testing.assert_allclose(found, [-60, 0], atol=0.5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_cells_that_move_each_for_itself_are_no_jump(ndim):
    rng = np.random.default_rng(3)
    before = scattered(ndim, 150, rng)
    for speed in (0.1, 0.5, 1.0, 3.0):
        after = before + rng.normal(0, speed * DIAMETER, before.shape)
        assert (field_shift(before / DIAMETER, after / DIAMETER) == 0).all()


def test_a_lattice_could_have_jumped_either_way_so_it_did_not():
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 2), -1).reshape(-1, 2) * 2
    assert (field_shift(grid, grid + np.array([1.0, 0])) == 0).all()


def test_too_few_cells_tell_nothing():
    before = np.array([[10.0, 10.0], [50.0, 30.0], [20.0, 60.0]])
    assert (field_shift(before / DIAMETER, (before + 60) / DIAMETER) == 0).all()


def test_offsets_add_up_and_bridge_frames_without_cells():
    rng = np.random.default_rng(4)
    place = scattered(2, 80, rng)
    none = np.empty((0, 2))
    found = offsets(
        [
            place,
            none,
            place + np.array([60, 0]),
            place + np.array([60, 0]),
            place + np.array([60, -45]),
        ]
    )
    expected = [[0, 0], [0, 0], [60, 0], [60, 0], [60, -45]]
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_slow_drift_is_left_to_the_linker():
    place = scattered(2, 80, np.random.default_rng(5))
    assert (offsets([place + np.array([0.2 * DIAMETER * t, 0]) for t in range(6)]) == 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_overlap_is_measured_as_if_the_field_had_not_jumped(ndim):
    rng = np.random.default_rng(6)
    shape = (9, 120, 120)[-ndim:]
    before, after = np.zeros((2, *shape), np.int32)
    corners = np.array([(y, x) for y in range(4, 76, 12) for x in range(4, 100, 12)])
    corners = corners[rng.permutation(len(corners))[:25]] + rng.integers(0, 7, (25, 2))
    for label, (y, x) in enumerate(corners, start=1):
        before[..., y : y + 5, x : x + 5] = label
        after[..., y + 35 : y + 40, x : x + 5] = label
    size = (2.0, 0.5, 0.5)[-ndim:]
    cells, overlaps = measure_overlaps(None, LabelStack(np.stack([before, after])), pixel_size=size)
    label = cells["label"].to_numpy()
    assert (label[overlaps["parent"]] == label[overlaps["child"]]).all()
    assert len(overlaps) == 25
    assert (overlaps["pixels"] == (before == 1).sum()).all()
