"""The step from a movie to masks: frame by frame, with clear words for what is wrong."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput, MissingModel, UserError
from napari_cellcycle.evaluation.segmentation import score_sequence
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.progress import Cancelled

BY_HAND = SegmentSettings(model="threshold")
DATA = Path(os.environ.get("CELLCYCLE_DATA", "../shared/data"))


def recording(frames=4, dtype=np.uint16, blank=(), size=80, channels=("H2B",)):
    """Discs that move by a pixel a frame; `blank` frames are zero."""
    y, x = np.indices((size, size))
    rng = np.random.default_rng(1)
    pixels = rng.normal(100, 3, (frames, len(channels), size, size))
    for time in range(frames):
        for cy, cx in ((20, 20), (50, 30), (40, 60)):
            pixels[time, -1] += 150 * ((y - cy) ** 2 + (x - cx - time) ** 2 < 49)
    pixels[list(blank)] = 0
    return Movie(pixels.astype(dtype), (0.5, 0.5), 60.0, channels)


class Centre:
    """Finds one cell in the middle and keeps what it was given."""

    name = "centre"

    def __init__(self):
        self.given = []

    def __call__(self, image, pixel_size, settings):
        self.given.append(settings)
        masks = np.zeros(image.shape, np.int32)
        masks[tuple(side // 2 for side in image.shape)] = 1
        return masks

    def find_diameter(self, images, pixel_size, settings):
        return 11.0


def test_every_frame_gets_its_masks():
    labels = segment(recording(), BY_HAND)
    assert labels.shape == (4, 80, 80)
    assert [frame.max() for frame in labels] == [3, 3, 3, 3]
    assert all(frame.dtype == np.int32 for frame in labels)


def test_masks_are_streamed_into_the_array_given():
    into = np.full((4, 80, 80), -1, np.int32)
    labels = segment(recording(), BY_HAND, into=into)
    assert labels.base is into
    assert into.min() == 0


def test_the_size_found_in_three_frames_is_used_for_all():
    segmenter = Centre()
    segment(recording(), model=segmenter)
    assert {settings.diameter for settings in segmenter.given} == {11.0}
    segment(recording(), SegmentSettings(diameter=5), model=segmenter)
    assert segmenter.given[-1].diameter == 5


def test_volumes_go_the_same_way():
    pixels = np.random.default_rng(0).integers(0, 99, (2, 1, 4, 20, 20))
    movie = Movie(pixels, (2.0, 0.5, 0.5), 60.0, ("a",))
    assert segment(movie, model=Centre()).shape == (2, 4, 20, 20)


def test_the_channel_is_chosen_by_name():
    movie = recording(channels=("phase", "H2B"))
    settings = BY_HAND.model_copy(update={"channel": "H2B"})
    assert segment(movie, settings).frame(0).max() == 3
    with pytest.raises(BadInput, match="no channel called 'GFP'; it has phase, H2B"):
        segment(movie, BY_HAND.model_copy(update={"channel": "GFP"}))


def test_black_frames_hold_no_cells_and_are_noted():
    with pytest.warns(UserWarning, match=r"1 of 4 frames .* \(frame 2\)"):
        labels = segment(recording(blank=[2]), BY_HAND)
    assert [int(frame.max()) for frame in labels] == [3, 3, 0, 3]


def test_a_black_movie_is_explained():
    with pytest.raises(UserError, match="All 4 frames are of one value"):
        segment(recording(blank=range(4)), BY_HAND)


def test_a_movie_without_cells_says_what_to_try():
    noise = Movie(np.random.default_rng(0).normal(100, 1, (2, 1, 64, 64)), (0.5, 0.5), 60.0, ("a",))
    with pytest.raises(UserError, match=r"No cells .* set the cell diameter, or lower"):
        segment(noise, SegmentSettings(diameter=14))


@pytest.mark.parametrize("model", ["cellcycle-nuclei", "threshold", "cyto3", Centre()])
def test_cells_of_a_pixel_are_refused_at_once_whatever_finds_them(model):
    words = "Cells of 1.2 µm are 2.4 pixels across at 0.5 µm per pixel, but need 3 .* pixel size"
    with pytest.raises(BadInput, match=words):
        segment(recording(), SegmentSettings(diameter=1.2), model=model)
    assert not getattr(model, "given", None)


def test_cells_of_three_pixels_are_looked_for_and_none_smaller_are_found_by_themselves():
    segmenter = Centre()
    segment(recording(), SegmentSettings(diameter=1.5), model=segmenter)
    segmenter.find_diameter = lambda *_: 0.4
    segment(recording(), model=segmenter)
    assert {settings.diameter for settings in segmenter.given} == {1.5}


def test_values_that_are_no_numbers_are_named_with_their_frame():
    movie = recording(dtype=np.float32)
    movie.pixels[1, 0, 3, 3] = np.nan
    with pytest.raises(BadInput, match="Frame 1 holds values that are not numbers"):
        segment(movie, SegmentSettings(model="threshold", diameter=7))


def test_a_missing_model_is_explained_before_anything_is_computed():
    with pytest.raises(MissingModel, match="nowhere"):
        segment(recording(), model="nowhere")


def test_progress_counts_frames_and_can_cancel():
    seen = []

    def stop(done, total, message=""):
        seen.append((done, total))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment(recording(), BY_HAND, progress=stop)
    assert seen[-1] == (2, 4)


def test_one_frame_is_enough():
    assert segment(recording(frames=1), BY_HAND).shape == (1, 80, 80)


@pytest.mark.slow
def test_nuclei_of_a_real_movie_are_found():
    sequence = DATA / "ctc" / "Fluo-N2DL-HeLa"
    if not sequence.is_dir():
        pytest.skip(f"no recordings at {DATA}; set CELLCYCLE_DATA")
    import tifffile

    frames = (54,)
    pixels = np.stack([tifffile.imread(sequence / f"01/t{time:03d}.tif") for time in frames])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = segment(Movie(pixels[:, None], (0.645, 0.645), 1800.0, ("H2B",)))
    score = score_sequence(zip(frames, labels, strict=True), sequence / "01_GT", 25)
    assert score.seg > 0.8
    assert score.det > 0.96
