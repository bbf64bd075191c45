"""Traces of a job in its experiment folder: its description, and what must be undone."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.jobs.job import Job

DESCRIPTION = "experiment.json"


@dataclass(frozen=True)
class FormerState:
    """What an experiment folder held before a job.

    `description` is the text of its `experiment.json`. Where results were already stored, a
    step replaces them by one atomic save at its very end, so there is nothing to undo then.
    Where there were none, `run` saves after each sub-step, which a cancel takes back.
    """

    folder: Path
    description: bytes

    @classmethod
    def of(cls, folder: Path) -> "FormerState":
        """Read the state; `BadInput` if `folder` is no experiment."""
        try:
            return cls(folder, (folder / DESCRIPTION).read_bytes())
        except OSError as error:
            raise BadInput(
                f"{folder} is no experiment folder ({error.strerror}); save the movie as an "
                "experiment first, or choose a folder that ends in .cellcycle."
            ) from error

    @property
    def held_results(self) -> bool:
        """Whether masks or tracks were stored."""
        described = json.loads(self.description)
        return bool(described.get("labels") or described.get("tracks"))

    def restore(self) -> None:
        """Take back what a cancelled job has stored."""
        path = self.folder / DESCRIPTION
        if not self.held_results and path.read_bytes() != self.description:
            _write(path, self.description)
        tidy(self.folder)


def tidy(folder: Path) -> None:
    """Remove what a step left half-written; what the experiment names stays."""
    for partial in folder.glob("*.part"):
        partial.unlink(missing_ok=True)


def record_path(job: Job) -> Path:
    """Where the job is described: `folder`/jobs/NAME.json."""
    return job.folder / "jobs" / f"{job.name}.json"


def record(job: Job, **facts: Any) -> None:
    """Describe the job, and the given facts about it, in its experiment folder."""
    text = json.dumps({"job": job.to_json(), **facts}, indent=2) + "\n"
    path = record_path(job)
    try:
        path.parent.mkdir(exist_ok=True)
        _write(path, text.encode())
    except OSError as error:
        raise CannotWrite(
            f"{job.folder} cannot be written to ({error.strerror}); free some room, or save "
            "the experiment in a folder of your own."
        ) from error


def forget(job: Job) -> None:
    """Remove the description of a job that has ended well or was cancelled."""
    path = record_path(job)
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _write(path: Path, content: bytes) -> None:
    """Replace a file at one stroke."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
