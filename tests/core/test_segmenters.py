"""The shipped network, Cellpose, and what they share."""

from urllib.error import URLError

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings, SimulateSettings
from napari_cellcycle.errors import MissingModel, OutOfMemory
from napari_cellcycle.evaluation.segmentation import ImageScore, score_masks
from napari_cellcycle.models.segment import open_segmenter
from napari_cellcycle.models.segment.dynamics import Rules, flows_of, masks_of, tidy
from napari_cellcycle.models.segment.normalise import compress, diameters_px, stretch
from napari_cellcycle.models.segment.planes import stitch, trim
from napari_cellcycle.models.segment.quiet import cellpose_module
from napari_cellcycle.models.segment.tiles import tiles_of
from napari_cellcycle.simulate import simulate

torch = pytest.importorskip("torch")
CPU = torch.device("cpu")
PIXEL = (0.5, 0.5)


@pytest.fixture(scope="module")
def movie():
    return simulate(SimulateSettings(seed=11, frames=3, size=300, cells=24, pixel_size=0.5))


@pytest.fixture(scope="module")
def shipped():
    return open_segmenter(SegmentSettings(), CPU)


def test_the_shipped_network_segments_a_simulated_movie(movie, shipped):
    pooled = ImageScore()
    for time in range(len(movie.movie)):
        masks = shipped(movie.movie.frame(time), PIXEL, SegmentSettings(diameter=13))
        assert masks.dtype == np.int32
        pooled += score_masks(masks, movie.labels.frame(time))
    assert pooled.seg > 0.8
    assert pooled.det > 0.93


def test_the_shipped_network_segments_volumes_plane_by_plane(shipped):
    made = simulate(SimulateSettings(ndim=3, seed=3, frames=1, size=128, planes=12, cells=8))
    masks = shipped(made.movie.frame(0), made.movie.pixel_size, SegmentSettings(diameter=13))
    score = score_masks(masks, made.labels.frame(0))
    assert score.seg > 0.55
    assert score.det > 0.8


@pytest.mark.parametrize("factor", [0.6, 1.0, 2.5])
def test_the_size_of_cells_is_found_whatever_it_is(movie, shipped, factor):
    import cv2

    image = movie.movie.frame(1).astype(np.float32)
    truth = float(np.median(diameters_px(movie.labels.frame(1)))) * factor
    resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    found = shipped.find_diameter([resized], (1.0, 1.0), SegmentSettings())
    assert found == pytest.approx(truth, rel=0.3)


def test_tiles_give_what_the_whole_image_gives(movie, shipped):
    image = movie.movie.frame(0)
    whole = shipped(image, PIXEL, SegmentSettings(diameter=13))
    tiled = shipped(image, PIXEL, SegmentSettings(diameter=13, tile=160, batch_size=2))
    assert score_masks(tiled, whole).precision[0.75] > 0.9


def test_an_offset_and_a_gain_of_the_camera_change_nothing(movie, shipped):
    image = movie.movie.frame(0).astype(np.float64)
    settings = SegmentSettings(diameter=13)
    np.testing.assert_array_equal(
        shipped(image, PIXEL, settings) > 0, shipped(image + 32768, PIXEL, settings) > 0
    )


def test_images_without_contrast_hold_no_cells(shipped):
    flat = np.full((64, 64), 5, np.uint8)
    assert not shipped(flat, PIXEL, SegmentSettings()).any()
    assert shipped.find_diameter([flat], PIXEL, SegmentSettings()) is None


def test_small_images_are_segmented(shipped):
    image = np.zeros((9, 11), np.uint8)
    image[3:6, 3:7] = 200
    assert shipped(image, PIXEL, SegmentSettings(diameter=3)).shape == (9, 11)


def test_less_memory_means_smaller_batches_then_tiles_then_an_error(movie):
    segmenter = open_segmenter(SegmentSettings(), CPU)
    compute, most = segmenter._compute, 200 * 200

    def limited(batch):
        if batch.size > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return compute(batch)

    segmenter._compute = limited
    image = movie.movie.frame(0)
    with pytest.warns(UserWarning, match="Memory ran out"):
        masks = segmenter(image, PIXEL, SegmentSettings(diameter=13))
    assert score_masks(masks, movie.labels.frame(0)).seg > 0.75
    most = 0
    smaller = pytest.warns(UserWarning, match="Memory ran out")
    with smaller, pytest.raises(OutOfMemory, match="close other programs"):
        segmenter(image, PIXEL, SegmentSettings(diameter=13))


def test_other_failures_are_not_taken_for_memory(movie):
    segmenter = open_segmenter(SegmentSettings(), CPU)

    def broken(batch):
        raise RuntimeError("shapes do not fit")

    segmenter._compute = broken
    with pytest.raises(RuntimeError, match="shapes"):
        segmenter(movie.movie.frame(0), PIXEL, SegmentSettings(diameter=13))


def test_flows_lead_back_to_the_masks():
    truth = np.zeros((60, 60), np.int32)
    truth[5:20, 5:20], truth[5:20, 20:34], truth[40:52, 30:50] = 3, 9, 70_000
    logits = np.where(truth > 0, 5.0, -5.0)
    masks = masks_of(5 * flows_of(truth), logits, Rules(), 15.0)
    assert score_masks(tidy(masks, 1), truth).seg > 0.97


def test_no_masks_have_no_flow():
    assert not flows_of(np.zeros((8, 8), np.int32)).any()


def test_brightness_is_stretched_and_compressed():
    image = np.arange(10_000, dtype=np.uint16).reshape(100, 100) + 30_000
    values = stretch(image)
    assert np.percentile(values, [1, 99]) == pytest.approx([0, 1], abs=1e-3)
    assert compress(np.ones(1)) == pytest.approx(1)
    assert compress(np.array([0.05])) > 0.2


def test_tiles_cover_every_pixel_once():
    image = np.random.default_rng(0).random((150, 201)).astype(np.float32)
    maps = tiles_of(image, lambda batch: np.repeat(batch, 2, 1) + 1, 64, 3, 8)
    np.testing.assert_allclose(maps, np.stack([image, image]) + 1, rtol=1e-5)


def test_planes_of_a_cell_get_one_number():
    planes = np.zeros((6, 40, 40), np.int32)
    for z in range(5):
        planes[z, 5 + z : 20 + z, 5:20] = z + 1
    planes[:, 25:38, 25:38] = 9
    planes[2, 2:4, 30:34] = 20
    volume = stitch(planes, least_planes=2)
    assert np.unique(volume).tolist() == [0, 1, 2]
    assert (volume[:5] == 1).any((1, 2)).all()


def column(*light):
    """A square in every plane, of this brightness, all with one number."""
    volume = np.zeros((len(light), 20, 20), np.int32)
    volume[:, 5:15, 5:15] = 1
    return volume, np.array(light)[:, None, None] * (volume > 0)


def test_dim_planes_above_and_below_a_cell_are_trimmed():
    kept = trim(*column(0.1, 0.3, 0.8, 1.0, 0.9, 0.4, 0.1), reach=2).any((1, 2))
    assert kept.tolist() == [False, False, True, True, True, False, False]


def test_cells_on_top_of_each_other_are_parted_where_it_is_dim():
    trimmed = trim(*column(1.0, 0.9, 0.2, 0.4, 0.5, 0.4), reach=1)
    assert trimmed[:, 10, 10].tolist() == [1, 1, 0, 2, 2, 2]


def test_a_model_file_saved_by_cellpose_runs(tmp_path):
    resnet_torch = cellpose_module("resnet_torch")

    if not hasattr(resnet_torch, "CPnet"):
        pytest.skip("saved models of Cellpose 4 are too large for a test")
    path = tmp_path / "my_model"
    torch.manual_seed(0)
    resnet_torch.CPnet([2, 32, 64, 128, 256], 3, sz=3).save_model(str(path))
    settings = SegmentSettings(model=str(path), diameter=20, cell_threshold=-6, flow_threshold=0)
    segmenter = open_segmenter(settings, CPU)
    image = np.random.default_rng(0).poisson(50, (60, 70)).astype(np.uint16)
    masks = segmenter(image, (1.0, 1.0), settings)
    assert masks.dtype == np.int32
    assert masks.shape == image.shape
    volume = segmenter(np.stack([image] * 3), (4.0, 1.0, 1.0), settings)
    assert volume.shape == (3, 60, 70)


def test_a_cellpose_model_that_cannot_be_downloaded_is_explained(tmp_path, monkeypatch):
    models = cellpose_module("models")

    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(models, "MODEL_DIR", tmp_path)
    monkeypatch.setattr("urllib.request.urlopen", offline)
    name = "cyto3" if hasattr(models, "SizeModel") else "cpsam"
    with pytest.raises(MissingModel, match="choose the shipped model 'cellcycle-nuclei'"):
        open_segmenter(SegmentSettings(model=name), CPU)


@pytest.mark.parametrize("name", ["cellpose:nothing", "my_own_network"])
def test_an_unknown_model_is_named_with_what_there_is(name):
    with pytest.raises(MissingModel, match=r"nothing.*it has|my_own_network.*there are"):
        open_segmenter(SegmentSettings(model=name), CPU)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model"
    path.write_text("no weights")
    with pytest.raises(MissingModel, match="cannot be opened as a model of Cellpose"):
        open_segmenter(SegmentSettings(model=str(path)), CPU)
