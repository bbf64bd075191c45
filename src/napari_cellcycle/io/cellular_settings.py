"""What is taken from data in the layout of CELLULAR, and how it is split."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from napari_cellcycle.config import Settings

ALL = "all"
"""The set that holds the cells of every class."""
SPLITS = ("train", "valid", "test")
Unidentified = Literal["ignore", "cells", "leave-out"]
"""What becomes of cells whose class nobody could tell."""


class PrepareSettings(Settings):
    """What is taken from a folder of CELLULAR's layout, and how it is written."""

    images: str | None = Field(
        None, description="Folder of the images; images or images-color if not given"
    )
    masks: str = Field("masks", description="Folder of the masks")
    classes: list[str] | None = Field(
        None, description="Class to take, may be given several times; all if not given"
    )
    unidentified: Unidentified = Field(
        "ignore",
        description="Cells of unknown class: their pixels are not learned or scored, they are "
        "cells like others, or background (as published)",
    )
    format: Literal["tif", "png"] = Field("tif", description="Format of the masks")


class SplitSettings(Settings):
    """How fields of view are split; the published split if nothing is given."""

    split_by: Literal["names", "regex", "list", "random"] = Field(
        "names",
        title="Split by",
        description="Text in the name, a regular expression, a list in a file, or wells by chance",
    )
    valid: str = Field("ST_I06", description="Fields with this in their name choose the model")
    test: str = Field("ST_C03", description="Fields with this in their name score it")
    split_list: Path | None = Field(
        None, title="List", description="Table (CSV) with the columns field and split"
    )
    valid_part: float = Field(0.2, ge=0, lt=1, description="By chance: part of wells to choose")
    test_part: float = Field(0.2, ge=0, lt=1, description="By chance: part of wells to score")
    split_seed: int = Field(0, ge=0, description="The same seed splits the same way")
