"""Cellpose 4: its own network class, built small and with random weights.

The weights of cpsam (1.2 GB) take no part. `make test-cellpose4` runs these tests.
"""

from importlib.metadata import version

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.models.segment import open_segmenter
from napari_cellcycle.models.segment.quiet import cellpose_module
from napari_cellcycle.training.segment.cellpose import fine_tune
from napari_cellcycle.training.segment.cellpose_settings import CellposeSettings

torch = pytest.importorskip("torch")
if int(version("cellpose").split(".")[0]) < 4:
    pytest.skip("Cellpose 4 is not installed", allow_module_level=True)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_encoder(monkeypatch):
    """Two narrow layers of the image encoder, instead of 24 wide ones, wherever it is built."""
    from types import SimpleNamespace

    from segment_anything import sam_model_registry
    from segment_anything.modeling import ImageEncoderViT

    def built(_weights=None):
        encoder = ImageEncoderViT(
            depth=2, embed_dim=48, num_heads=2, patch_size=16, out_chans=256,
            use_rel_pos=True, global_attn_indexes=(0, 1),
        )  # fmt: skip
        return SimpleNamespace(image_encoder=encoder)

    monkeypatch.setitem(sam_model_registry, "vit_l", built)


@pytest.fixture
def base(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "random"
    cellpose_module("vit").CPSAM().save_model(str(path))
    return str(path)


def squares():
    masks = np.zeros((120, 150), np.int32)
    for number, (y, x) in enumerate([(10, 10), (50, 30), (20, 90), (80, 100)], start=1):
        masks[y : y + 24, x : x + 24] = number
    image = np.random.default_rng(0).normal(20, 2, masks.shape) + 50 * (masks > 0)
    return Annotated(image.astype(np.float32), masks, "squares", "t0")


def test_images_and_volumes_are_segmented_at_their_own_size(base):
    settings = SegmentSettings(model=base, cell_threshold=-6, flow_threshold=0)
    segmenter = open_segmenter(settings, CPU)
    assert segmenter.learned_px is None
    image = squares().image
    assert segmenter.find_diameter([image], (1.0, 1.0), settings) is None
    for values, pixel in [
        (image, (1.0, 1.0)),
        (image[:1], (1.0, 1.0)),
        (np.stack([image[:30, :40]] * 2), (4.0, 1.0, 1.0)),
        (np.stack([image[:20, :20]] * 3), (1.0, 1.0, 1.0)),
    ]:
        masks = segmenter(values, pixel, settings)
        assert masks.shape == values.shape
        assert masks.dtype == np.int32
    given = settings.model_copy(update={"diameter": 24.0})
    assert segmenter(image, (1.0, 1.0), given).shape == image.shape


def test_a_network_learns_at_full_precision_and_its_file_is_opened_again(base, tmp_path):
    settings = CellposeSettings(epochs=6, images_per_epoch=4, batch_size=2, learning_rate=1e-3)
    taught = fine_tune(
        [squares()], [squares()], settings, base=base, out=tmp_path / "squares.cellpose",
        device="cpu",
    )  # fmt: skip
    assert taught.history[-1].held_out_loss < 0.8 * taught.history[0].held_out_loss
    assert taught.card.architecture == f"Cellpose {version('cellpose').split('.')[0]}, CPSAM"
    assert taught.diameter_px == pytest.approx(27, abs=0.2)
    state = torch.load(taught.path, weights_only=True)
    assert state["out.weight"].dtype == torch.float32
    assert float(state["diam_labels"]) == pytest.approx(taught.diameter_px)
    opened = SegmentSettings(model=str(taught.path))
    masks = open_segmenter(opened, CPU)(squares().image, (1.0, 1.0), opened)
    assert masks.shape == (120, 150)


def test_a_file_of_version_3_is_refused_in_a_sentence(tmp_path):
    from napari_cellcycle.errors import MissingModel

    path = tmp_path / "three"
    torch.save({"output.2.weight": torch.zeros(3, 32, 1, 1)}, path)
    with pytest.raises(MissingModel, match="cannot be opened as a model of Cellpose 4"):
        open_segmenter(SegmentSettings(model=str(path)), CPU)
