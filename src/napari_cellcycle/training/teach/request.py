"""What is to be taught: to which models, from which experiments, and with how much effort."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.library import default_model
from napari_cellcycle.models.store import Kind, own_folder

Effort = Literal["quick", "thorough"]
KINDS: tuple[Kind, ...] = ("segment", "link", "stage")
"""What can be taught, in the order in which it is."""
TEACHINGS = "teaching"
"""Folder, among the user's models, that holds a folder for each teaching."""


class TeachSettings(Settings):
    """How models are taught from corrections. What is left empty follows from the effort."""

    effort: Effort = Field("quick", description="Quick: minutes. Thorough: as long as it helps")
    seed: int = Field(0, ge=0, description="The same seed gives the same model")
    held_out_part: float = Field(
        0.25, gt=0, le=0.5, description="Share of the corrections kept aside to score the model on"
    )
    epochs: int | None = Field(None, ge=1, description="Rounds of learning; empty: by effort")
    batches: int | None = Field(
        None, ge=1, description="Steps in a round of learning; empty: by effort"
    )
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Examples learned from at once; empty: as usual"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="How fast it learns; empty: by the amount of corrections"
    )
    closeness: float | None = Field(
        None, ge=0, description="Pull of the weights towards the old ones; empty: as usual"
    )
    layers: Literal["auto", "last", "all"] = Field(
        "auto", description="Which layers learn; auto: the last ones only, where there is little"
    )
    simulated: int | None = Field(
        None, ge=0, description="Simulated movies mixed in, lest it forget; empty: by effort"
    )
    channel: str | None = Field(
        None,
        description="Channel that shows the cells; empty: the one that each experiment was "
        "segmented, or classified, in",
    )


class TeachRequest(Settings):
    """A teaching: `kinds` of models, taught from all `sources` (experiment folders) at once.

    `bases` names the model of each kind to begin with (by default the one in use), `names` what
    the new ones are to be called (by default a free name made from the base). `name` is that of
    the teaching's own folder, chosen by itself. `threads` is how many of the processor's threads
    work: other numbers give slightly other weights.
    """

    sources: tuple[Path, ...]
    kinds: tuple[Kind, ...] = KINDS
    bases: dict[Kind, str] = Field(default_factory=dict)
    names: dict[Kind, str] = Field(default_factory=dict)
    settings: TeachSettings = TeachSettings()
    device: str = "auto"
    model_folder: Path | None = None
    name: str = Field("", pattern=r"^[A-Za-z0-9_-]*$", validate_default=True)
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)

    @field_validator("sources")
    @classmethod
    def _absolute(cls, sources: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(Path(source).expanduser().absolute() for source in sources)

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        return name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

    @property
    def folder(self) -> Path:
        """Where the teaching keeps its state and the models that it proposes."""
        return own_folder(self.model_folder) / TEACHINGS / self.name

    def base(self, kind: Kind) -> str:
        """Name of the model of a kind that is taught further."""
        return self.bases.get(kind) or default_model(kind, self.model_folder)


def settled(request: TeachRequest) -> TeachRequest:
    """The request with its base models named, so that it asks for the same ever after."""
    bases: dict[Kind, str] = {kind: request.base(kind) for kind in request.kinds}
    return request.model_copy(update={"bases": bases})


def read_request(path: str | Path) -> TeachRequest:
    """Read a job file, as the viewer writes it.

    Raises `BadInput` if it is none.
    """
    path = Path(path).expanduser()
    try:
        return TeachRequest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as a teaching ({type(error).__name__}): give the job.json of "
            "one, from the folder 'teaching' among your models."
        ) from error
