"""What the processor does, a graphics card does as well: finding cells, telling them, learning.

Runs where torch has a CUDA device: `pytest -m gpu tests/core`.
"""

import numpy as np
import pytest
import torch
from skimage.io import imsave
from taught import BASES, corrected, request_for, saved, untouched
from tests.core.if_images import annotated_image

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.evaluation.segmentation import score_masks
from napari_cellcycle.io.labelme import read_folder, write_labelled
from napari_cellcycle.jobs.benchmark import frame_of_nuclei, seconds_per_frame
from napari_cellcycle.models.segment import open_segmenter
from napari_cellcycle.models.segment.query.finder import finder_of
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.pipeline.classify_crops import classify_crops
from napari_cellcycle.pipeline.run import run
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.link.own import TeachSettings, teach_links
from napari_cellcycle.training.link.presets import PRESETS as LINK_PRESETS
from napari_cellcycle.training.segment.lesson import SegmentTeachSettings
from napari_cellcycle.training.segment.own import teach_segmentation
from napari_cellcycle.training.segment.query.own import QueryLessonSettings, teach_queries
from napari_cellcycle.training.stage.own import StageTeachSettings, teach_stages
from napari_cellcycle.training.stage.presets import PRESETS as STAGE_PRESETS
from napari_cellcycle.training.teach import teach

CARD = "cuda"
ALIKE = 0.02
"""How much chances may differ: cards multiply with fewer digits."""
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card"),
]


@pytest.fixture
def flat(tmp_path):
    """A small movie with masks, links and stages set by the user."""
    return saved(corrected(), tmp_path)


@pytest.fixture
def volumes(tmp_path):
    """The same of an embryo."""
    return saved(corrected(3), tmp_path, "embryo")


def write_crops(folder, size=60):
    """Coloured crops of a small or a large disc, a folder each."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size)) - (size - 1) / 2
    for stage, usual in (("small", 6), ("large", 12)):
        for number in range(12):
            inside = y**2 + x**2 < (usual + rng.random()) ** 2
            image = 200 * inside[..., None] + rng.integers(0, 20, (size, size, 3))
            path = folder / stage / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            imsave(path, image.astype(np.uint8), check_contrast=False)
    return folder


def told(experiment, model, device):
    """Chances of the stages of all cells, (n, S)."""
    found = classify(
        experiment.movie, experiment.labels, experiment.tracks, model=model, device=device
    )
    return found.cells.filter(like="p_").to_numpy()


def linked(linker, device):
    """The tracks of the small movie's cells."""
    found = untouched()
    return track(found.movie, found.labels, model=linker, device=device)[1]


def test_a_movie_is_segmented_tracked_and_staged_as_on_the_processor():
    movie = untouched().movie
    here, there = (run(movie, device=device) for device in ("cpu", CARD))
    for time in range(len(movie)):
        score = score_masks(there.labels.frame(time), here.labels.frame(time))
        assert score.matched[0] == score.cells == score.masks
    assert len(there.tracks) == len(here.tracks)
    assert len(there.tracks.links) == len(here.tracks.links)
    same = there.tracks.cells["stage"].to_numpy() == here.tracks.cells["stage"].to_numpy()
    assert same.mean() > 0.97


@pytest.mark.parametrize("linker", ["simple", "cellcycle-links"])
def test_links_are_as_sure_as_on_the_processor(linker):
    here, there = (linked(linker, device).candidates for device in ("cpu", CARD))
    np.testing.assert_allclose(
        there.select_dtypes("number"), here.select_dtypes("number"), atol=ALIKE
    )


@pytest.mark.parametrize("model", ["frame", "rnn", "nucleus"])
def test_stages_are_as_sure_as_on_the_processor(model):
    found = untouched(3 if model == "nucleus" else 2)
    np.testing.assert_allclose(told(found, model, CARD), told(found, model, "cpu"), atol=ALIKE)


@pytest.mark.parametrize("preset", sorted(STAGE_PRESETS))
def test_each_stage_network_learns_on_the_card_and_is_used_anywhere(
    preset, flat, volumes, tmp_path
):
    food = STAGE_PRESETS[preset].food
    source = volumes if food == "nuclei" else flat
    if food == "colour crops":
        source = write_crops(tmp_path / "discs")
    model, taught = teach_stages(
        "mine",
        [source],
        tmp_path / "models",
        preset=preset,
        settings=StageTeachSettings(epochs=2, trust_all=True, held_out_part=0),
        device=CARD,
    )
    assert len(taught.history) == 2
    assert all(np.isfinite(epoch.loss) for epoch in taught.history)
    path = str(model.path)
    if food == "colour crops":
        chances = [
            classify_crops(source, open_stage_model(path, device)).table.filter(like="p_")
            for device in ("cpu", CARD)
        ]
    else:
        found = untouched(3 if food == "nuclei" else 2)
        chances = [told(found, path, device) for device in ("cpu", CARD)]
    np.testing.assert_allclose(*chances, atol=ALIKE)


def test_the_order_of_stages_is_learned_on_the_card(flat, tmp_path):
    stages = untouched().stages.names
    for preset in ("rnn", "rnn-paper"):
        _, taught = teach_stages(
            preset,
            [flat],
            tmp_path / "models",
            preset=preset,
            transcript=f"{stages[0]} {stages[1]}",
            lasting=f"{stages[0]} 60, {stages[1]} 60",
            settings=StageTeachSettings(epochs=2, trust_all=True, held_out_part=0),
            device=CARD,
        )
        assert np.isfinite(taught.history[-1].loss)


@pytest.mark.parametrize("preset", sorted(LINK_PRESETS))
def test_each_linker_learns_on_the_card_and_is_used_anywhere(preset, flat, tmp_path):
    settings = TeachSettings(epochs=1, trust_all=True)
    model, _ = teach_links(
        "mine", [flat], tmp_path / "models", preset=preset, settings=settings, device=CARD
    )
    links = [len(linked(str(model.path), device).links) for device in ("cpu", CARD)]
    assert links[0] == pytest.approx(links[1], abs=2)


def test_a_segmentation_learns_on_the_card_and_is_used_anywhere(flat, tmp_path):
    model, taught = teach_segmentation(
        "mine",
        [flat],
        tmp_path / "models",
        settings=SegmentTeachSettings(epochs=2, simulated=1),
        device=CARD,
    )
    assert taught.score is not None and taught.score.value > 0.5
    settings = SegmentSettings(model=str(model.path), diameter=20)
    frame = frame_of_nuclei()
    here, there = (
        open_segmenter(settings, torch.device(device))(frame, (1.0, 1.0), settings)
        for device in ("cpu", CARD)
    )
    assert score_masks(there, here).matched[0] == here.max() > 10


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_coordinate_queries_learn_on_the_card_and_are_used_anywhere(preset, tmp_path):
    for number in range(6):
        write_labelled(annotated_image(number), tmp_path / f"{number}.json")
    images = read_folder(tmp_path)
    parts = {f"{n}.json": "train" if n < 4 else "validation" for n in range(6)}
    teach_queries(
        "mine",
        images,
        parts,
        tmp_path / "models",
        QueryLessonSettings(preset=preset, epochs=2, kind_epochs=2),
        device=CARD,
    )
    model, kinds = (
        str(tmp_path / "models" / f"{name}.safetensors") for name in ("mine", "mine-kinds")
    )
    counts = [
        len(finder_of(model, kinds, device=device)(images[5].pixels())) for device in ("cpu", CARD)
    ]
    assert counts[0] == pytest.approx(counts[1], abs=2)


def test_all_models_are_taught_at_once_on_the_card(flat):
    proposals = teach(request_for(flat, "segment", "link", "stage", device=CARD))
    assert {kind for kind in BASES if proposals.of(kind) is not None} == set(BASES)


def test_a_training_on_the_card_that_was_stopped_goes_on(flat, tmp_path):
    def stopping(done, total, message=""):
        if message.startswith("Training, loss"):
            raise Cancelled

    options = {
        "preset": "rnn",
        "settings": StageTeachSettings(epochs=3, trust_all=True),
        "device": CARD,
    }
    with pytest.raises(Cancelled):
        teach_stages("mine", [flat], tmp_path, progress=stopping, **options)
    assert (tmp_path / "mine.training").is_file()
    _, taught = teach_stages("mine", [flat], tmp_path, resume=True, **options)
    assert [epoch.number for epoch in taught.history] == [1, 2, 3]


def test_a_card_with_little_memory_gets_smaller_tiles():
    frame = np.tile(frame_of_nuclei(512), (8, 8))
    settings = SegmentSettings(diameter=20)
    free = open_segmenter(settings, torch.device(CARD))
    expected = free(frame, (1.0, 1.0), settings)
    del free
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(400e6 / whole)
    try:
        little = open_segmenter(settings, torch.device(CARD))
        with pytest.warns(UserWarning, match="Memory ran out"):
            found = little(frame, (1.0, 1.0), settings)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert score_masks(found, expected).matched[0] > 0.99 * expected.max()


def test_the_card_is_not_slower_than_the_processor():
    assert seconds_per_frame(CARD) < 2 * seconds_per_frame("cpu")
