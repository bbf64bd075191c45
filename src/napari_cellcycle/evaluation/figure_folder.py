"""A folder of figures and tables about the stages of one experiment."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.channel import channel_of
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.duration_table import duration_table, mitosis_table, visit_table
from napari_cellcycle.evaluation.learning_figures import draw_features
from napari_cellcycle.evaluation.lineage_figure import draw_lineage_tree
from napari_cellcycle.evaluation.stage_figures import (
    TEXT,
    draw_confusion,
    draw_durations,
    draw_label_matrix,
    draw_scores,
    draw_timing,
    save_figure,
)
from napari_cellcycle.evaluation.stage_matrix import stage_matrix
from napari_cellcycle.evaluation.stage_timing import timing_scores, transitions
from napari_cellcycle.evaluation.stage_truth import true_stages
from napari_cellcycle.evaluation.stages import StageScores, score_stages
from napari_cellcycle.features.shape import measure
from napari_cellcycle.features.sights import parents
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.io.tables import cell_table
from napari_cellcycle.progress import Progress, silent

LOOKS = (
    "area",
    "perimeter",
    "length",
    "width",
    "fill",
    "intensity_mean",
    "intensity_std",
    "intensity_max",
)
"""Measurements of a cell that the map of features is made of."""

_OWN = (
    r"(label_matrix|durations|features|confusion|scores|timing)\.png|lineages\.svg"
    r"|(stage_visits|stage_durations|divisions|scores|confusion_cells|timing)\.csv"
)
"""What `write_figures` writes."""

FEWEST_CELLS = 3
"""A map of features needs as many."""


@dataclass(frozen=True)
class Judged:
    """How a result compares with the truth: scores of stages, and of the times they change."""

    scores: StageScores
    timing: pd.DataFrame


def write_figures(
    experiment: Experiment,
    folder: str | Path,
    *,
    truth: tuple[LabelStack, Tracks] | None = None,
    progress: Progress = silent,
) -> Judged | None:
    """Write every figure and table about stages that the experiment gives, whole or not at all.

    Always: the label matrix, durations, lineages and a map of how the cells look, and the tables
    of stays, durations and divisions. With `truth` (masks and tracks with stages, matched by
    their masks) also the confusion matrix, scores with intervals (drawn by lineage) and the
    timing of changes, and what they are, which is returned. Earlier figures in `folder` are
    replaced. Where the frame interval of the movie is a guess, figures of times say so, and tables
    of times have a column `assumed_interval_s`.

    Raises
    ------
    BadInput
        There are no tracks with stages, or the truth does not fit.
    CannotWrite
        The disk refuses, or `folder` holds anything else; it is then as it was.
    """
    tracks, stages = experiment.tracks, experiment.stages
    if tracks is None or experiment.labels is None or "stage" not in tracks.cells:
        raise BadInput("The cells have no stages yet, and figures show them: track and classify.")
    if not len(tracks):
        raise BadInput("There is no cell in the result, so there is nothing to draw.")
    true = None if truth is None else true_stages(experiment, *truth, progress)
    folder = Path(folder).expanduser()
    with writing_to(folder), replaced_folder(folder, own=_OWN) as draft:
        matrix = stage_matrix(tracks, stages, len(experiment.movie), true)
        movie, visits = experiment.movie, visit_table(experiment)
        tables = {
            "stage_visits": visits,
            "stage_durations": duration_table(experiment).reset_index(),
            "divisions": mitosis_table(experiment),
        }
        for name, table in tables.items():
            if movie.assumed_interval:
                table = table.assign(assumed_interval_s=movie.frame_interval)
            _write(table, draft / f"{name}.csv")
        figures = {
            "label_matrix.png": draw_label_matrix(matrix, stages, movie.frame_interval),
            "durations.png": draw_durations(visits, stages),
            "lineages.svg": draw_lineage_tree(experiment),
        }
        for name, figure in figures.items():
            if movie.assumed_interval:
                figure.supxlabel(movie.assumed_interval, color=TEXT, fontsize=11)
            save_figure(figure, draft / name)
        _draw_looks(experiment, true, draft, progress)
        return None if true is None else _judge(experiment, true, draft)


def _judge(experiment: Experiment, true: pd.Series, draft: Path) -> Judged:
    tracks, stages = experiment.tracks, experiment.stages
    assert tracks is not None
    told = tracks.cells["stage"].astype(str)
    known = ((true != "") & told.isin(stages.names)).to_numpy()
    if not known.any():
        raise BadInput("No cell has both a true and a told stage, so nothing can be compared.")
    lineage = cell_table(experiment).set_index("cell_id")["lineage"].reindex(tracks.cells.index)
    scores = score_stages(
        true[known].to_numpy(), told[known].to_numpy(), stages.names, lineage[known].to_numpy()
    )
    code = {name: k for k, name in enumerate(stages.names)}
    frame = tracks.cells["frame"].to_numpy(np.int64)
    both = [column.map(code).fillna(-1).to_numpy(np.int64) for column in (true, told)]
    found = transitions(both[0], both[1], parents(tracks), frame)
    timing = timing_scores(found, stages.names)
    _write(scores.summary().reset_index(), draft / "scores.csv")
    counts = pd.DataFrame(scores.confusion, stages.names, stages.names)
    _write(counts.rename_axis("true_stage").reset_index(), draft / "confusion_cells.csv")
    _write(timing.rename(columns={"within": "within_1_frame"}).reset_index(), draft / "timing.csv")
    save_figure(draw_confusion(scores), draft / "confusion.png")
    save_figure(draw_scores(scores, stages), draft / "scores.png")
    if len(found):
        save_figure(draw_timing(found, stages), draft / "timing.png")
    return Judged(scores, timing)


def _draw_looks(
    experiment: Experiment, true: pd.Series | None, draft: Path, progress: Progress
) -> None:
    """Map how the cells look, if there are enough of them that differ."""
    tracks, labels = experiment.tracks, experiment.labels
    assert tracks is not None and labels is not None
    channel = channel_of(experiment)
    seen = measure(experiment.movie, labels, channel=channel, progress=progress)
    seen = seen.set_index(["frame", "label"])
    wanted = pd.MultiIndex.from_frame(tracks.cells[["frame", "label"]])
    looks = seen.reindex(wanted)[list(LOOKS)].to_numpy(float)
    whole = np.isfinite(looks).all(axis=1)
    varies = (looks[whole].std(axis=0) > 0).sum() if whole.any() else 0
    if whole.sum() < FEWEST_CELLS or varies < 2:
        return
    told = tracks.cells["stage"][whole]
    features = np.log(np.maximum(looks[whole], 1e-6))
    figure = draw_features(features, told, experiment.stages, None if true is None else true[whole])
    save_figure(figure, draft / "features.png")


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
