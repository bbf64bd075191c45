"""Every command once on a small simulated movie, and what they say to bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from here import jobs_here
from typer.testing import CliRunner

from napari_cellcycle import __version__
from napari_cellcycle.cli import app, steps

THRESHOLD = ["--model", "threshold", "--device", "cpu"]


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    """A simulated sequence with its truth: 01 and 01_GT."""
    out = tmp_path_factory.mktemp("simulated") / "cells"
    result = call("simulate", out, "--frames", 6, "--size", 128, "--cells", 6, "--seed", 4)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def experiment(sequence):
    """The whole job done on it, which also tests `run`."""
    out = sequence.parent / "cells.cellcycle"
    result = call("run", sequence / "01", "--out", out, *THRESHOLD, "--pixel-size", "0.65")
    assert result.exit_code == 0, result.output
    assert "tracks" in result.stdout and "open it with: napari" in result.stdout
    return out


@pytest.fixture
def here():
    """No other process is started; `experiment` and the tests without this do start them."""
    with jobs_here():
        yield


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result, *words):
    """The one sentence of a refusal that ends with exit code 2."""
    assert result.exit_code == 2, result.output
    sentence = result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in sentence
    return sentence


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_version():
    assert call("--version").stdout == f"napari-cellcycle {__version__}\n"


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "segment",
        "track",
        "classify",
        "score",
        "evaluate",
        "export",
        "simulate",
        "models",
        "doctor",
        "demo",
    ],
)
def test_help_says_what_a_command_does_and_gives_an_example(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"napari-cellcycle {command}" in result.stdout.split("Example:")[1]


def test_help_is_there_at_once_and_without_heavy_imports():
    code = (
        "import sys\n"
        "from napari_cellcycle.cli import app\n"
        "print(sorted(set(sys.modules) & {'torch', 'numpy', 'pandas', 'scipy', 'napari'}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_options_come_from_the_settings():
    from napari_cellcycle.config import TrackSettings

    shown = " ".join(call("track", "--help").stdout.split())
    for name, field in TrackSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in shown
        assert field.description[:20] in shown


def test_what_is_on_by_default_can_be_switched_off():
    shown = " ".join(call("track", "--help").stdout.split())
    assert "--fill-gaps / --no-fill-gaps" in shown


def test_a_step_takes_the_model_in_use_unless_another_is_named(sequence, tmp_path, here):
    own = tmp_path / "models"
    assert call("models", "use", "simple", "--model-folder", own).exit_code == 0
    tracks = ["track", sequence / "01", sequence / "01_GT" / "SEG", "--model-folder", own]
    for extra, used in ([], "simple"), (["--model", "cellcycle-links"], "cellcycle-links"):
        jobs = _models_of_jobs([*tracks, "--out", tmp_path / used, *extra])
        assert jobs == [used]


def _models_of_jobs(arguments):
    """The models of the steps that a command starts, which is run to its end."""
    started = []
    real = steps.follow

    def noted(job):
        started.append(job.settings.model)
        return real(job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "follow", noted)
        result = call(*arguments)
    assert result.exit_code == 0, result.output
    return started


@pytest.mark.parametrize("command", ["segment", "track"])
def test_a_single_step_makes_no_experiment(command, sequence, tmp_path):
    masks = [sequence / "01_GT" / "SEG"] if command == "track" else []
    out = tmp_path / "mine.cellcycle"
    refused(call(command, sequence / "01", *masks, "--out", out), "mine.cellcycle", "'run'")
    assert not out.exists()


@pytest.mark.parametrize("command", ["segment", "track"])
def test_a_folder_with_other_files_is_refused_before_anything_is_computed(
    command, sequence, tmp_path, monkeypatch
):
    monkeypatch.setattr(steps, "follow", lambda job: pytest.fail("computed in vain"))
    (tmp_path / "thesis.docx").write_text("all of it")
    masks = [sequence / "01_GT" / "SEG"] if command == "track" else []
    arguments = [command, sequence / "01", *masks, "--out", tmp_path, "--overwrite"]
    refused(call(*arguments), "thesis.docx", "choose a new or empty folder")


def test_simulate_writes_the_layout_of_the_challenge(sequence):
    assert names(sequence) == ["01", "01_GT", "settings.json"]
    assert names(sequence / "01_GT") == ["SEG", "TRA", "stages.csv"]
    assert names(sequence / "01")[0] == "t000.tif"
    assert "man_track.txt" in names(sequence / "01_GT" / "TRA")
    assert names(sequence / "01_GT" / "SEG")[0] == "man_seg000.tif"
    stages = pd.read_csv(sequence / "01_GT" / "stages.csv")
    assert stages["stage"].notna().all() and len(stages) > 20


def test_run_leaves_only_the_experiment(experiment, sequence):
    assert "experiment.json" in names(experiment)
    assert names(sequence.parent) == ["cells", "cells.cellcycle"]
    described = json.loads((experiment / "experiment.json").read_text())
    assert [step["name"] for step in described["history"]] == ["segment", "track", "classify"]


def test_export_both_ways_and_evaluate(experiment, sequence, tmp_path):
    assert call("export", experiment, "--to", "csv", "--out", tmp_path / "c.csv").exit_code == 0
    assert {"track_id", "stage", "time_min"} <= set(pd.read_csv(tmp_path / "c.csv").columns)
    assert call("export", experiment, "--to", "ctc", "--out", tmp_path / "RES").exit_code == 0
    assert "res_track.txt" in names(tmp_path / "RES")
    pytest.importorskip("ctc_metrics")
    scores = tmp_path / "scores.json"
    for result in (experiment, tmp_path / "RES"):
        said = call("evaluate", result, sequence / "01_GT", "--json", scores)
        assert said.exit_code == 0, said.output
        assert "TRA" in said.stdout
        assert json.loads(scores.read_text())["DET"] > 0.7


def test_evaluate_writes_every_error_as_a_row(experiment, sequence, tmp_path):
    table = tmp_path / "errors.csv"
    said = call("evaluate", experiment, sequence / "01_GT", "--errors", table)
    assert said.exit_code == 0, said.output
    rows = pd.read_csv(table)
    assert {"kind", "frame", "cell", "of", "y", "x", "sentence"} <= set(rows.columns)
    shown = said.stdout.split("Errors: ")[1].splitlines()[0]
    for kind, count in rows["kind"].value_counts().items():
        assert f"{kind} {count:,}" in shown
    said = call("evaluate", experiment, experiment)
    assert "Errors: none" in said.stdout and "TRA           1.0000" in said.stdout


def test_segment_track_classify_one_after_the_other(sequence, tmp_path, here):
    movie, masks, result = sequence / "01", tmp_path / "masks", tmp_path / "RES"
    said = call("segment", movie, "--out", masks, *THRESHOLD)
    assert said.exit_code == 0, said.output
    assert names(masks)[0] == "mask000.tif" and len(names(masks)) == 6
    said = call("track", movie, masks, "--out", result, "--max-gap", 1)
    assert said.exit_code == 0, said.output
    assert "res_track.txt" in names(result)
    said = call("classify", movie, result, "--out", tmp_path / "cells.csv", "--device", "cpu")
    assert said.exit_code == 0, said.output
    assert "stage" in pd.read_csv(tmp_path / "cells.csv").columns
    assert names(tmp_path) == ["RES", "cells.csv", "masks"]


def test_models_lists_what_is_shipped():
    shown = call("models", "--kind", "stage", "--details").stdout
    assert "frame" in shown and "classify --model" in shown


def test_an_existing_result_is_kept_unless_told_otherwise(experiment, sequence, here):
    before = (experiment / "experiment.json").read_text()
    refused(call("run", sequence / "01", "--out", experiment, *THRESHOLD), "--overwrite")
    assert (experiment / "experiment.json").read_text() == before
    said = call("run", sequence / "01", "--out", experiment, *THRESHOLD, "--overwrite")
    assert said.exit_code == 0, said.output
    assert names(sequence.parent) == ["cells", "cells.cellcycle"]


def test_bad_input_is_one_sentence(sequence, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no image")
    movie, out = sequence / "01", tmp_path / "out.cellcycle"
    refused(call("run", tmp_path / "missing.tif", "--out", out), "missing.tif")
    refused(call("run", tmp_path / "empty", "--out", out), "empty")
    refused(call("run", tmp_path / "note.txt", "--out", out), "note.txt")
    refused(call("run", movie, "--out", out, "--pixel-size", "wide"), "--pixel-size", "0.65")
    refused(call("run", movie, "--out", out, "--track-max-distance", "-1"), "--max-distance")
    refused(call("export", tmp_path / "empty", "--to", "csv", "--out", out), "experiment")
    refused(call("evaluate", tmp_path / "empty", sequence / "01_GT"), "res_track.txt")
    refused(call("demo", "--sample", "whale", "--out", out), "whale")
    assert call("run", movie).exit_code == 2
    assert not out.exists()
    assert names(tmp_path) == ["empty", "note.txt"]


def test_masks_of_another_size_are_refused(sequence, tmp_path):
    other = tmp_path / "other"
    assert call("simulate", other, "--frames", 2, "--size", 64, "--cells", 2).exit_code == 0
    masks = other / "01_GT" / "SEG"
    refused(call("track", sequence / "01", masks, "--out", tmp_path / "RES"), "shape")
    assert names(tmp_path) == ["other"]


def test_an_unknown_model_is_refused_and_nothing_is_left(sequence, tmp_path):
    said = call("run", sequence / "01", "--out", tmp_path / "x.cellcycle", "--model", "whale")
    refused(said, "whale")
    assert names(tmp_path) == []


def test_a_failure_after_segmentation_keeps_what_was_done(sequence, tmp_path):
    from napari_cellcycle.models.store import find_model

    model = find_model("frame", "stage")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.path.read_bytes()[:5000])
    shutil.copy(model.path.with_suffix(".json"), tmp_path / "broken.json")
    out = tmp_path / "x.cellcycle"
    said = call("run", sequence / "01", "--out", out, *THRESHOLD, "--classify-model", broken)
    refused(said, "broken.safetensors")
    assert f"kept in {out}" in said.stderr
    described = json.loads((out / "experiment.json").read_text())
    assert [step["name"] for step in described["history"]] == ["segment", "track"]


def test_a_movie_that_was_replaced_is_noticed(sequence, tmp_path, here):
    shutil.copytree(sequence / "01", tmp_path / "01")
    made = tmp_path / "a.cellcycle"
    assert call("run", tmp_path / "01", "--out", made, *THRESHOLD).exit_code == 0
    frames = sorted((tmp_path / "01").iterdir())
    shutil.copy(frames[1], frames[0])
    result = call("export", made, "--to", "csv", "--out", tmp_path / "cells.csv")
    assert result.exit_code == 0, result.output
    assert "Note: The movie" in result.stderr and "holds other pixels" in result.stderr


def test_verbose_shows_the_details(tmp_path):
    said = call("run", tmp_path / "missing.tif", "--out", tmp_path / "x", "--verbose")
    assert said.exit_code == 2
    assert "Traceback" in said.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way there")
def test_ctrl_c_leaves_nothing_half_written(sequence, tmp_path):
    movie = tmp_path / "long"
    movie.mkdir()
    frames = sorted((sequence / "01").iterdir())
    for number in range(300):
        os.link(frames[number % len(frames)], movie / f"t{number:03d}.tif")
    command = [Path(sys.executable).with_name("napari-cellcycle"), "run", movie]
    process = subprocess.Popen(
        [*command, "--out", tmp_path / "long.cellcycle", *THRESHOLD], stderr=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".long.cellcycle.*/labels.zarr/0/c/*")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Stopped; nothing was written." in said
    assert time.monotonic() - started < 5
    assert names(tmp_path) == ["long"]
    shutil.rmtree(movie)
