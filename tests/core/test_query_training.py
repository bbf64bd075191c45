"""What query models learn is what annotations show, and they learn it."""

import numpy as np
import pytest
from tests.core.if_images import annotated_image
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.labelled_cells import score_labelled, total
from napari_cellcycle.io.labelme import read_folder, write_labelled
from napari_cellcycle.models.segment.query.finder import finder_of
from napari_cellcycle.training.segment.query.own import QueryLessonSettings, teach_queries
from napari_cellcycle.training.segment.query.split import (
    parts_of,
    published_split,
    read_split,
    write_split,
)

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten annotated images, the fifth without cells."""
    place = tmp_path_factory.mktemp("annotations")
    for number in range(10):
        cells = 0 if number == 4 else 5
        write_labelled(annotated_image(number, cells=cells), place / f"{number:04d}.json")
    return place


def disc_example(masks):
    return Annotated(np.stack([masks > 0] * 3).astype(np.uint8) * 200, masks, "g", "n")


def test_250_images_are_dealt_as_published():
    names = [f"{number:04d}.json" for number in range(251) if number != 48]
    parts = published_split(names)
    counts = {part: list(parts.values()).count(part) for part in set(parts.values())}
    assert counts == {"test": 50, "validation": 25, "train": 175}
    assert published_split(names[::-1]) == parts, "the order of the files does not matter"
    assert list(published_split(names[:249]).values()).count("test") == 49


def test_a_split_reads_back_and_a_wrong_one_is_told(tmp_path):
    parts = published_split(["a.json", "b.json", "c.json"], test=0.34, validation=0.34)
    write_split(parts, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", list(parts)) == parts
    with pytest.raises(BadInput, match="names none of the 1 annotations"):
        read_split(tmp_path / "split.csv", ["z.json"])
    (tmp_path / "odd.csv").write_text("file,split\na.json,training\n")
    with pytest.raises(BadInput, match="the part 'training'"):
        read_split(tmp_path / "odd.csv", ["a.json"])
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    with pytest.raises(BadInput, match="cannot be read as a split"):
        read_split(tmp_path / "other.csv", ["a.json"])


def test_depth_is_largest_in_the_middle_of_each_cell_and_none_between_them():
    from napari_cellcycle.training.segment.query.examples import UNKNOWN, depth_of

    masks = np.zeros((40, 60), np.int32)
    masks[10:31, 10:31], masks[10:31, 31:52], masks[0:5, 0:5] = 1, 2, -1
    depth = depth_of(masks)
    assert depth[20, 20] == depth[20, 41] == 254
    assert depth[20, 30] == depth[20, 31] == 1, "where two cells touch there is an outline"
    assert depth[5, 30] == 0 and depth[2, 2] == UNKNOWN
    assert not depth_of(np.zeros((9, 9), np.int32)).any()


def test_a_cell_that_the_image_cuts_is_deepest_at_the_cut():
    from napari_cellcycle.training.segment.query.examples import depth_of

    masks = np.zeros((30, 30), np.int32)
    masks[:8, 10:21] = 1
    assert depth_of(masks)[:4, 15].min() > 200


def test_points_know_the_cells_that_the_crop_shows():
    from napari_cellcycle.training.segment.query.default import varied
    from napari_cellcycle.training.segment.query.examples import UNKNOWN, query_examples

    masks = np.zeros((120, 160), np.int32)
    masks[40:80, 50:100] = 1
    rng = np.random.default_rng(0)
    example = query_examples([disc_example(masks)], 0.5, 3, rng)[0]
    assert example.image.shape == (60, 80, 3)
    right = []
    for _ in range(8):
        crop, points, depth = varied(example, 96, 300, rng)
        at = np.rint(points).astype(int)
        bright = crop[1, at[:, 0], at[:, 1]] > 0.5 * crop[1].max()
        known = depth < UNKNOWN
        right.append((bright == (depth > 0))[known].mean())
    assert np.mean(right) > 0.93


@pytest.mark.parametrize("cells", [True, False])
def test_published_points_lie_in_and_near_cells_and_an_empty_image_breaks_nothing(cells):
    from napari_cellcycle.training.segment.query.paper import (
        PaperSettings,
        paper_crop,
        paper_example,
    )

    masks = np.zeros((200, 300), np.int32)
    if cells:
        masks[80:130, 100:160] = 1
    example = paper_example(disc_example(masks), blur_px=20)
    rng = np.random.default_rng(0)
    image, points, inside, counts = paper_crop(example, PaperSettings(), rng, whole=True)
    assert image.shape == (3, 224, 224)
    assert inside.sum() == (128 if cells else 0)
    assert counts.sum() == (384 if cells else 256)
    y, x = (points[:, ::-1] * (200, 300)).astype(int)[counts > 0].T
    assert np.mean((masks[y, x] > 0) == (inside[counts > 0] > 0)) > 0.97
    if cells:
        away = np.hypot(y - 105, x - 130)[inside[counts > 0] == 0]
        assert (away < 80).mean() > 0.5, "most of what is no cell is close to one"
        crop = paper_crop(example, PaperSettings(), rng)
        assert crop[2].sum() == 128, "crops are drawn again until they hold enough"


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_a_model_learns_to_find_cells_and_comes_back_from_its_files(
    folder, tmp_path, preset, monkeypatch
):
    from napari_cellcycle.training.segment.query import default

    monkeypatch.setattr(default.QueryTask, "__init__", small(default.QueryTask.__init__))
    images = read_folder(folder)
    parts = {f"{n:04d}.json": "train" if n < 8 else "validation" for n in range(10)}
    settings = QueryLessonSettings(preset=preset, epochs=2, kind_epochs=1)
    model, kinds = teach_queries("mine", images, parts, tmp_path, settings)
    assert model.card.data == [f"{n:04d}.json" for n in range(8)]
    find = finder_of(str(model.path), str(kinds.path), device="cpu")
    score = total(score_labelled(images[8:], find))
    assert score.found + score.missed == 10
    if preset == "default":
        assert score.recall > 0.7, score
    losses = [epoch["loss"] for epoch in model.card.settings["training"]]
    assert losses[1] < losses[0]
    assert not list(tmp_path.glob("*.training"))


def small(usual):
    """The task with small batches and crops, for seconds instead of minutes."""

    def made(self, examples, **settings):
        usual(
            self, examples, batches_per_epoch=30, batch_size=2, side_px=96, queries=300, **settings
        )

    return made


def test_without_cells_to_learn_from_it_says_so(folder, tmp_path):
    images = read_folder(folder)
    with pytest.raises(BadInput, match="shows an outlined cell"):
        teach_queries("mine", images, {"0004.json": "train"}, tmp_path)


def test_the_command_line_deals_trains_and_scores(folder, tmp_path):
    split = tmp_path / "split.csv"
    dealt = CliRunner().invoke(app, ["queries", "prepare", str(folder), "--out", str(split)])
    assert "test 2, " in dealt.output.replace("train 7, validation 1, test 2", "test 2, ")
    assert set(read_split(split, [f"{n:04d}.json" for n in range(10)]).values()) == {
        "train",
        "validation",
        "test",
    }
    assert parts_of(read_folder(folder), None) == parts_of(read_folder(folder), split)
    start = ["queries", "train", str(folder), "--split", str(split), "--name", "p", "--out"]
    trained = CliRunner().invoke(
        app, [*start, str(tmp_path), "--preset", "paper", "--epochs", "1", "--kind-epochs", "1"]
    )
    assert trained.exit_code == 0, trained.output
    scored = CliRunner().invoke(
        app,
        ["queries", "evaluate", str(folder), "--split", str(split), "--model",
         str(tmp_path / "p.safetensors"), "--kinds", str(tmp_path / "p-kinds.safetensors"),
         "--threshold", "0.2", "--out", str(tmp_path / "found")],
    )  # fmt: skip
    assert scored.exit_code == 0, scored.output
    assert "| TP | FP | FN |" in scored.output
    assert len(read_folder(tmp_path / "found")) == 1
