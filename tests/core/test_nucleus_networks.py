"""The nucleus networks have the published sizes, see volumes and planes, and know one cell."""

import numpy as np
import pytest
import torch

from napari_cellcycle.config import ClassifySettings, SimulateSettings
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.mask_crops import mask_crops
from napari_cellcycle.features.sights import sights
from napari_cellcycle.models.stage.model import NUCLEUS as ARCHITECTURE
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.models.stage.nucleus.model import (
    NucleusModel,
    card_settings,
    channel_names,
    states,
)
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import PRESETS
from napari_cellcycle.models.stage.nucleus.samples import cut, scaled
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.simulate import simulate

PUBLISHED = {"cnn": 70_083, "3ncnn": 70_947, "4ncnn": 71_379, "convlstm": 236_035}
SMALL = PRESETS["nucleus"].model_copy(update={"size": (4, 16, 16), "width": 4})


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def untrained(preset=SMALL, names=NUCLEUS.names):
    torch.manual_seed(0)
    return NucleusModel(build(preset, len(names)), preset, states(names))


@pytest.fixture(scope="module", params=[2, 3])
def embryo(request):
    settings = SimulateSettings(
        ndim=request.param, size=64, planes=8, frames=4, cells=4, plane_spacing=2.0, debris=0
    )
    return simulate(settings)


def parameters(name, classes):
    return sum(p.numel() for p in build(PRESETS[name], classes).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks_have_the_published_size(name):
    assert parameters(name, 3) == PUBLISHED[name]


def test_with_death_as_a_fourth_class_too():
    assert (parameters("3ncnn", 4), parameters("4ncnn", 4)) == (71_012, 71_444)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("depth", [1, 8])
def test_every_network_sees_volumes_and_planes(name, depth):
    preset = PRESETS[name]
    network = build(preset, 4).eval()
    assert network(torch.rand(2, preset.channels, depth, 16, 16)).shape == (2, 4)


def test_normalising_before_pooling_is_another_network_of_the_same_size():
    usual = PRESETS["4ncnn"]
    other = usual.model_copy(update={"norm_before_pool": True})
    built = []
    for preset in (usual, other):
        torch.manual_seed(0)
        built.append(build(preset, 3).train())
    sample = torch.randn(4, 4, 8, 8, 8)
    assert sum(p.numel() for p in built[1].parameters()) == PUBLISHED["4ncnn"]
    assert not torch.allclose(built[0](sample), built[1](sample))


def test_samples_hold_the_frames_and_the_own_mask():
    assert channel_names(PRESETS["4ncnn"]) == ("t-1", "t", "t+1", "mask")
    assert channel_names(PRESETS["cnn"]) == ("t",)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mask_window_shows_its_own_cell_alone(ndim):
    mask = np.zeros((12,) * ndim, np.int32)
    mask[(slice(0, 3),) * ndim] = 5
    mask[(slice(4, 9),) * ndim] = 7
    centres = np.array([[1.0] * ndim, [6.0] * ndim])
    found = mask_crops(mask, np.array([5, 7]), centres, 9.0, 9)
    assert found.sum(axis=tuple(range(1, ndim + 1))).tolist() == [3**ndim, 5**ndim]
    assert found[1][(slice(2, 7),) * ndim].all()
    assert not found[0][0].any(), "beyond the border there is no cell"


@pytest.mark.parametrize("factor", [1, 2])
def test_a_window_in_micrometres_does_not_depend_on_the_spacing_of_planes(factor):
    """A ball looks the same whether planes lie one or two pixels apart."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in (48 // factor, 48, 48)), indexing="ij")
    away = np.sqrt((z * factor - 24) ** 2 + (y - 24) ** 2 + (x - 24) ** 2)
    image, mask = np.clip(12.0 - away, 0, 4), (away < 10).astype(np.int32)
    centre = np.array([[24 / factor, 24, 24]])
    diameter = (20 / factor, 20.0, 20.0)
    preset = PRESETS["nucleus"].model_copy(update={"size": (16, 16, 16)})
    sample = cut([image] * 3, mask, np.ones(1, int), centre, diameter, preset)[0]
    thick = (sample[3].any((1, 2)).sum(), sample[3].any((0, 2)).sum())
    assert abs(thick[0] - thick[1]) <= 1
    np.testing.assert_allclose(sample[1].max(axis=1), sample[1].max(axis=0), atol=1.3)


@pytest.mark.parametrize("name", ["nucleus", "4ncnn"])
def test_brightness_is_scaled_over_all_frames_together(name):
    preset = PRESETS[name]
    sample = np.random.default_rng(0).random((2, 4, 4, 8, 8)).astype(np.float32)
    sample[:, 2] *= 3
    seen = scaled(sample, preset)
    brighter = scaled(70 * sample + 500, preset)
    np.testing.assert_allclose(seen[:, :3], brighter[:, :3], atol=1e-3)
    assert seen[:, 2].mean() > 2 * seen[:, 0].mean()
    np.testing.assert_array_equal(seen[:, 3], sample[:, 3])


@pytest.mark.parametrize("name", ["nucleus", "4ncnn", "3ncnn"])
def test_scaling_does_not_depend_on_the_order_in_memory(name):
    preset = PRESETS[name]
    sample = 100 + np.random.default_rng(0).random((3, 4, 4, 8, 8)).astype(np.float32)
    picked = sample[:, list(range(preset.channels))]
    turned = np.ascontiguousarray(picked.swapaxes(0, 1)).swapaxes(0, 1)
    np.testing.assert_array_equal(scaled(turned, preset), scaled(picked.copy("C"), preset))
    assert scaled(turned, preset)[:, :3].max() < 3


def test_the_published_cnn_scales_each_frame_by_itself():
    sample = np.random.default_rng(0).random((2, 3, 4, 8, 8)).astype(np.float32)
    sample[:, 2] *= 3
    seen = scaled(sample, PRESETS["3ncnn"])
    assert seen.min(axis=(2, 3, 4)).max() == 0
    np.testing.assert_allclose(seen.max(axis=(2, 3, 4)), 1, rtol=1e-5)


def test_every_cell_gets_a_state_in_images_and_volumes(embryo):
    made = (embryo.movie, embryo.labels, embryo.tracks)
    told = classify(*made, model=untrained())
    chances = told.cells[[f"p_{name}" for name in NUCLEUS.names]]
    assert set(told.cells["stage"]) <= set(NUCLEUS.names)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)


def test_batches_of_any_size_and_the_array_interface_tell_the_same(embryo):
    model, made = untrained(), (embryo.movie, embryo.labels, embryo.tracks)
    seen = list(sights(*made, reach=1))
    for sight in seen[:2]:
        place = (sight.mask, sight.labels, sight.centres_px, sight.diameter_px)
        direct = model.predict(cut(sight.images, *place, SMALL))
        for size in (1, 2, 256):
            np.testing.assert_allclose(model.look(sight, size), direct, atol=1e-5)


def test_a_cell_is_told_alike_wherever_it_stands_in_the_table(embryo):
    whole = classify(embryo.movie, embryo.labels, embryo.tracks, _raw(), model=untrained())
    kept = embryo.tracks.cells.iloc[1::2].iloc[::-1]
    some = type(embryo.tracks)(kept, embryo.tracks.links.iloc[:0])
    told = classify(embryo.movie, embryo.labels, some, _raw(), model=untrained())
    assert told.cells["p_mitotic"].to_dict() == pytest.approx(
        whole.cells.loc[kept.index, "p_mitotic"].to_dict(), abs=1e-5
    )


def _raw():
    return ClassifySettings(smoothing=0.0)


def test_a_stored_model_tells_the_same(embryo, tmp_path):
    model = untrained()
    card = ModelCard(
        name="mine",
        kind="stage",
        architecture=ARCHITECTURE,
        settings=card_settings(SMALL, NUCLEUS, views=1),
    )
    path = save_model(model.network.state_dict(), card, tmp_path).path
    again = open_stage_model(path, "cpu")
    assert again.stages == NUCLEUS and again.reach == 1
    sight = next(sights(embryo.movie, embryo.labels, embryo.tracks, reach=1))
    np.testing.assert_allclose(again.look(sight), model.look(sight), atol=1e-6)


def test_a_model_that_does_not_fit_its_card_is_refused(tmp_path):
    card = ModelCard(
        name="bad",
        kind="stage",
        architecture=ARCHITECTURE,
        settings=card_settings(SMALL, states(("stable", "mitotic", "new daughter"))),
    )
    path = save_model(untrained().network.state_dict(), card, tmp_path).path
    with pytest.raises(MissingModel, match="does not fit its card"):
        open_stage_model(path, "cpu")


def test_samples_of_another_kind_are_refused():
    with pytest.raises(BadInput, match="t-1, t, t\\+1, mask"):
        untrained().predict(np.zeros((1, 3, 4, 16, 16), np.float32))


def test_without_death_the_order_of_states_stays():
    three = states(("new daughter", "stable", "mitotic"))
    assert three.names == ("stable", "mitotic", "new daughter")
    assert not any("death" in pair for pair in three.successions)
