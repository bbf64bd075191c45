"""Masks that a person corrected, and in which frames that was."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.errors import UserError

CORRECTED = "correct masks"
"""Name of the step in an experiment's history; its setting `frames` lists them."""
_MADE_ANEW = ("segment",)


def with_corrected_masks(experiment: Experiment, frames: Mapping[int, np.ndarray]) -> Experiment:
    """Replace the masks ([Z,] Y, X) of `frames`, counted from 0, and remember which were.

    Raises `UserError` if there are no masks yet, if one has another shape, or if cells that are
    tracked would lose or change their number.
    """
    labels = experiment.labels
    if labels is None:
        raise UserError("There are no masks to correct yet; segment the movie first.")
    for time, mask in frames.items():
        if np.shape(mask) != labels.shape[1:] or not 0 <= time < len(labels):
            raise UserError(
                f"The masks for frame {time} have shape {np.shape(mask)}, but the movie has "
                f"{len(labels)} frames of {labels.shape[1:]}; give masks of that shape."
            )
        _check_tracks(experiment, time, mask)
        labels = labels.with_frame(time, mask)
    step = Step(CORRECTED, {"frames": sorted(int(time) for time in frames)})
    return replace(experiment, labels=labels).with_result(step)


def corrected_frames(experiment: Experiment) -> list[int]:
    """Frames whose masks were corrected since the movie was last segmented."""
    found: set[int] = set()
    for step in experiment.history:
        if step.name in _MADE_ANEW:
            found = set()
        if step.name == CORRECTED:
            found |= {int(time) for time in step.settings.get("frames", ())}
    return sorted(found)


def _check_tracks(experiment: Experiment, time: int, mask: np.ndarray) -> None:
    if experiment.tracks is None:
        return
    cells = experiment.tracks.cells
    tracked = set(cells.loc[cells["frame"] == time, "label"].tolist())
    differing = tracked ^ (set(np.unique(mask).tolist()) - {0})
    if differing:
        raise UserError(
            f"Cell {min(differing)} of frame {time} is either in the tracks or in the new masks "
            "only; keep the numbers of tracked cells, or correct the masks before tracking."
        )
