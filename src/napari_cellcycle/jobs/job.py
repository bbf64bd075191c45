"""What a job is: a step, its settings, and the experiment folder it works in."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from napari_cellcycle.config import (
    ClassifySettings,
    ComputeSettings,
    RunSettings,
    SegmentSettings,
    TrackSettings,
)

StepName = Literal["segment", "track", "classify", "run"]
StepSettings = SegmentSettings | TrackSettings | ClassifySettings | RunSettings

SETTINGS: dict[str, type[StepSettings]] = {
    "segment": SegmentSettings,
    "track": TrackSettings,
    "classify": ClassifySettings,
    "run": RunSettings,
}


@dataclass(frozen=True)
class Job:
    """One step to be run on the experiment stored in `folder`.

    `settings` is the settings model of the step (`RunSettings` for "run"). `device`,
    `memory_gb` (most memory the job may take; None: three quarters of what there is) and
    `model_folder` mean what they do in `ComputeSettings`. `name` is unique and chosen by
    itself; the job is described in `folder`/jobs/NAME.json for as long as it has not ended
    well.
    """

    step: StepName
    settings: StepSettings
    folder: Path
    device: str = "auto"
    memory_gb: float | None = None
    model_folder: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.step not in SETTINGS:
            raise ValueError(f"no step is called {self.step!r}; expected one of {list(SETTINGS)}")
        if not isinstance(self.settings, SETTINGS[self.step]):
            raise ValueError(
                f"the step {self.step!r} needs {SETTINGS[self.step].__name__}, "
                f"not {type(self.settings).__name__}"
            )
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        if not self.name:
            now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            object.__setattr__(self, "name", f"{self.step}-{now}-{secrets.token_hex(3)}")

    @classmethod
    def computed(
        cls, step: StepName, settings: StepSettings, folder: str | Path, compute: ComputeSettings
    ) -> "Job":
        """Job that runs where and with as much memory as `compute` says."""
        return cls(
            step,
            settings,
            Path(folder),
            compute.device,
            compute.memory_gb,
            compute.model_folder,
        )

    def to_json(self) -> dict[str, Any]:
        """Describe the job with what JSON can hold; `from_json` is the inverse."""
        return {
            "name": self.name,
            "step": self.step,
            "settings": self.settings.model_dump(mode="json"),
            "folder": str(self.folder),
            "device": self.device,
            "memory_gb": self.memory_gb,
            "model_folder": self.model_folder,
        }

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> "Job":
        """Rebuild a job from what `to_json` gave; `ValueError` if anything in it is wrong."""
        kind = SETTINGS.get(described["step"])
        if kind is None:
            raise ValueError(f"no step is called {described['step']!r}")
        settings = kind.model_validate(described["settings"])
        return cls(**{**described, "settings": settings, "folder": Path(described["folder"])})


def read_job(path: str | Path) -> Job:
    """Read a job from a file that `JobRunner` left in the `jobs` folder of an experiment."""
    return Job.from_json(json.loads(Path(path).read_text(encoding="utf-8"))["job"])
