"""The true stage of every cell of a result, from another staging of the same movie."""

from pathlib import Path

import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.matching import match_cells
from napari_cellcycle.evaluation.tracking import open_tracked
from napari_cellcycle.io.experiment import is_experiment
from napari_cellcycle.progress import Progress, silent

STAGE_FILE = "stages.csv"
"""Stages of a truth folder's masks: columns frame, label (or track) and stage."""


def open_staged(path: str | Path) -> tuple[LabelStack, Tracks]:
    """Open masks and tracks that have stages: an experiment, or a truth folder with `STAGE_FILE`.

    Raises
    ------
    BadInput
        It is neither, or it has no stages.
    """
    path = Path(path).expanduser()
    labels, tracks = open_tracked(path)
    if "stage" in tracks.cells:
        return labels, tracks
    if is_experiment(path):
        raise BadInput(f"The cells of {path} have no stages; classify them, or set them first.")
    places = [folder / STAGE_FILE for folder in (path, path / "TRA", path.parent)]
    table = next((place for place in places if place.is_file()), None)
    if table is None:
        raise BadInput(
            f"{path} has tracks but no stages: {STAGE_FILE} with the columns frame, label and "
            "stage was expected beside them; give an experiment with stages, or add that table."
        )
    known = pd.read_csv(table)
    known = known if "label" in known else known.rename(columns={"track": "label"})
    missing = {"frame", "label", "stage"} - set(known.columns)
    if missing:
        raise BadInput(
            f"{table} has no column {sorted(missing)[0]!r}; frame, label and stage are needed."
        )
    stage = known.set_index(["frame", "label"])["stage"].astype(str)
    stage = stage[~stage.index.duplicated()]
    wanted = pd.MultiIndex.from_frame(tracks.cells[["frame", "label"]])
    return labels, tracks.with_columns(stage=stage.reindex(wanted).fillna("").to_numpy())


def true_stages(
    experiment: Experiment,
    labels: LabelStack,
    truth: Tracks,
    progress: Progress = silent,
) -> pd.Series:
    """Name the true stage of each cell of `experiment`, indexed by its cell ids; "" if unknown.

    Cells are matched by their masks: one of the truth's is found by the mask that covers more
    than half of it (`match_cells`).

    Raises
    ------
    BadInput
        Masks of different sizes, no cell in common, or stages that the experiment's set lacks.
    """
    own = experiment.tracks
    assert own is not None and experiment.labels is not None
    if labels.shape != experiment.labels.shape:
        raise BadInput(
            f"The truth has masks of {labels.shape} and the result {experiment.labels.shape}; "
            "give the truth of the same movie."
        )
    row = match_cells(experiment.labels, own, labels, truth, progress).truth_of
    if not (row >= 0).any():
        raise BadInput("No cell of the truth has a mask in the result; give that of this movie.")
    stage = truth.cells["stage"].astype(str).to_numpy()[row]
    stage[row < 0] = ""
    check_names(pd.Series(stage), experiment.stages)
    return pd.Series(stage, own.cells.index, name="true_stage")


def check_names(stage: pd.Series, stages: StageSet) -> None:
    """Raise `BadInput` if a stage (other than "") is none of the set."""
    strange = sorted(set(stage) - {*stages.names, ""})
    if strange:
        raise BadInput(
            f"The truth has the stage {strange[0]!r}, but the result's are "
            f"{', '.join(stages.names)}; classify with a model that has the same stages."
        )
