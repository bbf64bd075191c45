"""Export and import as commands."""

import pytest
from here import jobs_here
from test_cli import call, experiment, refused, sequence  # noqa: F401 - fixtures

from napari_cellcycle.io.experiment import open_experiment


@pytest.fixture(scope="module", autouse=True)
def here():
    with jobs_here():
        yield


@pytest.mark.parametrize(
    ("form", "name"), [("trackmate", "a.xml"), ("geff", "a.geff"), ("csv", "a.csv")]
)
def test_what_is_exported_can_be_imported(experiment, sequence, tmp_path, form, name):  # noqa: F811
    result = call("export", experiment, "--as", form, "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert "everything it can hold came back as it was" in result.stdout
    again = tmp_path / "again.cellcycle"
    masks = sequence / "01_GT" / "TRA"
    result = call(
        "import", tmp_path / name, "--movie", sequence / "01", "--masks", masks, "--out", again
    )
    assert result.exit_code == 0, result.output
    assert "lie on a mask of their own" in result.stdout
    before, after = open_experiment(experiment), open_experiment(again)
    assert after.movie.pixel_size == before.movie.pixel_size
    stages = before.tracks.cells["stage"]
    assert after.tracks.cells.loc[stages.index, "stage"].tolist() == stages.tolist()
    links = [set(map(tuple, e.tracks.links[["parent", "child"]].values)) for e in (before, after)]
    assert links[0] == links[1]


def test_help_of_import_gives_an_example():
    result = call("import", "--help")
    assert result.exit_code == 0 and "napari-cellcycle import" in result.stdout.split("Example:")[1]


def test_a_challenge_folder_brings_its_masks(sequence, tmp_path):  # noqa: F811
    truth = sequence / "01_GT" / "TRA"
    out = tmp_path / "a.cellcycle"
    result = call("import", truth, "--movie", sequence / "01", "--out", out, "--pixel-size", "0.65")
    assert result.exit_code == 0, result.output
    assert open_experiment(out).labels is not None


def test_points_get_spots_where_asked(sequence, tmp_path):  # noqa: F811
    (tmp_path / "p.csv").write_text("moment,y,x\n0,20,20\n1,22,20\n")
    given = ["import", tmp_path / "p.csv", "--movie", sequence / "01", "--spots"]
    out = ["--out", tmp_path / "p.cellcycle"]
    refused(call(*given, *out), "none is known as frame", "frame=COLUMN")
    refused(call(*given, *out, "--column", "frame"), "frame=TP")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
    result = call(*given, *out, "--column", "frame=moment")
    assert result.exit_code == 0, result.output
    assert "a spot was painted around each cell" in result.stdout
    assert open_experiment(tmp_path / "p.cellcycle").labels.frame(1)[22, 20] > 0


def test_what_is_there_is_not_replaced(experiment, tmp_path):  # noqa: F811
    (tmp_path / "a.xml").write_text("mine")
    refused(
        call("export", experiment, "--as", "trackmate", "--out", tmp_path / "a.xml"),
        "exists already",
    )
    assert (tmp_path / "a.xml").read_text() == "mine"
