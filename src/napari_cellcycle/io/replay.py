"""An experiment as it was saved, and the corrections in its journal applied to it."""

from collections.abc import Sequence
from dataclasses import replace

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.history import History
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.data.settling import with_settled
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.journal import Entry


def replayed(experiment: Experiment, entries: Sequence[Entry], applied: int = 0) -> Experiment:
    """`experiment`, which holds the first `applied` entries of a journal, after all of them.

    Only frames whose masks were edited are read. Tracks have numbers of their own before, as they
    had when they were corrected.
    """
    experiment = with_settled(experiment)
    labels = experiment.labels
    masks = None if labels is None else OverlaidMasks(labels)
    draft = Draft(experiment.tracks, masks, experiment.stages, experiment.confirmed)
    replay(History(draft), entries, applied)
    if labels is not None and masks is not None:
        for frame, mask in masks.edited.items():
            labels = labels.with_frame(frame, mask)
    return replace(experiment, labels=labels, tracks=draft.tracks(), confirmed=draft.confirmed)


def replay(history: History, entries: Sequence[Entry], applied: int = 0) -> None:
    """Bring back what a journal tells; the draft holds its first `applied` entries already.

    Raises `BadInput` if it is about other cells or masks than those of the draft.
    """
    for number, entry in enumerate(entries):
        apply = number >= applied
        try:
            if entry.edit is not None:
                history.repeat(entry.edit, apply=apply)
            elif entry.kind == "undo":
                history.undo(apply=apply)
            else:
                history.redo(apply=apply)
        except (KeyError, IndexError, ValueError) as error:
            raise BadInput(
                f"Correction {number + 1} of the journal does not fit the cells that were saved "
                f"({error}): restore the experiment from a copy, or remove its journal to go back "
                "to what was saved last."
            ) from error
