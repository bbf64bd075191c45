"""What cannot be read or written is refused by one clear sentence, and nothing is lost."""

import json
import resource
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.ctc import read_ctc, write_ctc
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.io.frames import check_labels_fit, open_labels, write_label_frames
from napari_cellcycle.io.movies import movie_from_array, open_movie
from napari_cellcycle.io.tables import write_cell_table


def write(folder, *frames, **options):
    folder.mkdir(exist_ok=True)
    for time, frame in enumerate(frames):
        tifffile.imwrite(
            folder / f"t{time:03d}.tif", frame, **({"photometric": "minisblack"} | options)
        )
    return folder


def grey(*shape):
    return np.ones(shape, np.uint16)


def refuse(match, function, *arguments, error=BadInput, **options):
    with pytest.raises(error, match=match) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 500


def test_missing_path(tmp_path):
    refuse(r"There is no .*/gone; give the path of a movie", open_movie, tmp_path / "gone")


def test_empty_folder(tmp_path):
    refuse("holds no TIFF files; give the path of a movie", open_movie, tmp_path)


def test_folder_that_holds_the_folder_meant(tmp_path):
    write(tmp_path / "01", grey(4, 4), grey(4, 4))
    refuse("but its folder 01 does: choose .*/01", open_movie, tmp_path)


def test_not_an_image(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    match = r"report.pdf is not a movie that can be read.*Save As > Tiff or OME-TIFF"
    refuse(match, open_movie, tmp_path / "report.pdf")
    (tmp_path / "text.tif").write_bytes(b"this is no image")
    refuse("text.tif .* is not a TIFF image", open_movie, tmp_path / "text.tif")
    (tmp_path / "empty.tif").write_bytes(b"")
    refuse(r"empty.tif \(0 bytes\) is not a TIFF image", open_movie, tmp_path / "empty.tif")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    refuse("bad.zarr is not a Zarr folder that can be read", open_movie, tmp_path / "bad.zarr")


def test_zarr_without_an_image(tmp_path):
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    refuse("is a Zarr group without an image", open_movie, tmp_path / "group.zarr")
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"plate": {}}
    refuse("is a plate or a well", open_movie, tmp_path / "plate.zarr")


def test_frames_of_different_sizes(tmp_path):
    folder = write(tmp_path / "01", grey(4, 5), grey(4, 5), grey(6, 5))
    refuse(r"t002.tif has shape \(6, 5\), but t000.tif has \(4, 5\)", open_movie, folder)


def test_a_frame_with_more_planes_than_the_first_is_found_when_it_is_read(tmp_path):
    folder = write(tmp_path / "01", grey(2, 4, 5), grey(2, 4, 5), grey(3, 4, 5))
    movie = open_movie(folder)
    assert movie.frame(1).shape == (2, 4, 5)
    refuse(r"Frame 2 of 01 has shape \(3, 4, 5\)", movie.frame, 2)


def test_several_frames_in_each_file(tmp_path):
    folder = write(tmp_path / "01", grey(2, 4, 5), grey(2, 4, 5), metadata={"axes": "TYX"})
    refuse("t000.tif holds 2 frames, but in a folder", open_movie, folder)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb(tmp_path, planar):
    shape = (6, 5, 3) if planar == "contig" else (3, 6, 5)
    options = {"photometric": "rgb", "planarconfig": planar}
    image = np.ones(shape, np.uint8)
    refuse("colour .RGB. image.*split its channels", open_movie,
           write(tmp_path / "01", image, image, **options))  # fmt: skip
    refuse(r"t000\.tif is a colour", open_movie, tmp_path / "01" / "t000.tif")
    refuse("layer is a colour", movie_from_array, np.ones((4, 6, 5, 3), np.uint8), name="The layer")


def test_float_with_nan(tmp_path):
    frames = np.ones((3, 4, 5), np.float32)
    frames[1, 2, 2] = np.nan
    for movie in (open_movie(write(tmp_path / "01", *frames)), movie_from_array(frames, "TYX")):
        assert movie.frame(0).dtype == np.float32
        refuse("Frame 1 of .* holds values that are not numbers", movie.frame, 1)


def many(folder, usual, other, at):
    """More frames than are looked at when a folder is opened, of which one differs."""
    folder.mkdir()
    tifffile.imwrite(folder / "t0000.tif", usual, photometric="minisblack")
    for time in set(range(1, 600)) - {at}:
        (folder / f"t{time:04d}.tif").hardlink_to(folder / "t0000.tif")
    tifffile.imwrite(folder / f"t{at:04d}.tif", other, photometric="minisblack")
    return open_movie(folder)


def test_a_frame_whose_values_do_not_fit_the_type_of_the_others_is_named(tmp_path):
    grey8 = np.full((4, 5), 200, np.uint8)
    movie = many(tmp_path / "01", grey8, np.full((4, 5), 300, np.uint16), 290)
    assert movie.frame(289).dtype == np.uint8
    match = "Frame 290 of 01 holds values of type uint16 that do not fit into uint8"
    refuse(match, movie.frame, 290)
    halves = many(tmp_path / "02", grey8, np.full((4, 5), 0.5, np.float32), 290)
    refuse("Frame 290 of 02 holds values of type float32", halves.frame, 290)
    fits = many(tmp_path / "03", grey8, np.full((4, 5), 7, np.uint16), 290)
    assert fits.frame(290).dtype == np.uint8 and (fits.frame(290) == 7).all()


def test_values_that_are_no_numbers(tmp_path):
    refuse("values of type complex64", movie_from_array, np.ones((3, 4, 5), np.complex64))
    tifffile.imwrite(tmp_path / "c.tif", np.ones((4, 5), np.complex64))
    refuse("values of type complex64", open_movie, tmp_path / "c.tif")


def test_axes_that_cannot_be_told_apart(tmp_path):
    refuse("cannot be told apart", movie_from_array, grey(2, 2, 2, 2, 4, 5))
    refuse("at least the axes y and x", movie_from_array, grey(5))
    refuse("The pixel size", movie_from_array, grey(2, 4, 5), pixel_size=(1.0, 1.0, 1.0))
    refuse("The frame interval is 0 s", movie_from_array, grey(2, 4, 5), frame_interval=0)


def test_one_frame_opens(tmp_path):
    assert open_movie(write(tmp_path / "01", grey(4, 5))).pixels.shape == (1, 1, 4, 5)
    assert open_movie(tmp_path / "01" / "t000.tif").pixels.shape == (1, 1, 4, 5)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated_files_are_named(tmp_path, compression):
    noise = np.random.default_rng(0).integers(0, 9999, (6, 40, 50)).astype(np.uint16)
    folder = write(tmp_path / "01", *noise, compression=compression)
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, noise, compression=compression, photometric="minisblack")
    for path in (folder / "t003.tif", stack):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refuse(r"t003\.tif.* cut short", open_movie, folder)
    refuse(r"stack\.tif.* cut short", lambda: open_movie(stack).frame(5))


def test_damage_inside_a_frame_is_named_when_it_is_read(tmp_path):
    folder = write(tmp_path / "01", grey(40, 50), grey(40, 50), compression="zlib")
    bad = folder / "t001.tif"
    with tifffile.TiffFile(bad) as tif:
        start = tif.pages[0].dataoffsets[0]
    content = bytearray(bad.read_bytes())
    content[start : start + 8] = struct.pack("<Q", 0xDEADBEEF)
    bad.write_bytes(content)
    refuse(r"t001\.tif", open_movie(folder).frame, 1)


def test_a_frame_that_vanished_is_named(tmp_path):
    movie = open_movie(write(tmp_path / "01", grey(4, 5), grey(4, 5)))
    (tmp_path / "01" / "t001.tif").unlink()
    refuse("t001.tif is no longer there", movie.frame, 1)


def test_masks_of_another_shape_than_the_movie(tmp_path):
    movie, labels = movie_from_array(grey(3, 4, 5)), LabelStack(np.zeros((3, 4, 6), np.int32))
    match = r"masks have shape \(3, 4, 6\), but the movie has \(3, 4, 5\)"
    refuse(match, check_labels_fit, movie, labels)
    refuse(match, save_experiment, Experiment(movie, labels), tmp_path / "a.cellcycle")
    assert not list(tmp_path.iterdir())


def test_images_in_place_of_masks(tmp_path):
    folder = write(tmp_path / "01", np.full((4, 5), 0.5, np.float32), np.zeros((4, 5), np.float32))
    refuse("Frame 0 of 01 holds decimal values", open_labels(folder).frame, 0)
    folder = write(tmp_path / "02", np.full((4, 5), 2**31, np.uint32), grey(4, 5))
    refuse("outside 0 to 2,147,483,647", open_labels(folder).frame, 0)
    tifffile.imwrite(tmp_path / "c.tif", grey(3, 2, 4, 5), metadata={"axes": "TCYX"},
                     photometric="minisblack")  # fmt: skip
    refuse("has 2 channels, but masks have one", open_labels, tmp_path / "c.tif")


def crowd(count):
    """So many cells in one frame, each a track of its own."""
    masks = np.arange(1, count + 1, dtype=np.int32).reshape(1, 1, -1)
    cells = pd.DataFrame(
        {"frame": 0, "label": np.arange(1, count + 1), "y": 0.0, "x": np.arange(count)},
        index=pd.RangeIndex(1, count + 1, name="cell_id"),
    )
    ends = pd.DataFrame({"parent": [], "child": [], "score": []}).astype({"parent": int})
    return LabelStack(masks), Tracks(cells, ends)


def test_more_than_65535_ids(tmp_path):
    labels, tracks = crowd(65_536)
    refuse("has 65,536 ids, but", write_ctc, labels, tracks, tmp_path / "out")
    refuse("mask numbered 65,536, but", write_label_frames, labels, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    movie = movie_from_array(np.zeros((1, 1, 65_536), np.uint8))
    save_experiment(Experiment(movie, labels, tracks), tmp_path / "a.cellcycle")
    assert open_experiment(tmp_path / "a.cellcycle").labels.frame(0).max() == 65_536


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("1 0 x 0", "Line 1 of .*res_track.txt is '1 0 x 0', but four whole numbers"),
        ("1 0 1", "Line 1 of .* four whole numbers"),
        ("1 0 1 7", "names 7 as a parent, but lists no such track"),
        ("1 0 1 0\n1 0 1 0", "lists track 1 twice"),
        ("1 0 1 0\n2 0 1 1", "track 1 is the parent of 2 but is still seen"),
    ],
)
def test_track_files_that_make_no_sense(tmp_path, line, match):
    masks = np.zeros((2, 4, 5), np.int32)
    masks[:, 0, 0], masks[:, 2, 2] = 1, 2
    write_label_frames(LabelStack(masks), tmp_path / "RES")
    refuse("holds neither res_track.txt nor man_track.txt", read_ctc, tmp_path / "RES")
    (tmp_path / "RES" / "res_track.txt").write_text(line)
    refuse(match, read_ctc, tmp_path / "RES")


def test_what_is_no_experiment(tmp_path):
    refuse("is not an experiment", open_experiment, tmp_path)
    refuse("is not an experiment", open_experiment, tmp_path / "gone")
    (tmp_path / "experiment.json").write_text("{")
    refuse("cannot be read", open_experiment, tmp_path)
    (tmp_path / "experiment.json").write_text('{"format_version": 1}')
    refuse("is damaged", open_experiment, tmp_path)
    refuse("is an experiment, not a movie", open_movie, tmp_path)


def test_an_experiment_of_a_newer_format_is_neither_opened_nor_overwritten(tmp_path):
    saved = Experiment(movie_from_array(grey(3, 4, 5)))
    save_experiment(saved, tmp_path / "a.cellcycle")
    pointer = tmp_path / "a.cellcycle" / "experiment.json"
    document = json.loads(pointer.read_text()) | {"format_version": 3}
    pointer.write_text(json.dumps(document))
    match = r"saved by a newer napari-cellcycle \(format 3, this one knows up to 2\): install"
    refuse(match, open_experiment, tmp_path / "a.cellcycle")
    refuse(match, save_experiment, saved, tmp_path / "a.cellcycle")
    assert json.loads(pointer.read_text()) == document


def test_an_experiment_that_lost_a_part(tmp_path):
    labels, tracks = crowd(3)
    saved = Experiment(movie_from_array(np.zeros((1, 1, 3)), "TYX"), labels, tracks)
    save_experiment(saved, tmp_path / "a.cellcycle")
    again = tmp_path / "a.cellcycle" / "tracks.geff" / "nodes" / "ids"
    for path in again.rglob("*"):
        if path.is_file():
            path.unlink()
    refuse("The tracks in .*tracks.geff cannot be read", open_experiment, tmp_path / "a.cellcycle")


def everything(folder):
    """Each way to write a result, into `folder`."""
    labels, tracks = crowd(3)
    whole = Experiment(movie_from_array(np.zeros((1, 1, 3)), "TYX"), labels, tracks)
    return [
        (save_experiment, whole, folder / "a.cellcycle"),
        (write_ctc, labels, tracks, folder / "RES"),
        (write_label_frames, labels, folder / "masks"),
        (write_cell_table, whole, folder / "table.csv"),
    ]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    for function, *arguments in everything(tmp_path / "file"):
        refuse("could not be written", function, *arguments, error=CannotWrite)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unwritable_folder():
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder that even root cannot write into")
    for function, *arguments in everything(Path("/proc/self")):
        refuse("could not be written, and what was there before is untouched",
               function, *arguments, error=CannotWrite)  # fmt: skip


def test_a_full_disk_leaves_what_was_there(tmp_path):
    movie = movie_from_array(np.random.default_rng(0).integers(0, 9**4, (2, 200, 200)), "TYX")
    save_experiment(Experiment(movie), tmp_path / "a.cellcycle")
    before = sorted(path.name for path in (tmp_path / "a.cellcycle").iterdir())
    noise = np.random.default_rng(0).integers(0, 2**30, (2, 200, 200)).astype(np.int32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        full = Experiment(movie, LabelStack(noise))
        refuse("could not be written", save_experiment, full, tmp_path / "a.cellcycle",
               error=CannotWrite)  # fmt: skip
        small = LabelStack((noise % 60_000).astype(np.int32))
        refuse("could not be written", write_label_frames, small, tmp_path / "masks",
               error=CannotWrite)  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in (tmp_path / "a.cellcycle").iterdir()) == before
    assert open_experiment(tmp_path / "a.cellcycle").labels is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.cellcycle"]
