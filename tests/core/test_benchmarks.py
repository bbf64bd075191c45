"""The parts of the benchmarks that could go wrong without anybody noticing."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import corrections
import examples
import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.teach.tallies import Tally

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch) -> Any:
    """Gives a module of the benchmarks, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(FOLDER)

    def load(name: str) -> ModuleType:
        return import_module(name)

    return load


@pytest.mark.parametrize("cells", [400, 3000])
def test_a_colony_is_a_forest_of_as_many_cells_as_asked_for(benchmark, cells):
    made = benchmark("colonies").colony(cells, seed=1)
    assert len(made.cells) == cells
    tracks = Tracks(made.cells, made.cells.iloc[:0].assign(parent=0, child=0))
    links = tracks.links.iloc[:0].reindex(range(len(made.links)))
    links = links.assign(parent=made.links[:, 0], child=made.links[:, 1], score=1.0, by="model")
    family = Tracks(made.cells, links)  # raises if it is no forest
    assert len(family.divisions) > cells / 400
    assert len(links) > 0.9 * cells - made.cells["frame"].eq(0).sum()
    assert made.agreement(links) == 1
    inside = made.cells[["y", "x"]].to_numpy()
    assert inside.min() >= 0 and inside.max() < made.side


def test_discs_of_a_colony_overlap_by_no_more_than_the_smaller_one(benchmark):
    made = benchmark("colonies").colony(1000, seed=2)
    frame, area = made.cells["frame"].to_numpy(), made.cells["area"].to_numpy()
    parent, child = (made.overlaps[end].to_numpy() for end in ("parent", "child"))
    assert set(np.unique(frame[child] - frame[parent])) == {1, 2}
    assert (made.overlaps["pixels"] <= np.minimum(area[parent], area[child]) + 1e-6).all()


def test_the_same_seed_makes_the_same_colony_also_through_a_file(benchmark, tmp_path):
    colonies = benchmark("colonies")
    colonies.colony(500, seed=3).save(tmp_path / "colony.npz")
    read, again = colonies.Colony.load(tmp_path / "colony.npz"), colonies.colony(500, seed=3)
    assert read.cells.equals(again.cells) and read.overlaps.equals(again.overlaps)
    assert (read.links == again.links).all() and read.side == again.side


def test_laptrack_finds_the_division_of_a_toy_and_gives_it_as_our_tracks(benchmark):
    pytest.importorskip("laptrack")
    peers, toy = benchmark("peers"), examples.division()
    tracks = peers.laptrack(peers.centres_of(toy.labels), 10, 15)
    cells = tracks.cells
    name = dict(zip(cells.index, zip(cells["frame"], cells["label"], strict=True), strict=True))
    found = {(name[p], name[c]) for p, c in tracks.links[["parent", "child"]].to_numpy()}
    assert found == toy.links


def test_cells_without_a_track_stay_alone(benchmark):
    peers = benchmark("peers")
    cells = peers.centres_of(examples.two_walkers().labels)
    track = cells["label"].where(cells["frame"] < 2)
    tracks = peers.forest(cells, track, {})
    assert len(tracks.links) == 2
    assert cells["frame"].loc[tracks.links["child"]].eq(1).all()


def test_a_simulated_truth_scored_against_itself_is_perfect(benchmark, tmp_path):
    pytest.importorskip("ctc_metrics")
    made = simulate(SimulateSettings(ndim=3, frames=6, size=64, planes=6, cells=4, cycle_hours=1))
    benchmark("sequences").write_truth(made.labels, made.tracks, tmp_path / "01_GT")
    scores = benchmark("rows").scored(made.labels, made.tracks, tmp_path / "01_GT")
    assert scores["LNK"] == scores["TRA"] == 1


def test_every_row_of_the_table_has_as_many_columns_as_its_head(benchmark):
    rows = benchmark("rows")
    about = {"sequence": "HeLa", "masks": "silver", "linker": "ours", "how": "within"}
    scores = dict.fromkeys(rows.SCORES, 0.5) | {"DIV": None}
    done = {"scores": scores, "cells": 3, "measuring": 1.0, "linking": 2.0, "peak_gb": 0.5}
    table = rows.table([about | done, about | {"failed": "no weights"}]).splitlines()
    assert len({text.count("|") for text in table}) == 1


def test_corrections_are_measured_on_a_valid_movie_and_each_of_them_is_taken_back(benchmark):
    made = benchmark("editing_scene").scene(1500, 200)
    cases, editing = benchmark("editing_cases").CASES, benchmark("editing")
    editor = Editor(bench_of(made.experiment, made.masks), resolving=True)
    corrections.check(editor.draft)
    before = corrections.state_of(editor.draft)
    rare = {"join", "insert a missing cell"}
    for name in cases:
        found = list(editing.measured(editor, name, 1, 0))
        assert found or name in rare, f"nothing to {name}"
    assert not corrections.differences(before, corrections.state_of(editor.draft))


@pytest.fixture
def stage_case(benchmark):
    """A tiny movie whose stages are to be taught, and the benchmark's modules of learning."""
    cases = benchmark("learning_cases")
    base = benchmark("learning_bases").Base("frame", "the shipped `frame`")
    settings = SimulateSettings(size=128, cells=6, cycle_hours=2, frame_interval=600)
    return cases.StageCase(base, "stages", settings, (5, 6), 10)


def test_who_is_simulated_to_teach_corrects_what_is_suggested_and_nothing_twice(
    benchmark, stage_case
):
    curves = benchmark("learning_curves")
    annotator = curves.Annotator(stage_case, "suggested", seed=0)
    told = curves.suggest(annotator.state.experiment(), "stage", curves.ASKED)
    assert annotator.go_on(curves.ASKED) == len(told) == curves.ASKED
    assert annotator.done == [each.cell for each in told]
    assert annotator.go_on(12) == 12 == len(set(annotator.done))
    cells = annotator.state.experiment().tracks.cells
    pinned = cells.loc[cells["pinned"] != "", "pinned"]
    true = {number: stage_case._stage[number] for number in annotator.done}
    assert pinned.to_dict() == true
    other = curves.Annotator(stage_case, "random", seed=0)
    other.go_on(12)
    assert set(other.done) != set(annotator.done)


def test_links_are_corrected_to_the_truth_in_the_editor(benchmark):
    made = simulate(SimulateSettings(size=128, frames=8, cells=6, cycle_hours=1, seed=3))
    cells, links = made.tracks.cells.assign(by="model"), made.tracks.links
    assert len(made.tracks.divisions)
    start = Experiment(made.movie, made.labels, Tracks(cells, links.iloc[:0]))
    found = benchmark("learning_cases").LinkCorrections(start, made.tracks, made.labels)
    assert all(found.correct(cell) for cell in cells.index.tolist())
    now = found.experiment().tracks.links
    ends = ["parent", "child"]
    assert {*map(tuple, now[ends].to_numpy())} == {*map(tuple, links[ends].to_numpy())}


def test_an_order_with_less_error_at_each_number_of_corrections_has_the_smaller_area(benchmark):
    curves = benchmark("learning_curves")

    def points(order, errors):
        tallies = [
            Tally("x", np.array([[1 - e, 1]] * 4), lambda s: s[..., 0] / s[..., 1]) for e in errors
        ]
        made = zip((0, 5, 20), tallies, strict=True)
        return curves.Curve(order, 0, [curves.Point(n, t, None, True, 0.0) for n, t in made])

    areas = curves.compared(
        [points("suggested", (0.4, 0.2, 0.2)), points("random", (0.4, 0.4, 0.2))]
    )
    assert areas.suggested == pytest.approx((5 * 0.3 + 15 * 0.2) / 20)
    assert areas.less == pytest.approx(0.1) and areas.interval == pytest.approx((0.1, 0.1))
