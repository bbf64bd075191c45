"""Sources of known stages are recognised by their layout, cut alike, and must fit each other."""

from pathlib import Path

import numpy as np
import pytest
from taught import corrected, untouched, with_pins
from tests.core.crop_layouts import live_cell, write, zhong

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, free_stages
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crop_scale import crop_diameter
from napari_cellcycle.training.stage import sequences
from napari_cellcycle.training.stage.lessons import Cells
from napari_cellcycle.training.stage.order import aligner_of, mean_lengths, notes_on
from napari_cellcycle.training.stage.sources import (
    StageSource,
    colour_examples,
    common_stages,
    cut_sequences,
    examples_of,
    open_source,
    source_of,
)


def disc(radius, size=40):
    y, x = np.indices((size, size)) - (size - 1) / 2
    return (200 * (y**2 + x**2 < radius**2)).astype(np.uint8)


@pytest.fixture
def h2b(tmp_path):
    for stage in ("inter", "meta", "apo"):
        for number in range(3):
            write(tmp_path / "h2b" / stage / f"{number}.png", disc(10))
    return tmp_path / "h2b"


def test_each_layout_is_recognised_and_tells_its_stages(tmp_path, h2b):
    tracks = open_source(live_cell(tmp_path / "lcm"))
    benchmark = open_source(zhong(tmp_path / "zhong"))
    crops = open_source(h2b)
    assert tracks.stages == LIVE_CELL and benchmark.stages == MITOSIS and crops.stages == H2B
    assert crops.known == ("interphase", "metaphase", "apoptosis")
    assert common_stages([benchmark, crops]) == H2B
    with pytest.raises(BadInput, match="tell different stages"):
        common_stages([tracks, crops])
    with pytest.raises(BadInput, match="shows early mitosis, late mitosis, but the model"):
        common_stages([tracks], H2B)


def test_tracks_become_paths_and_divisions_groups(tmp_path):
    source = open_source(zhong(tmp_path))
    found, names = cut_sequences(source, H2B, 2.4, 64)
    assert found.images.shape == (16, 64, 64) and found.masks.shape == (16, 64, 64)
    assert [len(path) for path in found.paths] == [8, 8] and found.group.tolist() == [0, 0]
    assert names.tolist() == ["P0001_T1__B01"]
    assert [H2B.names[c] for c in found.code[[0, 3]]] == ["interphase", "prometaphase"]
    examples = examples_of(found)
    assert len(examples) == 16 and set(examples.group) == {0}


def test_of_an_experiment_only_lineages_with_a_known_stage_are_cut(monkeypatch):
    found = untouched()
    cut = []
    crops = sequences.crops
    monkeypatch.setattr(sequences, "crops", lambda *a, **k: cut.append(len(a[1])) or crops(*a, **k))
    whole, names = cut_sequences(source_of(corrected(), Path("x")), H2B, 2.13, 64)
    assert sum(cut) == len(found.tracks)
    cut.clear()
    one = int(found.tracks.cells.index[5])
    pinned = with_pins(found, {one: "metaphase"})
    part, (name,) = cut_sequences(source_of(pinned, Path("x")), H2B, 2.13, 64)
    assert 0 < sum(cut) == len(part.images) < len(found.tracks) / 2
    assert (part.code >= 0).sum() == 1
    same = np.isin(whole.group, np.flatnonzero(names == name))
    rows = [row for path, kept in zip(whole.paths, same, strict=True) if kept for row in path]
    np.testing.assert_array_equal(part.images, whole.images[np.unique(rows)])


def test_crops_in_which_no_stage_can_be_seen_are_not_learned_from(tmp_path):
    for stage in ("a", "b"):
        write(tmp_path / "crops" / stage / "0.png", disc(2, 6))
    with pytest.raises(BadInput, match="needs at least 12 to see a stage"):
        open_source(tmp_path / "crops")


def test_a_window_is_as_wide_as_so_many_cells(h2b):
    assert crop_diameter(np.stack([disc(10)] * 3)) == pytest.approx(20, abs=1.5)
    masks = np.stack([disc(7) > 0] * 3)
    assert crop_diameter(np.zeros((3, 40, 40)), masks) == pytest.approx(14, abs=0.5)
    found, _ = cut_sequences(open_source(h2b), H2B, 2.0, 40)
    assert np.mean(found.images[0] > 100) == pytest.approx(np.pi / 16, abs=0.03)


def test_the_classifier_sees_crops_as_they_are(h2b):
    source = open_source(h2b)
    examples, names = colour_examples(source, source.stages)
    assert examples.images.shape == (9, 224, 224, 3) and examples.images.dtype == np.uint8
    assert (examples.images[0] > 0).sum() == 3 * (disc(10) > 0).sum() and len(names) == 9


def test_orders_of_stages_are_told_for_all_cells_or_for_each(tmp_path):
    source = open_source(zhong(tmp_path / "data"))
    found, names = cut_sequences(source, MITOSIS, 2.4, 64)
    cells = Cells(found, np.array([f"data: {name}" for name in names]), (16,))
    one = aligner_of(cells, MITOSIS, "interphase, prophase, interphase", None)
    assert one.transcripts == [(0, 1, 0)] and one.settings.soft
    hard = aligner_of(cells, MITOSIS, "interphase, prophase, interphase", None, soft=False)
    assert not hard.settings.soft and hard.about != one.about
    table = tmp_path / "orders.csv"
    table.write_text('cell,transcript\nP0001_T1__B01,"interphase, metaphase"\n')
    assert aligner_of(cells, MITOSIS, None, table).transcripts == [(0, 3), (0, 3)]
    assert one.about != aligner_of(cells, MITOSIS, None, table).about, (
        "a training does not mix them"
    )
    assert notes_on(one) and not notes_on(aligner_of(cells, MITOSIS, None, table))
    long = ", ".join(["interphase", "prophase"] * 5)
    table.write_text(f'cell,transcript\nP0001_T1__B01,"{long}"\n')
    with pytest.raises(BadInput, match=r"transcript of 'data: P0001_T1__B01' .* 10 stages"):
        aligner_of(cells, MITOSIS, None, table)
    table.write_text("cell,transcript\nother,interphase\n")
    with pytest.raises(BadInput, match="no transcript of 'data: P0001_T1__B01'"):
        aligner_of(cells, MITOSIS, None, table)
    table.write_text("name,order\n")
    with pytest.raises(BadInput, match="'cell' and 'transcript' were expected"):
        aligner_of(cells, MITOSIS, None, table)
    with pytest.raises(BadInput, match="Both"):
        aligner_of(cells, MITOSIS, "interphase", table)


def test_stages_last_as_long_as_their_set_says_where_frames_have_a_rate():
    def source(interval, stages=H2B, guessed=()):
        known = (1.0, 1.0), interval, ("H2B",), None, frozenset(guessed)
        movie = Movie(np.zeros((2, 1, 8, 8)), *known)
        return StageSource("movie", Path(), stages, experiment=Experiment(movie, stages=stages))

    slow, fast = (mean_lengths([source(seconds)], H2B) for seconds in (600.0, 60.0))
    np.testing.assert_allclose(fast, 10 * slow)
    minutes = dict(zip(H2B.names, fast, strict=True))
    assert 5 < minutes["metaphase"] < 90 and 240 < minutes["interphase"] < 3000
    assert mean_lengths([source(60.0), source(600.0)], H2B) is None
    assert mean_lengths([source(60.0, guessed=["frame_interval"])], H2B) is None
    assert mean_lengths([source(60.0, guessed=["pixel_size"])], H2B) is not None
    free = free_stages(["a", "b"])
    assert mean_lengths([source(60.0, free)], free) is None
    timed = dict(zip(H2B.names, mean_lengths([source(60.0)], H2B, "Prophase 12"), strict=True))
    assert timed == minutes | {"prophase": 12.0}
    assert mean_lengths([source(30.0, free)], free, "a: 8, b = 2.5").tolist() == [16, 5]
    with pytest.raises(BadInput, match="leaves out b"):
        mean_lengths([source(60.0, free)], free, "a 8")
    with pytest.raises(BadInput, match="no frame interval, a guessed one or several"):
        mean_lengths([source(60.0), source(600.0)], H2B, "prophase 12")
    for wrong in ("", "prophase", "prophase -1", "prophase inf", "sleep 3"):
        with pytest.raises(BadInput, match="expected a stage and its minutes"):
            mean_lengths([source(60.0)], H2B, wrong)


def test_channels_of_crops_are_numbers(h2b):
    for wrong in ("red", "1,2", "0,,1"):
        with pytest.raises(BadInput, match="number from 0"):
            open_source(h2b, channel=wrong)
