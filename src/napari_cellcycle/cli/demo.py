"""The command that shows the whole job on a sample movie."""

import importlib.util
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import refuse_existing, say
from napari_cellcycle.cli.options import AUTO, Device, Overwrite
from napari_cellcycle.cli.steps import run_movie
from napari_cellcycle.config import RunSettings

if TYPE_CHECKING:
    from napari_cellcycle.data.experiment import Experiment


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the experiment and the picture")] = Path(
        "demo"
    ),
    sample: Annotated[
        str, typer.Option(help="Sample movie: nuclei_2d, or nuclei_3d for volumes")
    ] = "nuclei_2d",
    overwrite: Overwrite = False,
    no_window: Annotated[
        bool, typer.Option("--no-window", help="Do not open napari, even where there is a display")
    ] = False,
    device: Device = AUTO,
) -> None:
    """Do the whole job on the sample movie: a table, a picture, and the result in napari.

    Example: napari-cellcycle demo --out demo
    """
    from napari_cellcycle.evaluation.figures import save_picture
    from napari_cellcycle.io.movies import open_movie
    from napari_cellcycle.io.samples import sample_path

    movie = open_movie(sample_path(sample))
    folder, picture = out / f"{sample}.cellcycle", out / f"{sample}.png"
    for made in (folder, picture):
        refuse_existing(made, overwrite)
    size = " x ".join(map(str, movie.frame_shape))
    say(f"Sample movie {sample}: {len(movie)} frames of {size} pixels")
    started = time.perf_counter()
    experiment = run_movie(movie, RunSettings(), folder, (device, None, None))
    seconds = time.perf_counter() - started
    save_picture(experiment, picture)
    say(report(experiment, seconds))
    say(f"\nPicture     {picture}")
    say(f"Experiment  {folder}")
    if not no_window:
        _open_napari(folder)


def report(experiment: "Experiment", seconds: float) -> str:
    """Short table: counts, time in each stage, seconds of each step."""
    from napari_cellcycle.evaluation.durations import stage_times

    tracks = experiment.tracks
    assert tracks is not None
    frames = len(experiment.movie)
    lines = [
        "",
        f"cells      {len(tracks):>6,}   in {frames} frames",
        f"tracks     {tracks.track_id.nunique():>6,}",
        f"divisions  {len(tracks.divisions):>6,}",
        "",
        f"{'stage':<14}{'cell hours':>12}{'stays':>8}{'median length':>16}",
    ]
    for stage, row in stage_times(experiment).iterrows():
        minutes = float(row["median_minutes"])
        length = "-" if math.isnan(minutes) else f"{minutes:.0f} min"
        lines.append(f"{stage!s:<14}{row['hours']:>12.1f}{row['visits']:>8.0f}{length:>16}")
    steps = "   ".join(f"{step.name} {step.seconds or 0:.1f}" for step in experiment.history)
    return "\n".join([*lines, "", f"seconds    {seconds:>6.1f}   {steps}"])


def _open_napari(folder: Path) -> None:
    from napari_cellcycle.jobs.doctor import QT_BINDINGS, has_display

    if not has_display():
        say("There is no display here; on your own computer open it with:")
        say(f"            napari {folder}")
        return
    if not any(importlib.util.find_spec(name) for name in QT_BINDINGS):
        say('To see it in napari: pip install "napari-cellcycle[qt]", then')
        say(f"            napari {folder}")
        return
    say("napari opens with the result.")
    command = [sys.executable, "-m", "napari", "--plugin", "napari-cellcycle", str(folder)]
    process = subprocess.Popen(command, start_new_session=True)
    process.returncode = 0  # it goes on alone; Popen would warn that it still runs
