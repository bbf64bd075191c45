"""A lazy array gives what the same array in memory would give, and reads no more than that."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import ArrayFrames, FrameArray, take
from napari_cellcycle.io.axes import resolve_axes
from napari_cellcycle.io.movies import movie_from_array

WHOLE = np.arange(4 * 2 * 3 * 5 * 6).reshape(4, 2, 3, 5, 6)


def lazy(array=WHOLE, axes="TCZYX", **options):
    return FrameArray(array.shape, array.dtype, ArrayFrames(array, axes), **options)


def part(length):
    number = st.integers(-length, length - 1)
    edge = st.none() | number
    step = st.none() | st.sampled_from([1, 2, -1])
    return number | st.builds(slice, edge, edge, step)


@settings(deadline=None)
@given(st.tuples(*(part(n) for n in WHOLE.shape)), st.integers(0, 5))
def test_indexing_agrees_with_numpy(index, used):
    np.testing.assert_array_equal(lazy()[index[:used]], WHOLE[index[:used]])
    np.testing.assert_array_equal(lazy()[(*index[:used], ...)], WHOLE[(*index[:used], ...)])


def test_lists_and_ellipsis_pick_frames():
    np.testing.assert_array_equal(lazy()[[2, 0]], WHOLE[[2, 0]])
    np.testing.assert_array_equal(lazy()[np.array([True, False, True, False]), 0], WHOLE[::2, 0])
    np.testing.assert_array_equal(lazy()[..., 2], WHOLE[..., 2])
    np.testing.assert_array_equal(np.asarray(lazy()), WHOLE)
    with pytest.raises(IndexError):
        lazy()[4]


def test_only_the_frames_concerned_are_read():
    read = []

    def frame(time, channel):
        read.append((time, channel))
        return WHOLE[time, channel]

    array = FrameArray(WHOLE.shape, WHOLE.dtype, frame)
    array[1:3, 1, 0]
    assert read == [(1, 1), (2, 1)]


def test_one_channel_is_an_array_of_its_own():
    np.testing.assert_array_equal(np.asarray(lazy().channel(1)), WHOLE[:, 1])
    np.testing.assert_array_equal(lazy().channel(1)[2, 0], WHOLE[2, 1, 0])


def test_it_survives_a_trip_to_another_process():
    again = pickle.loads(pickle.dumps(lazy()))
    np.testing.assert_array_equal(again[3, 1], WHOLE[3, 1])


@given(st.permutations("TCZYX"))
def test_axes_may_come_in_any_order(order):
    array = WHOLE.transpose(["TCZYX".index(axis) for axis in order])
    np.testing.assert_array_equal(take(array, "".join(order), 2, 1), WHOLE[2, 1])
    movie = movie_from_array(array, "".join(order))
    np.testing.assert_array_equal(np.asarray(movie.pixels), WHOLE)


@pytest.mark.parametrize(
    ("found", "shape", "one_frame", "meant"),
    [
        ("YX", (9, 9), False, "YX"),
        ("QYX", (30, 9, 9), False, "TYX"),
        ("QYX", (30, 9, 9), True, "ZYX"),
        ("QQYX", (30, 2, 9, 9), False, "TCYX"),
        ("QQYX", (30, 12, 9, 9), False, "TZYX"),
        ("QQQYX", (30, 2, 12, 9, 9), False, "TCZYX"),
        ("ZQYX", (12, 30, 9, 9), False, "ZTYX"),
        ("SYX", (2, 9, 9), True, "CYX"),
        ("RYX", (1, 9, 9), False, "_YX"),
    ],
)
def test_unnamed_axes_are_time_then_short_channels_then_z(found, shape, one_frame, meant):
    assert resolve_axes(found, shape, "a file", one_frame=one_frame) == meant


def test_axes_given_by_the_user_overrule_the_file():
    assert resolve_axes("ZYX", (30, 9, 9), "a file", given="TYX") == "TYX"
    assert resolve_axes("QQYX", (1, 30, 9, 9), "a file", given="tyx") == "_TYX"
    with pytest.raises(BadInput, match=r"axes 'TZYX' do not fit a file, which has shape \(30, 9"):
        resolve_axes("ZYX", (30, 9, 9), "a file", given="TZYX")


def test_an_array_becomes_a_movie_without_being_copied():
    movie = movie_from_array(np.zeros((7, 9, 8), np.uint16), frame_interval=60, pixel_size=0.3)
    assert movie.pixels.shape == (7, 1, 9, 8)
    assert (movie.pixel_size, movie.frame_interval) == ((0.3, 0.3), 60)
    assert not movie.guessed and movie.source is None and movie.channels == ("channel 1",)
    assert movie_from_array(np.zeros((7, 9, 8), np.uint16)).guessed == {
        "pixel_size",
        "frame_interval",
    }
