"""Traces of a job in its experiment folder: its description, and what must be undone."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.storage import replace_file
from napari_cellcycle.jobs.job import Job

DESCRIPTION = "experiment.json"


@dataclass(frozen=True)
class FormerState:
    """What an experiment folder held before a job.

    `description` is the text of its `experiment.json`, `entries` the names of the masks and
    tracks in it. Where results were already stored, a step replaces them by one atomic save at
    its very end, so there is nothing to undo then. Where there were none, `run` saves after
    each sub-step, which a cancel takes back.
    """

    folder: Path
    description: str
    entries: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> "FormerState":
        """Read the state; `BadInput` if `folder` is no experiment."""
        try:
            description = (folder / DESCRIPTION).read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(
                f"{folder} is no experiment folder ({error.strerror}); save the movie as an "
                "experiment first, or choose a folder that ends in .cellcycle."
            ) from error
        return cls(folder, description, frozenset(_entries(folder)))

    @property
    def held_results(self) -> bool:
        """Whether masks or tracks were stored."""
        described = json.loads(self.description)
        return bool(described.get("labels") or described.get("tracks"))

    def restore(self) -> None:
        """Take back what a cancelled job has stored. Its process must be gone."""
        path = self.folder / DESCRIPTION
        if not self.held_results and path.read_text(encoding="utf-8") != self.description:
            replace_file(path, self.description)
        self.tidy()

    def tidy(self) -> None:
        """Remove what a job that is gone left unfinished; all that counts stays."""
        now = (self.folder / DESCRIPTION).read_text(encoding="utf-8")
        for name in _entries(self.folder) - self.entries:
            if f'"{name}"' not in now:
                shutil.rmtree(self.folder / name, ignore_errors=True)
        for partial in self.folder.glob(f".{DESCRIPTION}.*.tmp"):
            partial.unlink(missing_ok=True)


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix in (".zarr", ".geff")}


def record_path(job: Job) -> Path:
    """Where the job is described: `folder`/jobs/NAME.json."""
    return job.folder / "jobs" / f"{job.name}.json"


def record(job: Job, **facts: Any) -> None:
    """Describe the job, and the given facts about it, in its experiment folder."""
    text = json.dumps({"job": job.to_json(), **facts}, indent=2) + "\n"
    path = record_path(job)
    try:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, text)
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
