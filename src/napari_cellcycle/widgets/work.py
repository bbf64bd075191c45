"""What a task does beside the viewer: store the movie, have a job run, load its result."""

import shutil
import threading
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.settling import with_settled
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.jobs import Job, JobRunner
from napari_cellcycle.jobs.job import StepName, StepSettings
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.widgets import colours, display
from napari_cellcycle.widgets.movies import same_pixels
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.task import run_job
from napari_cellcycle.widgets.workplace import Workplace


@dataclass(frozen=True)
class Request:
    """A step to run on `experiment`, whose movie may be an array of a layer."""

    step: StepName
    settings: StepSettings
    experiment: Experiment
    workplace: Workplace
    compute: ComputeSettings


class Child:
    """The child process of one viewer, started when it is first needed; for one task a time."""

    def __init__(self) -> None:
        self._runner: JobRunner | None = None
        self._used = threading.Lock()
        self._closed = False

    def warm(self) -> None:
        """Start the child, so that it has imported the slow libraries when a job comes."""
        with self._used:
            if self._runner is None and not self._closed:
                self._runner = JobRunner()

    def run(self, job: Job, progress: Any) -> None:
        """Run `job` to its end; see `run_job`."""
        self.warm()
        with self._used:
            try:
                if self._runner is not None:
                    run_job(self._runner, job, progress)
            finally:
                if self._closed:
                    self._end()

    def close(self) -> None:
        """End the child; at once, or as soon as the job it runs is stopped."""
        self._closed = True
        if self._used.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._used.release()

    def _end(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def compute(request: Request, child: Child, *, progress: Any) -> Result:
    """Run the step of `request` in `child` and load what it gave.

    Whatever goes wrong, or if `progress` raises `Cancelled`, nothing is left behind.
    """
    folder = request.workplace.new_folder()
    try:
        store(request.experiment, request.workplace, folder, progress)
        job = Job.computed(request.step, request.settings, folder, request.compute)
        child.run(job, progress)
        return load(folder, progress)
    except BaseException:
        request.workplace.discard(folder)
        raise


def store(
    experiment: Experiment, workplace: Workplace, folder: Path, progress: Progress = silent
) -> None:
    """Store `experiment` in `folder`, its pixels in the workplace if they have no file."""
    from napari_cellcycle.io.experiment import save_experiment

    movie = same_pixels(experiment.movie, progress)
    if movie is None:
        movie = write_movie(experiment.movie, workplace.movie_file, progress)
    save_experiment(replace(experiment, movie=movie), folder, progress=progress)


def load(folder: Path, progress: Progress = silent) -> Result:
    """Open the experiment in `folder`, ready to be shown and corrected.

    If somebody else corrects it, or nothing can be written there, corrections are not kept until
    it is saved elsewhere; a sentence in the result's `warning` says so, or that its movie changed.
    """
    from napari_cellcycle.edit.opening import open_editor, open_unkept
    from napari_cellcycle.io.experiment import open_saved

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        experiment = with_settled(open_saved(folder))
    labels = experiment.labels
    assert labels is not None
    masks = display.loaded(labels, progress=progress)
    notes = [str(one.message) for one in said if issubclass(one.category, UserWarning)]
    try:
        editor = open_editor(folder, experiment, masks)
    except CannotWrite as error:
        notes.append(str(error))
        editor = open_unkept(folder, experiment, masks)
    shown = display.display_of(editor.draft, masks)
    warm_up_layers(shown)
    return Result(experiment, shown, folder, editor, " ".join(notes))


def warm_up_layers(shown: display.Display) -> None:
    """Have napari import and compile, in this thread, what its layers need at their first use.

    That takes more than a second, which would otherwise hold up the viewer.
    """
    from napari.layers import Labels, Tracks

    Tracks(np.array([[1, 0, 0.0, 0.0], [1, 1, 0.0, 0.0]]))
    layer = Labels(np.zeros((2, 4, 4), np.int32), colormap=colours.track_label_colours())
    layer.colormap = colours.stage_label_colours([1], ["none"], shown.stages)


def write_movie(movie: Movie, path: Path, progress: Progress = silent) -> Movie:
    """Write the pixels of `movie` to an OME-Zarr image, by frame, and read it from there.

    Nothing is written if that was done before; if other pixels were, which former results are of,
    a number is added to the name. Raises `CannotWrite` if the disk refuses.
    """
    from napari_cellcycle.io.movies import have_same_pixels, open_movie
    from napari_cellcycle.io.omezarr import create_image

    first, number = path, 1
    while path.exists() and not have_same_pixels(open_movie(path), movie, progress):
        number += 1
        path = first.with_name(f"{number}-{first.name}")
    if not path.exists():
        partial = path.with_name("part-" + path.name)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            kind, axes = movie.frame(0).dtype, "TC" + "ZYX"[-movie.ndim :]
            scale = dict(zip(axes[2:].lower(), movie.pixel_size, strict=True))
            scale["t"] = movie.frame_interval
            target = create_image(partial, movie.pixels.shape, kind, axes, scale=scale)
            frames = range(len(movie))
            for time in track_progress(frames, len(movie), progress, "Storing the movie"):
                for number, channel in enumerate(movie.channels):
                    target[time, number] = movie.frame(time, channel)
            partial.replace(path)
        except OSError as error:
            raise CannotWrite(
                f"The movie cannot be written to {path.parent} ({error.strerror}); "
                "free some room there, or save the movie as a file yourself and open that."
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return replace(movie, pixels=open_movie(path).pixels, source=str(path))
