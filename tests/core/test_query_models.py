"""Query models: what they see, where they say cells are, and how they come from a file."""

import numpy as np
import pytest
from tests.core.if_images import TINY_QUERIES

from napari_cellcycle.config import ClassifySettings, SegmentSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.colours import colours_last
from napari_cellcycle.features.kind_traits import traits_of
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.segment.query.finder import find_cells, finder_of, open_teller
from napari_cellcycle.models.segment.query.model import DEFAULT, PAPER, QuerySegmenter
from napari_cellcycle.models.segment.query.points import Points
from napari_cellcycle.models.segment.query.prepare import prepared
from napari_cellcycle.models.segment.segmenter import open_segmenter
from napari_cellcycle.models.stage.model import KINDS, open_stage_model
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.pipeline.track import track

torch = pytest.importorskip("torch")
from napari_cellcycle.models.rank_net import RankNet  # noqa: E402

CPU = torch.device("cpu")
TRAITS = 375

KIND_SETTINGS = {"traits": TRAITS, "members": 2, "hidden": 4, "diameter": 11.0}


def stored(folder, architecture=DEFAULT, name="q", kind="segment", **settings):
    """A model of random weights, as a file."""
    from napari_cellcycle.models.segment.query.model import PaperQuerySegmenter
    from napari_cellcycle.models.stage.cell_classifier import CellClassifier

    torch.manual_seed(0)
    card = ModelCard(name=name, kind=kind, architecture=architecture, settings=settings)
    networks = {
        DEFAULT: lambda: QuerySegmenter.network_of(card),
        PAPER: lambda: PaperQuerySegmenter.network_of(card),
        KINDS: lambda: judging(RankNet(2, card.settings["traits"], 2, 4)),
        "crop classifier": lambda: CellClassifier(2),
    }
    return save_model(networks[architecture]().state_dict(), card, folder)


def judging(network):
    """The network with weights that make a difference, used to traits from 0 to 1."""
    network.know(np.random.default_rng(0).random((50, network.traits)).astype(np.float32))
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return network


def named(*names):
    return stages_to_json(free_stages(names))


def test_the_published_network_has_405_229_weights():
    from napari_cellcycle.models.segment.query.paper import PaperQueryNet

    assert sum(weight.numel() for weight in PaperQueryNet().parameters()) == 405_229


def test_the_published_code_of_a_place_is_sines_and_cosines_of_doubled_angles():
    from napari_cellcycle.models.segment.query.paper import positional

    code = positional(torch.tensor([[0.25, 0.75]]))[0]
    assert code.shape == (48,)
    assert code[:4].tolist() == pytest.approx(np.r_[np.sin([0.25, 0.75]), np.cos([0.25, 0.75])])
    assert float(code[4]) == pytest.approx(np.sin(0.5))


def test_a_patch_is_the_map_around_the_point_and_dark_beyond_the_border():
    from napari_cellcycle.models.segment.query.paper import patches

    maps = torch.arange(56 * 56, dtype=torch.float32).view(1, 1, 56, 56) + 1
    seen = patches(maps, torch.tensor([[[23.5 / 55, 10.5 / 55], [0.0, 0.0]]]))[0]
    whole = seen[0].view(8, 8).numpy()
    assert np.allclose(whole, maps[0, 0, 7:15, 20:28], atol=0.05)
    assert seen[1].view(8, 8)[:3].eq(0).all(), "rows above the image are dark"


def test_a_point_gets_the_same_answer_wherever_the_image_is_cut():
    torch.manual_seed(1)
    network = QuerySegmenter.network_of(
        ModelCard(name="q", kind="segment", architecture=DEFAULT, settings=TINY_QUERIES)
    ).eval()
    image = torch.rand(1, 3, 320, 320)
    place = torch.tensor([[[150.3, 160.8]]])
    with torch.inference_mode():
        whole = network(image, place)
        part = network(image[:, :, 16:304, 32:304], place - torch.tensor([16.0, 32.0]))
    assert torch.allclose(whole, part, atol=1e-4)


def test_queries_on_a_grid_are_queries_at_pixel_centres():
    network = QuerySegmenter.network_of(
        ModelCard(name="q", kind="segment", architecture=DEFAULT, settings=TINY_QUERIES)
    ).eval()
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        encoded = network.encode(image)
        grid = network.ask_grid(encoded, (32, 48))
        fine = network.ask_grid(encoded, (32, 48), fine=2)
        asked = network.ask(encoded, torch.tensor([[[5.0, 7.0], [4.25, 6.75]]]))
    assert fine.shape == (1, 2, 64, 96)
    assert torch.allclose(grid[0, :, 5, 7], asked[0, 0], atol=1e-5)
    assert torch.allclose(fine[0, :, 9, 14], asked[0, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        *[
            (DEFAULT, shape)
            for shape in [(3, 50, 70), (50, 70), (2, 50, 70), (5, 50, 70), (3, 9, 9)]
        ],
        (PAPER, (3, 50, 70)),
    ],
)
def test_images_of_any_size_and_number_of_channels_get_masks(tmp_path, architecture, shape):
    settings = TINY_QUERIES if architecture == DEFAULT else {}
    model = stored(tmp_path, architecture, **settings)
    segmenter = open_segmenter(SegmentSettings(model=str(model.path)), CPU)
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint16)
    masks = segmenter(image, (0.5, 0.5), SegmentSettings())
    assert masks.shape == shape[-2:] and masks.dtype == np.int32
    assert segmenter.find_diameter([image], (0.5, 0.5), SegmentSettings()) is None


@pytest.mark.parametrize("architecture", [DEFAULT, PAPER])
@pytest.mark.parametrize("image", [np.zeros((3, 40, 60), np.uint8), np.full((1, 1), 7, np.uint8)])
def test_an_image_without_anything_has_no_cells(tmp_path, architecture, image):
    model = stored(tmp_path, architecture, **(TINY_QUERIES if architecture == DEFAULT else {}))
    kinds = stored(tmp_path, KINDS, "k", "stage", stages=named("a", "b"), **KIND_SETTINGS)
    found = finder_of(str(model.path), str(kinds.path))(image)
    assert len(found) == 0 and not found.masks.any() and found.labels == []


def test_volumes_and_foreign_models_are_refused_in_a_sentence(tmp_path):
    model = stored(tmp_path, **TINY_QUERIES)
    segmenter = open_segmenter(SegmentSettings(model=str(model.path)), CPU)
    with pytest.raises(BadInput, match="is a volume"):
        segmenter(np.ones((4, 30, 30)), (1.0, 1.0, 1.0), SegmentSettings())
    with pytest.raises(BadInput, match="4 axes"):
        colours_last(np.ones((1, 2, 3, 4)), 3)
    with pytest.raises(MissingModel, match="do not fit their card"):
        wrong = stored(tmp_path, name="w", **TINY_QUERIES)
        text = (
            wrong.path.with_suffix(".json")
            .read_text()
            .replace("18.0", "18.0")
            .replace("8,\n", "9,\n", 1)
        )
        wrong.path.with_suffix(".json").write_text(text)
        open_segmenter(SegmentSettings(model=str(wrong.path)), CPU)
    with pytest.raises(MissingModel, match="does not tell kinds"):
        other = ModelCard(
            name="x", kind="stage", architecture="nucleus", settings={"stages": named("a", "b")}
        )
        open_teller(save_model({"a": torch.zeros(1)}, other, tmp_path), CPU)


def test_brightness_and_offset_of_an_image_do_not_matter():
    image = np.random.default_rng(0).integers(0, 99, (3, 64, 64)).astype(np.float32)
    there = prepared(image, 3, (64, 64))
    assert np.allclose(there, prepared(3 * image + 1000, 3, (64, 64)), atol=1e-3)
    assert there.min() >= -0.5 and there.max() <= 1.5


class Known:
    """A query model that knows where the cells are."""

    name, channels = "known", 3

    def cells(self, image):
        masks = np.zeros(image.shape[-2:], np.int32)
        masks[10:20, 10:20], masks[30:40, 40:52] = 1, 2
        return Points(np.array([[14.0, 14.0], [34.0, 45.0]]), np.array([0.9, 0.8])), masks


@pytest.mark.parametrize("architecture", [KINDS, "crop classifier"])
def test_kinds_of_cells_are_told_at_their_points(tmp_path, architecture):
    settings = KIND_SETTINGS if architecture == KINDS else {}
    model = stored(tmp_path, architecture, "k", "stage", stages=named("a", "b"), **settings)
    image = np.random.default_rng(0).integers(0, 255, (3, 60, 70)).astype(np.uint8)
    found = find_cells(image, Known(), open_teller(model, CPU))
    assert found.chances.shape == (2, 2)
    assert np.allclose(found.chances.sum(1), 1, atol=1e-5)
    assert set(found.labels) <= {"a", "b"}


def coloured_movie(tmp_path, architecture, frames=2):
    """A movie of three channels with two cells a frame, and a model that tells their kinds."""
    settings = KIND_SETTINGS if architecture == KINDS else {}
    model = stored(tmp_path, architecture, "k", "stage", stages=named("a", "b"), **settings)
    pixels = np.random.default_rng(1).integers(0, 255, (frames, 3, 60, 70)).astype(np.uint8)
    masks = np.zeros((frames, 60, 70), np.int32)
    masks[:, 10:20, 10:20], masks[:, 30:40, 40:52] = 1, 2
    movie = Movie(pixels, (1.0, 1.0), 300.0, ("marker", "green", "DAPI"))
    labels, tracks = track(movie, LabelStack(masks), model="simple")
    return movie, labels, tracks, str(model.path)


@pytest.mark.parametrize("architecture", [KINDS, "crop classifier"])
def test_kinds_of_the_cells_of_a_movie_are_told_in_all_its_colours(tmp_path, architecture):
    movie, labels, tracks, model = coloured_movie(tmp_path, architecture)
    told = classify(movie, labels, tracks, model=model).cells
    assert set(told["stage"]) <= {"a", "b"}
    teller = open_stage_model(model, "cpu")
    for time, cells in told.groupby("frame"):
        image = np.stack([movie.frame(time, name) for name in movie.channels])
        places = cells[["y", "x"]].to_numpy()
        expected = teller.at(image, labels.frame(time), cells["label"].to_numpy(), places)
        np.testing.assert_allclose(cells[["seen_a", "seen_b"]], expected, atol=1e-5)


def test_kinds_are_told_in_one_channel_if_it_is_chosen(tmp_path):
    movie, labels, tracks, model = coloured_movie(tmp_path, KINDS)
    grey = Movie(movie.pixels[:, 2:], movie.pixel_size, movie.frame_interval, ("DAPI",))
    chosen = ClassifySettings(channel="DAPI")
    in_one, alone, in_all = (
        classify(of, labels, tracks, settings, model=model).cells["seen_a"]
        for of, settings in ((movie, chosen), (grey, None), (movie, None))
    )
    np.testing.assert_allclose(in_one, alone)
    assert not np.allclose(in_one, in_all)


def test_kinds_of_cells_in_volumes_are_refused_in_a_sentence(tmp_path):
    movie, labels, tracks, model = coloured_movie(tmp_path, KINDS)
    deep = Movie(
        np.repeat(movie.pixels[:, :, None], 2, axis=2), (1.0, 1.0, 1.0), 300.0, movie.channels
    )
    masks = LabelStack(np.stack([np.stack([labels.frame(t)] * 2) for t in range(len(movie))]))
    _, tracks = track(deep, masks, model="simple")
    with pytest.raises(BadInput, match="this movie is of volumes; choose another"):
        classify(deep, masks, tracks, model=model)


def two_cells(fibres_at):
    """A colour image of two nuclei of 40 pixels, their masks, and stripes around one of them."""
    image = np.zeros((3, 300, 400), np.uint8)
    masks = np.zeros((300, 400), np.int32)
    for number, x in ((4, 100), (9, 300)):
        masks[130:170, x - 20 : x + 20] = number
        image[2, 130:170, x - 20 : x + 20] = 200
    image[0, 90:210:6, fibres_at - 60 : fibres_at + 60] = 120
    image[0, 91:210:6, fibres_at - 60 : fibres_at + 60] = 120
    return image, masks


PLACES = np.array([[150.0, 100.0], [150.0, 300.0]])


def test_fibres_are_measured_at_the_cell_that_has_them():
    left, right = (traits_of(*two_cells(x), np.array([4, 9]), PLACES, 40.0) for x in (100, 300))
    assert left.shape == (2, TRAITS) and np.isfinite(left).all()
    assert not np.allclose(left[0], left[1], atol=0.05)
    assert np.allclose(left[0], right[1], atol=0.02), "the same cell elsewhere"
    assert np.allclose(left[1], right[0], atol=0.02)


def test_traits_do_not_depend_on_the_magnification_or_on_turning():
    image, masks = two_cells(100)
    there = traits_of(image, masks, np.array([4, 9]), PLACES, 40.0)
    turned = traits_of(image.transpose(0, 2, 1), masks.T, np.array([4, 9]), PLACES[:, ::-1], 40.0)
    assert np.allclose(there, turned, atol=0.02)
    large = [np.kron(part, np.ones((2, 2), part.dtype)) for part in (*image, masks)]
    larger = traits_of(np.stack(large[:3]), large[3], np.array([4, 9]), 2 * PLACES, 80.0)
    assert np.abs(there - larger).max() < 0.1


def test_a_cell_without_a_mask_is_measured_around_its_place():
    image, masks = two_cells(100)
    there = traits_of(image, masks, np.array([4, 9]), PLACES, 40.0)
    lost = traits_of(image, np.where(masks == 4, 0, masks), np.array([4, 9]), PLACES, 40.0)
    assert np.isfinite(lost).all()
    assert np.abs(lost[0] - there[0]).mean() < np.abs(lost[0] - there[1]).mean()


def test_a_movie_of_three_channels_reaches_the_model_whole(tmp_path):
    seen = []

    class Colours:
        name, channels = "colours", 3

        def __call__(self, image, pixel_size, settings):
            seen.append(image.shape)
            return np.ones(image.shape[-2:], np.int32)

        def find_diameter(self, images, pixel_size, settings):
            return None

    movie = Movie(
        np.random.default_rng(0).random((2, 3, 30, 40)), (1.0, 1.0), 60.0, ("r", "g", "b")
    )
    segment(movie, model=Colours())
    segment(movie, SegmentSettings(channel="b"), model=Colours())
    assert set(seen[:2]) == {(3, 30, 40)} and seen[-1] == (30, 40)
