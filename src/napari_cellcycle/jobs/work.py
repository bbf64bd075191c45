"""Run a job in this very process."""

import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_cellcycle.errors import OutOfMemory, UserError, is_out_of_memory
from napari_cellcycle.jobs.events import Done, Failed
from napari_cellcycle.jobs.job import Job
from napari_cellcycle.jobs.memory import too_much_memory
from napari_cellcycle.jobs.record import FormerState
from napari_cellcycle.progress import Cancelled, Progress, silent

if TYPE_CHECKING:
    from napari_cellcycle.data.experiment import Experiment

Work = Callable[[Job, Progress], "Experiment"]


def run_inline(job: Job, progress: Progress = silent) -> "Experiment":
    """Run `job` here and now, and return the experiment as it is then stored in its folder.

    What goes wrong is raised, as any step would raise it: `UserError`, or `Cancelled` from
    `progress`, after which the folder is what it was before.
    """
    former = FormerState.of(job.folder)
    try:
        return run_step(job, progress)
    except (Cancelled, KeyboardInterrupt):
        former.restore()
        raise
    except Exception:
        former.tidy()
        raise


def run_step(job: Job, progress: Progress) -> "Experiment":
    """Open the experiment of `job`, run its step and store the result."""
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.pipeline import run

    steps: Mapping[str, Callable[..., Experiment]] = {
        "segment": run.add_masks,
        "track": run.add_tracks,
        "classify": run.add_stages,
        "run": run.run,
    }
    return steps[job.step](
        open_experiment(job.folder),
        job.settings,
        device=job.device,
        folder=job.folder,
        model_folder=job.model_folder,
        progress=progress,
    )


def outcome(job: Job, progress: Progress, work: Work = run_step) -> Done | Failed:
    """Run `job` and tell how it ended, whatever happens."""
    began, started = datetime.now(UTC), time.monotonic()
    try:
        experiment = work(job, progress)
    except Exception as error:  # noqa: BLE001 - told to the user, with all its details
        return failure(error)
    new = [step for step in experiment.history if step.time >= began]
    notes = tuple(note for step in new for note in step.notes)
    return Done(job.folder, notes, time.monotonic() - started)


def failure(error: Exception) -> Failed:
    """Put an error into words for the user."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, OutOfMemory):
        return Failed(str(error), details, "memory")
    if is_out_of_memory(error):
        return Failed(too_much_memory(), details, "memory")
    if isinstance(error, UserError):
        return Failed(str(error), details, "user")
    said = " ".join(str(error).split()) or "no message"
    return Failed(
        f"The step stopped because of an error in the program ({type(error).__name__}: {said}); "
        "nothing was lost, and the details say where it happened.",
        details,
        "crash",
    )
