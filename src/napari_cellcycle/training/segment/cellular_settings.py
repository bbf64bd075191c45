"""How the CELLULAR experiment is done: bases, teaching and scoring."""

from typing import Literal

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.io.cellular_settings import ALL

PAPER_BASES = ("cyto", "cyto2")
PAPER_DIAMETER_PX = 121.0
"""Of the cells, as the published evaluation of untaught models has it."""


class ExperimentSettings(Settings):
    """How models are taught and scored."""

    preset: Literal["paper", "usual"] = Field(
        "paper",
        description="How Cellpose models are taught: as published (500 epochs, SGD), or as usual; "
        "models of this package are always taught as usual",
    )
    epochs: int | None = Field(None, ge=1, description="Most rounds of training; empty: as preset")
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Crops learned from at once; empty: as preset"
    )
    batches: int | None = Field(
        None, ge=1, description="Batches of crops in a round of training; empty: as preset"
    )
    minutes: float | None = Field(
        None, gt=0, description="Models of this package: no new round begins after so long"
    )
    simulated: int = Field(4, ge=0, description="Models of this package: simulated movies mixed in")
    subset: str = Field(ALL, title="Set", description="Cells to learn and score: all, or a class")
    channel: str = Field(
        "grey", description="Channel that is shown: a number from 0, or 'grey' for their mean"
    )
    base_diameter: float = Field(
        PAPER_DIAMETER_PX,
        ge=0,
        description="Pixels across a cell for models before teaching; 0: found by themselves",
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same models")
