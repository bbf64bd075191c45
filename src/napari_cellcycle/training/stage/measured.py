"""Train the `measured` stage model on crops."""

from typing import Any

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.features.crop_traits import crop_traits
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.rank_net import RankNet
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings
from napari_cellcycle.training.rank_net import FIT, Measured, RankSettings, train_ranks
from napari_cellcycle.training.stage.crop_examples import Examples

SETTINGS = RankSettings(batch_size=32)
_BATCH = 64


def measured(examples: Examples, progress: Progress = silent) -> Measured:
    """Traits of crops, as they are seen in use, and their stages."""
    windows = examples.windows()
    starts = range(0, len(windows), _BATCH)
    traits = [
        crop_traits(windows[start : start + _BATCH])
        for start in track_progress(starts, len(starts), progress, "Measuring crops")
    ]
    found = np.concatenate(traits) if traits else np.zeros((0, 0), np.float32)
    return Measured(found, examples.code.astype(np.int64))


def train_measured(
    learned: Measured,
    stages: int,
    settings: FitSettings = FIT,
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
    return {"stages": stages_to_json(stages), **sizes}
