"""Train the `measured` stage model on crops."""

from typing import Any

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.features.crop_traits import crop_traits
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.rank_net import RankNet
from napari_cellcycle.models.stage.frame import WINDOW
from napari_cellcycle.models.stage.measured import SIZE
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings
from napari_cellcycle.training.rank_net import FIT, Measured, RankSettings, train_ranks
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.frame import REFITTING, chances_of

SETTINGS = RankSettings(batch_size=32, linear=True)
FIT_CROPS = FIT.model_copy(update={"epochs": 20, "average": 0.97})
CUT = (WINDOW, SIZE)
"""Side of the crops that are learned from, in usual cell diameters and in pixels."""
_BATCH = 64


def measured(examples: Examples, progress: Progress = silent) -> Measured:
    """Traits of crops that were cut as `CUT` says, their stages, and how often to show them."""
    starts = range(0, len(examples), _BATCH)
    traits = [
        crop_traits(examples.images[start : start + _BATCH])
        for start in track_progress(starts, len(starts), progress, "Measuring crops")
    ]
    found = np.concatenate(traits) if traits else np.zeros((0, 0), np.float32)
    return Measured(found, examples.code.astype(np.int64), chances_of(examples, REFITTING))


def train_measured(
    learned: Measured,
    stages: int,
    settings: FitSettings = FIT_CROPS,
    *,
    held_out: Measured | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> tuple[RankNet, list[Epoch]]:
    """Train on measured crops; the epoch that is best on `held_out` is kept, else the last."""
    return train_ranks(
        learned,
        held_out,
        settings,
        SETTINGS,
        classes=stages,
        checkpoint=checkpoint,
        progress=progress,
    )


def card_settings(network: RankNet, stages: StageSet, channels: int) -> dict[str, Any]:
    """What the card has to hold for `MeasuredModel.open`."""
    sizes = {"traits": network.traits, "members": network.members}
    sizes |= {"hidden": network.hidden.shape[-1], "channels": channels}
    sizes |= {"linear": network.slopes is not None}
    return {"stages": stages_to_json(stages), **sizes}
