"""Tell the stage of cells in a folder of crops, without a movie."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crop_scale import crop_diameter
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.io.crop_folders import H2B_FOLDERS, read_crops, refuse_small
from napari_cellcycle.models.stage.model import StageModel
from napari_cellcycle.progress import Progress, silent


@dataclass(frozen=True)
class ToldCrops:
    """Crops whose stage was told, one row each.

    `table` has the columns `file`, `stage` and one probability `p_<stage>` a stage; `true` (n,)
    str is the stage that the folder or the index names, "" where neither does; `group` (n,) says
    which crops show the same cell, or belong together otherwise.
    """

    table: pd.DataFrame
    true: np.ndarray
    group: np.ndarray


def classify_crops(
    folder: str | Path,
    model: StageModel,
    *,
    channel: int = 0,
    batch_size: int = 256,
    progress: Progress = silent,
) -> ToldCrops:
    """Tell the stages of the crops of a folder, flat or sorted.

    Each crop is taken for a frame of its own with one cell in its middle, so models with a memory
    see lives of one frame. How large the cells are is measured on all crops together.

    Raises `BadInput` if there are no crops, they are too small, or the model needs the frames
    around a cell's own.
    """
    if model.reach:
        raise BadInput(
            f"This model looks at {model.reach} frame before and after a cell's own, which crops "
            "do not have; choose one that looks at single images, such as 'frame'."
        )
    colour = getattr(model, "channels", 1) > 1
    found = read_crops(folder, channel=None if colour else channel, sorted_by_stage=False)
    refuse_small(found, folder)
    if colour:
        diameter = crop_diameter(found.images[..., channel])
        probabilities = model.tell(found.images, diameter, batch_size)  # type: ignore[attr-defined]
    else:
        frames = _frames(found.images, progress)
        probabilities = model(frames, np.full(len(found), -1, np.int64), batch_size)
    names = np.array(model.stages.names)
    columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(names)}
    stage = names[probabilities.argmax(axis=1)]
    told = [_stage_of(name, model.stages.names) for name in found.stage.tolist()]
    table = pd.DataFrame({"file": found.file, "stage": stage, **columns})
    return ToldCrops(table, np.array(told, dtype=object).astype(str), found.group)


def _stage_of(folder: str, stages: tuple[str, ...]) -> str:
    """The stage that a folder of crops is named after."""
    return folder if folder in stages else H2B_FOLDERS.get(folder, folder)


def _frames(images: np.ndarray, progress: Progress) -> Iterator[Sight]:
    """Each crop as the only cell of a frame."""
    diameter = crop_diameter(images)
    middle = (np.array(images.shape[1:]) - 1)[None] / 2
    none = LabelStack(np.zeros((1, *images.shape[1:]), np.int32))
    for row, image in enumerate(images):
        progress(row, len(images), "Looking at crops")
        yield Sight(
            row,
            np.array([row]),
            middle,
            np.array([0]),
            (image,),
            none,
            (1.0,) * (images.ndim - 1),
            diameter,
        )
    progress(len(images), len(images), "Looking at crops")
