"""Masks on disk that can be painted on: they answer as an array in memory would."""

import numpy as np
import pytest
from corrections import editor_of, experiment_of
from examples import two_walkers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.io.arrays import FrameArray

SHAPES = [(5, 6, 7), (4, 3, 6, 7)]


class Disk:
    """Frames that are read one at a time; counts how often."""

    def __init__(self, array):
        self.array = array
        self.read = 0

    def __call__(self, time):
        self.read += 1
        return self.array[time].copy()


def array(shape):
    return np.random.default_rng(0).integers(0, 9, shape).astype(np.int32)


def overlaid(plain):
    disk = Disk(plain.copy())
    stack = FrameArray(plain.shape, np.dtype(np.int32), disk, 1)
    return OverlaidMasks(LabelStack(stack)), disk


def special(ndim):
    """Indices with arrays, as painting and filling use them."""
    points = [np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([0, 0, 1]), np.array([2, 5, 4])]
    rest = (slice(None),) * (ndim - 2)
    return [
        tuple(points[:ndim]),
        array(SHAPES[ndim - 3]) > 4,
        ([0, 3],),
        ([0, 3], slice(1, 3)),
        (2, [1, 2], [0, 1]),
        (slice(None), [1, 2]),
        (..., [1, 2], [0, 1]),
        (np.array([[0, 1], [2, 2]]), 1),
        (np.array(3), np.array(1)),
        (np.array([-1, 0]), *rest, np.s_[2:4]) if ndim == 3 else (np.array([-1, 0]), ...),
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", range(10))
def test_arrays_of_indices_mean_what_they_mean_in_numpy(shape, number):
    plain, index = array(shape), special(len(shape))[number]
    masks, _ = overlaid(plain)
    assert np.array_equal(masks[index], plain[index])
    values = np.arange(np.size(plain[index])).reshape(np.shape(plain[index])) + 20
    masks[index] = plain[index] = values
    assert np.array_equal(masks, plain)


@given(data=st.data(), shape=st.sampled_from(SHAPES))
def test_numbers_and_slices_mean_what_they_mean_in_numpy(data, shape):
    plain = array(shape)
    masks, _ = overlaid(plain)
    index = data.draw(basic_indices(shape, allow_newaxis=False))
    assert np.array_equal(masks[index], plain[index])
    masks[index] = plain[index] = 77
    assert np.array_equal(np.asarray(masks), plain)


def test_what_looks_at_it_takes_it_for_an_array():
    masks, _ = overlaid(array(SHAPES[1]))
    assert (masks.shape, masks.ndim, masks.dtype, len(masks)) == (SHAPES[1], 4, np.int32, 4)
    assert masks.nbytes == masks.size * 4
    assert [frame.shape for frame in masks] == [(3, 6, 7)] * 4


def test_nothing_is_read_before_it_is_asked_for_and_no_more_than_that():
    masks, disk = overlaid(array(SHAPES[0]))
    assert disk.read == 0
    assert masks[2, 1:3, 1:3].shape == (2, 2)
    masks[2, 0, 0] = 5
    assert masks[2].max() >= 5
    assert disk.read == 1


def test_the_disk_is_never_written_to():
    plain = array(SHAPES[0])
    masks, disk = overlaid(plain)
    masks[1] = 3
    part = masks[2]
    with pytest.raises(ValueError, match="read-only"):
        part[0, 0] = 9
    masks[2:3, :2, :2][:] = 9
    assert np.array_equal(disk.array, plain)
    assert np.array_equal(masks[2], plain[2]), "a part that was read is a copy"
    assert list(masks.edited) == [1]


def test_a_frame_that_was_read_shows_what_is_painted_later():
    masks, _ = overlaid(array(SHAPES[0]))
    masks[1, 0, 0] = 1
    frame = masks[1]
    masks[1, 2, 2] = 99
    assert frame[2, 2] == 99, "as with an array in memory"


def test_frames_outside_are_refused():
    masks, _ = overlaid(array(SHAPES[0]))
    for index in (5, -6, (5, 0, 0), (np.array([9]), 0, 0), (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            masks[index]
    with pytest.raises(IndexError, match="neighbouring"):
        masks[[0, 1], :, [0, 1]]


def test_frames_read_lately_are_dropped_but_not_edited_ones(monkeypatch):
    monkeypatch.setattr("napari_cellcycle.data.overlay._MOST_KEPT", 0)
    masks, disk = overlaid(array(SHAPES[0]))
    masks[0, 0, 0] = 50
    for time in range(5):
        masks[time]
    assert disk.read == 5
    assert masks[0][0, 0] == 50
    masks[1]
    assert disk.read == 6, "only the last two that were read are kept"


def test_after_saving_the_saved_frames_are_read_again():
    plain = array(SHAPES[0])
    masks, _ = overlaid(plain)
    masks[1], masks[2] = 5, 6
    saved, disk = overlaid(np.asarray(masks).copy())
    masks.rebase(saved, saved=[1])
    assert list(masks.edited) == [2]
    assert (masks[1] == 5).all() and (masks[2] == 6).all()
    assert np.array_equal(masks[0], plain[0]) and disk.read == 2


def test_a_draft_corrects_it_as_it_does_an_array():
    plain = editor_of(two_walkers())
    experiment = experiment_of(two_walkers())
    lazy = OverlaidMasks(experiment.labels)
    other = type(plain)(bench_of(experiment, lazy), resolving=False)
    for work in (plain, other):
        work.do("grow", frame=1, labels=[1])
        work.do("delete_cells", cells=[work.draft.cell_at(2, 1)])
        work.undo()
    assert np.array_equal(np.asarray(lazy), plain.draft.masks)
    assert sorted(lazy.edited) == [1, 2]
