"""The picture, the table and the demo itself."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.cli.demo import report
from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.evaluation.durations import stage_times, stage_visits
from napari_cellcycle.evaluation.figures import lineage_order, save_picture
from napari_cellcycle.simulate import simulate


def simulated(ndim=2):
    settings = SimulateSettings(
        ndim=ndim, seed=2, frames=12, size=96, planes=5, cells=6, cycle_hours=2, cycle_spread=0.5
    )
    made = simulate(settings)
    step = Step("segment", {}, seconds=1.5)
    return Experiment(made.movie, made.labels, made.tracks, history=(step,))


@pytest.fixture(scope="module")
def experiment():
    found = simulated()
    assert len(found.tracks.divisions) > 0
    return found


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_picture_is_drawn_in_2d_and_3d(ndim, tmp_path):
    from skimage.io import imread

    save_picture(simulated(ndim), tmp_path / "picture.png")
    image = imread(tmp_path / "picture.png")
    assert image.shape[1] > 1000 and image.std() > 10


def test_the_picture_needs_tracks_and_a_place(experiment, tmp_path):
    with pytest.raises(BadInput, match="run Track first"):
        save_picture(Experiment(experiment.movie), tmp_path / "picture.png")
    with pytest.raises(CannotWrite):
        save_picture(experiment, tmp_path / "missing" / "picture.png")


def test_daughters_lie_on_either_side_of_their_mother(experiment):
    order = lineage_order(experiment.tracks)
    assert set(order.index) == set(experiment.tracks.track_id)
    for mother, daughters in order[order["mother"] > 0].groupby("mother"):
        place = order.loc[mother, "place"]
        assert daughters["place"].min() <= place <= daughters["place"].max()


def test_a_large_tree_is_cut_by_whole_lineages(experiment):
    order = lineage_order(experiment.tracks, most=4)
    assert 0 < len(order) <= max(4, len(order[order["place"] < 3]))
    assert set(order["mother"]) - {0} <= set(order.index)


def test_times_add_up_to_all_that_was_seen(experiment):
    times = stage_times(experiment)
    assert list(times.index) == list(experiment.stages.names)
    assert times["observations"].sum() == len(experiment.tracks)
    visits = stage_visits(experiment)
    assert times["visits"].sum() == len(visits)
    first = experiment.tracks.cells["frame"].min()
    whole = visits[visits["is_whole"] & (visits["first"] == first)]
    assert whole["track"].isin(list(experiment.tracks.mothers)).all()


def test_the_table_is_short_and_complete(experiment):
    lines = report(experiment, 12.3).splitlines()
    assert len(lines) < 20
    assert any(line.startswith("divisions") for line in lines)
    assert any(line.startswith("metaphase") for line in lines)
    assert lines[-1].split() == ["seconds", "12.3", "segment", "1.5"]


def test_the_demo_does_the_whole_job(tmp_path):
    from napari_cellcycle.models.store import list_models

    if len(list_models(folder=tmp_path)) < 3:
        pytest.skip("the shipped weights are not there")
    out = tmp_path / "demo"
    given = ["demo", "--out", str(out), "--no-window", "--device", "cpu"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "divisions" in result.stdout
    assert sorted(path.name for path in Path(out).iterdir()) == [
        "nuclei_2d.cellcycle",
        "nuclei_2d.png",
    ]
