"""The steps as commands: run, segment, track, classify."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellcycle.cli.console import StepFailed, follow, refuse_existing, say
from napari_cellcycle.cli.crop_steps import classify_folder
from napari_cellcycle.cli.options import (
    AUTO,
    Device,
    FrameInterval,
    MemoryGb,
    ModelFolder,
    Movie,
    Overwrite,
    PixelSize,
    parse_pixel_size,
    settings_options,
)
from napari_cellcycle.config import ClassifySettings, RunSettings, SegmentSettings, TrackSettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.jobs import Job


@settings_options(
    {"segment": SegmentSettings, "track": TrackSettings, "classify": ClassifySettings},
    prefixed=True,
)
def run(
    movie: Movie,
    out: Annotated[Path, typer.Option(help="Experiment folder to make: NAME.cellcycle")],
    segment: SegmentSettings,
    track: TrackSettings,
    classify: ClassifySettings,
    overwrite: Overwrite = False,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    device: Device = AUTO,
    memory_gb: MemoryGb = None,
    model_folder: ModelFolder = None,
) -> None:
    """Segment, track and classify a movie: the whole job in one command.

    The result is an experiment folder, which napari opens (napari NAME.cellcycle) and
    'export' turns into tables and Cell Tracking Challenge folders.

    Example: napari-cellcycle run hela.ome.tif --out hela.cellcycle --frame-interval 300
    """
    refuse_existing(out, overwrite)
    settings = RunSettings(segment=segment, track=track, classify=classify)
    experiment = run_movie(
        opened(movie, pixel_size, frame_interval), settings, out, (device, memory_gb, model_folder)
    )
    say(summary(experiment))
    say(f"Saved as {out}; open it with: napari {out}")


@settings_options({"settings": SegmentSettings})
def segment(
    movie: Movie,
    out: Annotated[Path, typer.Option(help="Folder of masks to make: mask000.tif, ...")],
    settings: SegmentSettings,
    overwrite: Overwrite = False,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    device: Device = AUTO,
    memory_gb: MemoryGb = None,
    model_folder: ModelFolder = None,
) -> None:
    """Find the cells in every frame and write one file of masks a frame.

    Example: napari-cellcycle segment hela.ome.tif --out hela_masks --cell-threshold 1
    """
    from napari_cellcycle.io.frames import frame_pattern, write_label_frames
    from napari_cellcycle.io.storage import refuse_foreign

    _refuse_experiment(out, "masks")
    refuse_existing(out, overwrite)
    refuse_foreign(out, frame_pattern("mask"))
    recording = opened(movie, pixel_size, frame_interval)
    with draft_beside(out, recording) as (experiment, draft):
        job = _job("segment", settings, draft, (device, memory_gb, model_folder))
        labels = finished(experiment, job).labels
        assert labels is not None
        write_label_frames(labels, out)
    say(f"Masks of {len(labels)} frames are in {out}.")


@settings_options({"settings": TrackSettings})
def track(
    movie: Movie,
    masks: Annotated[
        Path,
        typer.Argument(
            help="Masks: folder of TIFF frames, stack, OME-Zarr; or points that mark cells: a "
            "table (CSV) with the columns frame, [z,] y, x in pixels"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Cell Tracking Challenge result folder to make")],
    settings: TrackSettings,
    overwrite: Overwrite = False,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    device: Device = AUTO,
    memory_gb: MemoryGb = None,
    model_folder: ModelFolder = None,
) -> None:
    """Link masks or points over time, with divisions: mask000.tif ... and res_track.txt.

    Example: napari-cellcycle track hela.ome.tif hela_masks --out hela_RES
    """
    from napari_cellcycle.io.ctc import OWN, write_ctc
    from napari_cellcycle.io.frames import open_labels
    from napari_cellcycle.io.points import read_points, spots
    from napari_cellcycle.io.storage import refuse_foreign

    _refuse_experiment(out, "tracks")
    refuse_existing(out, overwrite)
    refuse_foreign(out, OWN)
    recording = opened(movie, pixel_size, frame_interval)
    if masks.suffix.lower() == ".csv":
        shape = (len(recording), *recording.frame_shape)
        labels = spots(read_points(masks, recording.ndim), shape, recording.pixel_size)
    else:
        labels = open_labels(masks)
    with draft_beside(out, recording, labels=labels) as (experiment, draft):
        job = _job("track", settings, draft, (device, memory_gb, model_folder))
        result = finished(experiment, job)
        assert result.labels is not None and result.tracks is not None
        write_ctc(result.labels, result.tracks, out)
        say(summary(result))
    say(f"The tracks are in {out}.")


@settings_options({"settings": ClassifySettings})
def classify(
    movie: Annotated[
        Path,
        typer.Argument(
            help="TIFF or OME-TIFF file, folder of TIFF frames, or OME-Zarr folder; or a folder of "
            "crops of single cells, flat or one subfolder a stage"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Table to make, one row a cell and frame: NAME.csv")],
    settings: ClassifySettings,
    tracks: Annotated[
        Path | None,
        typer.Argument(
            help="Cell Tracking Challenge result folder, or NAME.cellcycle; none for crops",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    device: Device = AUTO,
    memory_gb: MemoryGb = None,
    model_folder: ModelFolder = None,
) -> None:
    """Give every tracked cell its stage of the cell cycle, as a table (CSV).

    A folder of crops needs no tracks: the table has the columns file, stage and a probability for
    each stage, and subfolders named after stages are scored.

    Example: napari-cellcycle classify hela.ome.tif hela_RES --out hela.csv
    """
    from napari_cellcycle.io.tables import write_cell_table

    refuse_existing(out, overwrite)
    if tracks is None:
        classify_folder(movie, out, settings, device.value, model_folder)
        return
    recording = opened(movie, pixel_size, frame_interval)
    found = read_tracks(tracks)
    with draft_beside(out, recording, **found) as (experiment, draft):
        job = _job("classify", settings, draft, (device, memory_gb, model_folder))
        result = finished(experiment, job)
        write_cell_table(result, out)
        say(summary(result))
    say(f"The table is {out}.")


def _refuse_experiment(out: Path, what: str) -> None:
    """Raise `BadInput` if `out` is named like an experiment, which a single step does not make."""
    if out.suffix == ".cellcycle":
        raise BadInput(
            f"--out is {out}, but this step makes a folder of {what}, not an experiment: choose a "
            "name without .cellcycle, or make an experiment with 'run'."
        )


def opened(movie: Path, pixel_size: str | None, frame_interval: float | None) -> Any:
    """Open a movie lazily, with what the command line says about it."""
    from napari_cellcycle.io.movies import open_movie

    sizes = parse_pixel_size(pixel_size)
    size = sizes[0] if sizes is not None and len(sizes) == 1 else sizes
    recording = open_movie(movie, pixel_size=size, frame_interval=frame_interval)
    missing = {"pixel_size": "--pixel-size", "frame_interval": "--frame-interval"}
    for name in sorted(recording.guessed):
        value = getattr(recording, name)
        say_guess = f"Note: the file does not say the {name.replace('_', ' ')}; taken as {value}"
        typer.echo(f"{say_guess} ({missing.get(name, name)} sets it).", err=True)
    return recording


def read_tracks(path: Path) -> dict[str, Any]:
    """Masks and tracks of a result folder or an experiment, as fields of `Experiment`.

    Of an experiment also its history, which tells the channel that its cells were found in.
    """
    if (path / "experiment.json").is_file():
        from napari_cellcycle.io.experiment import open_experiment

        experiment = open_experiment(path)
        if experiment.tracks is None:
            raise BadInput(f"The cells of {path} are not tracked yet; run the step 'track' first.")
        return {
            "labels": experiment.labels,
            "tracks": experiment.tracks,
            "history": experiment.history,
        }
    from napari_cellcycle.io.ctc import read_ctc

    labels, tracks = read_ctc(path)
    return {"labels": labels, "tracks": tracks}


def run_movie(
    movie: Any, settings: RunSettings, out: Path, compute: tuple[str, float | None, Path | None]
) -> "Experiment":
    """Run the whole job on `movie` and put the experiment at `out`, whole or not at all.

    If a later step fails and nothing was at `out`, what the earlier steps gave is kept.
    """
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.io.experiment import open_experiment, save_experiment
    from napari_cellcycle.io.storage import EVERYTHING, replaced_folder, writing_to

    failed = None
    with writing_to(out), replaced_folder(out, own=EVERYTHING) as draft:
        save_experiment(Experiment(movie), draft)
        try:
            follow(_job("run", settings, draft, compute))
        except StepFailed as error:
            if out.exists() or open_experiment(draft).labels is None:
                raise
            failed = error
    if failed is not None:
        typer.echo(f"What was done until then is kept in {out}.", err=True)
        raise failed
    return open_experiment(out)


@contextmanager
def draft_beside(out: Path, movie: Any, **results: Any) -> Iterator[tuple[Any, Path]]:
    """Offer an experiment in a hidden folder beside `out`, which is gone afterwards."""
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.io.experiment import save_experiment
    from napari_cellcycle.io.storage import writing_to

    experiment = Experiment(movie, **results)
    with writing_to(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", dir=out.absolute().parent, ignore_cleanup_errors=True
        )
    with place as name:
        draft = Path(name) / "draft.cellcycle"
        save_experiment(experiment, draft)
        yield experiment, draft


def finished(experiment: "Experiment", job: "Job") -> "Experiment":
    """Run `job` under a progress bar and open what it gives."""
    from napari_cellcycle.io.experiment import open_experiment

    follow(job)
    return open_experiment(job.folder)


def summary(experiment: "Experiment") -> str:
    """One line: cells, tracks, divisions."""
    tracks = experiment.tracks
    if tracks is None:
        return "No tracks."
    frames = len(experiment.movie)
    return (
        f"{len(tracks):,} cells in {frames} frame{'s' * (frames != 1)}, "
        f"{tracks.track_id.nunique():,} tracks, {len(tracks.divisions):,} divisions."
    )


def _job(
    step: Any, settings: Any, folder: Path, compute: tuple[str, float | None, Path | None]
) -> "Job":
    from napari_cellcycle.jobs import Job

    device, memory_gb, model_folder = compute
    models = str(model_folder) if model_folder else None
    return Job(step, settings, folder, device, memory_gb, models)
