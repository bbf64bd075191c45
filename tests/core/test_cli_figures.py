"""The commands that show stages."""

from dataclasses import replace

import pytest
from tests.core.stage_lineages import staged, together
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.io.experiment import save_experiment


@pytest.fixture
def experiment(tmp_path):
    families = together((0, "IIIPMM", "ATII", "ATII"), (0, "IIIIIIII"))
    save_experiment(staged(families), tmp_path / "toy.cellcycle")
    return tmp_path / "toy.cellcycle"


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_figures_with_a_truth_and_a_curve(experiment, tmp_path):
    (tmp_path / "curve.csv").write_text("epoch,loss,score\n1,2.0,0.5\n2,1.0,0.7\n")
    out = tmp_path / "figures"
    given = ("--truth", experiment, "--curve", tmp_path / "curve.csv")
    result = call("figures", experiment, "--out", out, *given)
    assert result.exit_code == 0, result.output
    assert "macro-F1 1.000" in result.stdout
    assert "100.0% of 8 changes of stage are within 1 frame." in result.stdout
    assert {"learning.png", "confusion.png", "label_matrix.png", "divisions.csv"} <= {
        path.name for path in out.iterdir()
    }
    again = call("figures", experiment, "--out", out)
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_times_from_an_assumed_frame_interval_are_never_shown_as_facts(tmp_path):
    toy = staged(together((0, "IIIPMM", "ATII", "ATII")))
    for guessed in (frozenset(), frozenset({"frame_interval"})):
        place = tmp_path / f"{len(guessed)}.cellcycle"
        save_experiment(replace(toy, movie=replace(toy.movie, guessed=guessed)), place)
        out = tmp_path / f"{len(guessed)}"
        said = [
            call("figures", place, "--out", out / "figures").stderr,
            call("report", place, "--cells", "1", "--out", out / "pages").stderr,
            call("movie", place, "--out", out / "film.gif", "--size", 64).stderr,
            (out / "figures" / "lineages.svg").read_text(encoding="utf-8"),
            (out / "pages" / "index.html").read_text(encoding="utf-8"),
            (out / "pages" / "cell_1.html").read_text(encoding="utf-8"),
        ]
        assert ["assume 300 s between frames" in words for words in said] == [bool(guessed)] * 6
        for name in ("stage_visits", "stage_durations", "divisions"):
            columns = (out / "figures" / f"{name}.csv").read_text().splitlines()[0].split(",")
            assert ("assumed_interval_s" in columns) == bool(guessed)


def test_a_film(experiment, tmp_path):
    out = tmp_path / "toy.gif"
    result = call("movie", experiment, "--out", out, "--size", 128, "--only", "metaphase")
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"GIF89a")
    result = call("movie", experiment, "--out", tmp_path / "toy.avi")
    assert result.exit_code == 2 and "end it with .mp4 or .gif" in result.stderr


def test_pages_of_chosen_cells(experiment, tmp_path):
    out = tmp_path / "cells"
    result = call("report", experiment, "--cells", "1,3", "--out", out)
    assert result.exit_code == 0, result.output
    assert "index.html" in result.stdout
    assert (out / "cell_1.html").is_file() and not (out / "cell_2.html").exists()
    result = call("report", experiment, "--cells", "one", "--out", tmp_path / "other")
    assert result.exit_code == 2 and "give them like 3,7" in result.stderr
