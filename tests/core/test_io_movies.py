"""Every kind of movie file opens at once, lazily, and means what it says."""

import re
import time
import tracemalloc

import numpy as np
import pytest
import tifffile
import zarr

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.io.frames import (
    check_labels_fit,
    open_labels,
    write_label_frames,
    write_movie_frames,
)
from napari_cellcycle.io.movies import movie_from_array, open_movie
from napari_cellcycle.io.omezarr import create_image

RANDOM = np.random.default_rng(1)


def pixels(*shape, dtype=np.uint16):
    return RANDOM.integers(0, 250, shape).astype(dtype)


def write_folder(folder, frames, name="t{:03d}.tif", **options):
    folder.mkdir()
    for time_, frame in enumerate(frames):
        tifffile.imwrite(folder / name.format(time_), frame, photometric="minisblack", **options)
    return folder


def same(movie, expected):
    assert movie.pixels.shape == expected.shape
    assert movie.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(movie.pixels), expected)
    last = movie.pixels.shape[0] - 1, movie.pixels.shape[1] - 1
    np.testing.assert_array_equal(movie.pixels[last], expected[last])


@pytest.mark.parametrize("name", ["t{:03d}.tif", "t{:04d}.tif", "Scene 1 frame{}.TIFF"])
@pytest.mark.parametrize("shape", [(11, 12, 13), (11, 6, 12, 13)])
def test_a_folder_of_frames_is_read_in_natural_order(tmp_path, name, shape):
    frames = pixels(*shape)
    folder = write_folder(tmp_path / "01", frames, name)
    (folder / "._t000.tif").write_bytes(b"left by a Mac")
    (folder / "notes.txt").write_text("mine")
    movie = open_movie(folder)
    same(movie, frames[:, None])
    assert movie.ndim == len(shape) - 1
    assert movie.guessed == {"pixel_size", "frame_interval"}


def test_frames_with_several_channels_keep_them(tmp_path):
    frames = pixels(3, 2, 12, 13)
    folder = tmp_path / "many"
    folder.mkdir()
    for number, frame in enumerate(frames):
        metadata = {"axes": "CYX", "Channel": {"Name": ["H2B", "tubulin"]}}
        tifffile.imwrite(folder / f"{number}.ome.tif", frame, metadata=metadata)
    movie = open_movie(folder)
    same(movie, frames)
    assert movie.channels == ("H2B", "tubulin")
    np.testing.assert_array_equal(movie.frame(2, "tubulin"), frames[2, 1])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_plain_stack_is_time(tmp_path, compression, byteorder):
    stack = pixels(6, 12, 13)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, stack, byteorder=byteorder, photometric="minisblack",
        compression=compression, metadata=None,
    )  # fmt: skip
    same(open_movie(path), stack[:, None])


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("axes", "order"),
    [("TCYX", (0, 1, 2, 3)), ("TZCYX", (0, 2, 1, 3, 4)), ("CTZYX", (1, 0, 2, 3, 4))],
)
def test_ome_tiff_says_axes_size_interval_and_channels(tmp_path, bigtiff, compression, axes, order):
    sizes = {"T": 4, "C": 2, "Z": 3, "Y": 12, "X": 13}
    stack = pixels(*(sizes[axis] for axis in axes))
    path = tmp_path / "movie.ome.tif"
    metadata = {
        "axes": axes,
        "PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325, "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 1.5,
        "TimeIncrement": 5, "TimeIncrementUnit": "min",
        "Channel": {"Name": ["H2B", "tubulin"]},
    }  # fmt: skip
    tifffile.imwrite(path, stack, bigtiff=bigtiff, compression=compression, metadata=metadata)
    movie = open_movie(path)
    same(movie, stack.transpose(order))
    size = (0.325, 0.325) if len(axes) == 4 else (1.5, 0.325, 0.325)
    assert movie.pixel_size == pytest.approx(size)
    assert (movie.frame_interval, movie.channels) == (300, ("H2B", "tubulin"))
    assert not movie.guessed


def test_ome_tiff_spread_over_several_files_is_one_movie(tmp_path):
    stack = pixels(2, 12, 13)
    xml = """<?xml version="1.0" encoding="UTF-8"?>
    <OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">
    <Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="13" SizeY="12" SizeZ="1"
     SizeC="1" SizeT="2"><Channel ID="Channel:0:0" Name="H2B" SamplesPerPixel="1"/>
    <TiffData IFD="0" FirstT="0"><UUID FileName="a.ome.tif">urn:uuid:a</UUID></TiffData>
    <TiffData IFD="0" FirstT="1"><UUID FileName="b.ome.tif">urn:uuid:b</UUID></TiffData>
    <Plane TheT="0" TheC="0" TheZ="0" DeltaT="0"/><Plane TheT="1" TheC="0" TheZ="0" DeltaT="90"/>
    </Pixels></Image></OME>"""
    for name, frame in zip("ab", stack, strict=True):
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif", frame, description=xml.encode(), metadata=None
        )
    movie = open_movie(tmp_path / "a.ome.tif")
    same(movie, stack[:, None])
    assert movie.frame_interval == 90


def test_imagej_stacks_say_spacing_unit_and_interval(tmp_path):
    stack = pixels(4, 3, 2, 12, 13)
    path = tmp_path / "fiji.tif"
    metadata = {"axes": "TZCYX", "spacing": 1.2, "unit": "um", "finterval": 600.0}
    tifffile.imwrite(path, stack, imagej=True, resolution=(4, 5), metadata=metadata)
    movie = open_movie(path)
    same(movie, stack.transpose(0, 2, 1, 3, 4))
    assert movie.pixel_size == pytest.approx((1.2, 0.2, 0.25))
    assert movie.frame_interval == 600 and not movie.guessed


def test_a_stack_that_imagej_calls_slices_can_be_said_to_be_time(tmp_path):
    stack = pixels(7, 12, 13)
    tifffile.imwrite(tmp_path / "z.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    assert open_movie(tmp_path / "z.tif").pixels.shape == (1, 1, 7, 12, 13)
    same(open_movie(tmp_path / "z.tif", axes="TYX"), stack[:, None])


def test_resolution_tags_count_where_they_can_mean_a_microscope(tmp_path):
    for name, per_cm, size in (("a", 20_000, 0.5), ("screen", 28, 0.65)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(
            path, pixels(3, 9, 9), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
            photometric="minisblack", metadata=None,
        )  # fmt: skip
        movie = open_movie(path)
        assert movie.pixel_size == pytest.approx((size, size))
        assert ("pixel_size" in movie.guessed) == (name == "screen")


def test_what_the_user_says_overrules_the_file(tmp_path):
    folder = write_folder(tmp_path / "01", pixels(3, 9, 9))
    movie = open_movie(folder, pixel_size=(0.2, 0.3), frame_interval=60)
    assert (movie.pixel_size, movie.frame_interval) == ((0.2, 0.3), 60)
    assert not movie.guessed


def test_one_number_for_y_and_x_leaves_the_spacing_along_z_as_it_is(tmp_path):
    metadata = {"axes": "TZYX", "spacing": 0.3, "unit": "um", "finterval": 60.0}
    stack = pixels(3, 5, 12, 13)
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, resolution=(5, 5), metadata=metadata)
    movie = open_movie(tmp_path / "v.tif", pixel_size=0.4)
    assert movie.pixel_size == pytest.approx((0.3, 0.4, 0.4)) and not movie.guessed
    unknown = movie_from_array(stack, "TZYX", pixel_size=0.4, frame_interval=60)
    assert unknown.pixel_size == (2.0, 0.4, 0.4) and unknown.guessed == {"pixel_size"}
    flat = movie_from_array(stack[:, 0], "TYX", pixel_size=0.4, frame_interval=60)
    assert flat.pixel_size == (0.4, 0.4) and not flat.guessed


UNITS = {
    "s": 1, "sec": 1, "Seconds": 1, "min": 60, "mins": 60, "minutes": 60, "h": 3600, "hr": 3600,
    "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86400, "days": 86400, "ms": 1e-3, "msec": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "usec": 1e-6,
}  # fmt: skip


@pytest.mark.parametrize("unit", [*UNITS, "frames", "fortnight"])
def test_the_frame_interval_is_in_the_unit_of_the_file_or_a_guess(tmp_path, unit):
    metadata = {"axes": "TYX", "unit": "um", "finterval": 5.0, "tunit": unit}
    tifffile.imwrite(
        tmp_path / "fiji.tif", pixels(3, 12, 13), imagej=True, resolution=(2, 2), metadata=metadata
    )
    increment = {"axes": "TYX", "TimeIncrement": 5.0, "TimeIncrementUnit": unit}
    tifffile.imwrite(tmp_path / "o.ome.tif", pixels(3, 12, 13), metadata=increment)
    time = {"name": "time", "type": "time", "unit": unit}
    own = ome_zarr(tmp_path / "m.zarr", pixels(3, 12, 13), "0.5", "tyx", time=time)
    for path in (tmp_path / "fiji.tif", tmp_path / "o.ome.tif", own):
        movie = open_movie(path)
        expected = 5 * UNITS[unit] if unit in UNITS else 300
        assert movie.frame_interval == pytest.approx(expected)
        assert ("frame_interval" in movie.guessed) == (unit not in UNITS)


@pytest.mark.parametrize(("unit", "size"), [("micrometers", 650.0), ("parsec", None)])
def test_a_pixel_in_a_unit_that_nobody_knows_is_a_guess(tmp_path, unit, size):
    movie = open_movie(ome_zarr(tmp_path / "m.zarr", pixels(3, 12, 13), "0.5", "tyx", unit=unit))
    assert movie.pixel_size == pytest.approx((size or 0.65,) * 2)
    assert ("pixel_size" in movie.guessed) == (size is None)


def ome_zarr(path, array, version, axes="tczyx", time=None, unit="nanometer", **metadata):
    known = {
        "t": time or {"name": "t", "type": "time", "unit": "minute"},
        "c": {"name": "c", "type": "channel"},
    }
    described = [known.get(axis, {"name": axis, "type": "space", "unit": unit}) for axis in axes]
    scale = [{"t": 5.0, "c": 1.0, "z": 2000.0}.get(axis, 650.0) for axis in axes]
    ome = {
        "multiscales": [
            {
                "axes": described,
                "datasets": [
                    {
                        "path": "full",
                        "coordinateTransformations": [{"type": "scale", "scale": scale}],
                    }
                ],
            }
        ],
        **metadata,
    }
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("full", data=array, chunks=(1,) * (array.ndim - 2) + array.shape[-2:])
    group.attrs.update(ome if version == "0.4" else {"ome": ome})
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("shape", [(4, 2, 3, 12, 13), (4, 2, 1, 12, 13)])
def test_ome_zarr_says_axes_scale_units_and_channels(tmp_path, version, shape):
    array = pixels(*shape)
    channels = {"omero": {"channels": [{"label": "H2B"}, {"label": "tubulin"}]}}
    movie = open_movie(ome_zarr(tmp_path / "m.zarr", array, version, **channels))
    same(movie, array)
    assert movie.pixel_size == pytest.approx((2.0, 0.65, 0.65))
    assert (movie.frame_interval, movie.channels) == (300, ("H2B", "tubulin"))
    assert not movie.guessed


def test_ome_zarr_in_other_order_and_inside_a_converted_folder(tmp_path):
    array = pixels(4, 6, 12, 13)
    outer = zarr.open_group(tmp_path / "out.zarr", mode="w", zarr_format=2)
    outer.attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "out.zarr" / "0", array, "0.4", axes="ztyx")
    same(open_movie(tmp_path / "out.zarr"), array.transpose(1, 0, 2, 3)[:, None])


def test_a_plain_zarr_array_is_a_movie(tmp_path):
    array = pixels(4, 12, 13)
    zarr.save_array(tmp_path / "plain.zarr", array)
    same(open_movie(tmp_path / "plain.zarr"), array[:, None])


def test_a_movie_larger_than_memory_opens_at_once_and_reads_one_frame(tmp_path):
    shape = (5000, 1, 2048, 1024)  # 21 GB, most of it not on disk
    array = create_image(tmp_path / "large.zarr", shape, np.uint16, "TCYX", scale={"t": 60})
    array[4321, 0] = 7
    start = time.process_time()
    movie = open_movie(tmp_path / "large.zarr")
    assert time.process_time() - start < 1
    assert np.prod(movie.pixels.shape) * 2 > 20e9
    tracemalloc.start()
    frame = movie.frame(4321)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (frame == 7).all()
    assert peak < 3 * frame.nbytes + 1e6


def test_a_folder_of_thousands_of_frames_opens_in_under_a_second(tmp_path):
    folder = write_folder(tmp_path / "01", pixels(1, 8, 8), "t{:04d}.tif")
    for number in range(1, 3000):
        (folder / f"t{number:04d}.tif").hardlink_to(folder / "t0000.tif")
    start = time.process_time()
    movie = open_movie(folder)
    assert time.process_time() - start < 1
    assert len(movie) == 3000
    np.testing.assert_array_equal(movie.frame(2999), movie.frame(0))


@pytest.mark.parametrize("shape", [(5, 12, 13), (5, 4, 12, 13)])
def test_masks_written_as_files_are_read_back(tmp_path, shape):
    masks = pixels(*shape, dtype=np.int32)
    write_label_frames(LabelStack(masks), tmp_path / "masks")
    assert sorted(p.name for p in (tmp_path / "masks").iterdir())[0] == "mask000.tif"
    labels = open_labels(tmp_path / "masks")
    assert labels.shape == shape and labels.frame(2).dtype == np.int32
    np.testing.assert_array_equal(labels.to_array(), masks)
    axes = "TZYX" if len(shape) == 4 else "TYX"
    options = {"photometric": "minisblack", "metadata": {"axes": axes}}
    tifffile.imwrite(tmp_path / "m.tif", masks.astype(np.uint16), **options)
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif").to_array(), masks)
    check_labels_fit(movie_from_array(masks, axes), labels)


def test_frames_written_as_files_are_read_back(tmp_path):
    array = pixels(3, 2, 4, 12, 13)
    write_movie_frames(movie_from_array(array, "TCZYX"), tmp_path / "01", "channel 2")
    same(open_movie(tmp_path / "01"), array[:, 1:])


def numbered(folder, names):
    """A folder of frames of these names, whose pixels are the number in the name."""
    folder.mkdir()
    for name in names:
        value = int(name.split("t")[1].split("_")[0].split(".")[0])
        tifffile.imwrite(folder / name, np.full((4, 4), value, np.uint16))
    return folder


@pytest.mark.parametrize("name", ["t{:03d}.tif", "c2_t{:03d}_ch00.tif"])
def test_a_missing_frame_is_told_by_its_name(tmp_path, name):
    folder = numbered(tmp_path / "01", [name.format(n) for n in (0, 1, 2, 4, 5, 7)])
    words = f"holds no {name.format(3)} and 1 more, and the movie goes on without"
    with pytest.warns(UserWarning, match=re.escape(words)):
        movie = open_movie(folder)
    assert [int(movie.frame(time).max()) for time in range(6)] == [0, 1, 2, 4, 5, 7]


@pytest.mark.parametrize(
    "names",
    [
        [f"t{n:03d}.tif" for n in range(10, 90, 8)],
        [f"t{n}.tif" for n in (5, 6, 7)],
        [f"t{n}.tif" for n in (0, 299, 601, 905)],
        ["t0_w1.tif", "t1_w1.tif", "t1_w2.tif", "t4_w1.tif"],
        ["t0.tif", "t3_bis.tif"],
    ],
)
def test_names_that_count_no_frames_or_regular_ones_are_no_holes(tmp_path, names):
    assert len(open_movie(numbered(tmp_path / "01", names))) == len(names)


def test_a_missing_frame_is_told_once_and_not_by_the_experiment(tmp_path):
    folder = numbered(tmp_path / "01", [f"t{n}.tif" for n in (0, 1, 3)])
    with pytest.warns(UserWarning, match=r"holds no t2\.tif"):
        movie = open_movie(folder)
    save_experiment(Experiment(movie), tmp_path / "a.cellcycle")
    assert len(open_experiment(tmp_path / "a.cellcycle").movie) == 3
