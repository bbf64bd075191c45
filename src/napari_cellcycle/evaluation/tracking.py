"""How well tracks agree with the truth: the challenge's scores, ours, and every error."""

import contextlib
import io
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.evaluation.challenge import score_whole_tracks
from napari_cellcycle.evaluation.errors import KINDS, list_errors
from napari_cellcycle.evaluation.lineage import (
    FARTHEST,
    DivisionMatch,
    Links,
    compare_divisions,
    compare_links,
    target_effectiveness,
)
from napari_cellcycle.evaluation.matching import match_cells
from napari_cellcycle.io.ctc import is_ctc, read_ctc
from napari_cellcycle.io.experiment import is_experiment, open_experiment
from napari_cellcycle.io.frames import frame_files
from napari_cellcycle.progress import Progress, silent

_TRACKING = ("Valid", "DET", "TRA", "LNK", "CT", "TF", "BC", "CHOTA", "CCA")
WEIGHTS = {"NS": 5.0, "FN": 10.0, "FP": 1.0, "ED": 1.0, "EA": 1.5, "EC": 1.0}
"""Cost of each correction in AOGM, as the challenge sets it."""


@dataclass(frozen=True)
class DivisionScores:
    """Divisions found, in which the mother and both daughters are right, and not.

    Scores from 0 to 1; None where there is nothing to divide by.
    """

    found: int
    missed: int
    false: int

    @property
    def precision(self) -> float | None:
        """Share of the result's divisions that are right."""
        return _ratio(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """Share of the true divisions that are found."""
        return _ratio(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.found, 2 * self.found + self.missed + self.false)


@dataclass(frozen=True)
class TrackingScores:
    """How well a result agrees with the truth; all but `aogm` from 0 (bad) to 1.

    `det` detection, `tra` tracking and `lnk` linking accuracy (Matula 2015; Ulman 2017),
    `seg` segmentation accuracy where the truth has full masks; `ct` complete tracks, `tf`
    track fractions, `bc` branching correctness by the error in frames that is forgiven,
    `cca` cell cycle accuracy (Maska 2023); `chota` (Kaiser 2024). `aogm` counts the corrections
    that would turn the result into the truth: NS splits, FN missed and FP false cells, ED false,
    EA missed and EC links of the wrong kind. `valid` says whether the result keeps the format's
    rules; if it does not, the scores are None.

    `association` is the share of true links that the result has, `effectiveness` the share of
    true sightings in the result track that holds most of their track (Kanade 2011), `divisions`
    the divisions found by the error in frames that is forgiven; see `compare_divisions`.
    """

    valid: bool
    seg: float | None
    det: float | None
    tra: float | None
    lnk: float | None
    ct: float | None
    tf: float | None
    bc: dict[int, float]
    chota: float | None
    aogm: dict[str, int]
    cca: float | None = None
    association: float | None = None
    effectiveness: float | None = None
    divisions: dict[int, DivisionScores] = field(default_factory=dict)

    def table(self) -> dict[str, float | int | None]:
        """All scores by their usual names, such as "LNK", "BC(1)" or "DIV_F1(1)"."""
        values = asdict(replace(self, divisions={}))
        bc, aogm, valid = values.pop("bc"), values.pop("aogm"), values.pop("valid")
        del values["divisions"]
        divisions: dict[str, float | int | None] = {}
        for error, scores in self.divisions.items():
            divisions[f"DIV_P({error})"] = scores.precision
            divisions[f"DIV_R({error})"] = scores.recall
            divisions[f"DIV_F1({error})"] = scores.f1
        return {
            "Valid": int(valid),
            **{name.upper(): value for name, value in values.items()},
            **{f"BC({error})": value for error, value in bc.items()},
            **divisions,
            **{f"AOGM_{kind}": value for kind, value in aogm.items()},
        }


@dataclass(frozen=True)
class TrackingComparison:
    """Scores of a result, and its errors as rows; see `list_errors` for their columns."""

    scores: TrackingScores
    errors: pd.DataFrame

    def counts(self) -> dict[str, int]:
        """Number of errors of each kind that occurs, in the order of `KINDS`."""
        counted = self.errors["kind"].value_counts()
        return {kind: int(counted[kind]) for kind in KINDS if kind in counted}


def compare_tracking(
    labels: LabelStack,
    tracks: Tracks,
    truth_labels: LabelStack,
    truth_tracks: Tracks,
    *,
    progress: Progress = silent,
) -> TrackingComparison:
    """Compare tracks with the truth about the same movie; both in memory or read as needed.

    A cell of the truth is found by the mask that covers more than half of its mask or marker.
    CT, TF, BC, CHOTA and CCA need py-ctcmetrics and are left out without it; SEG is not
    computed. Raises `BadInput` if the masks differ in shape.
    """
    if labels.shape != truth_labels.shape:
        raise BadInput(
            f"The masks have shape {labels.shape}, but those of the truth have "
            f"{truth_labels.shape}; choose the result and the truth of the same movie."
        )
    matching = match_cells(labels, tracks, truth_labels, truth_tracks, progress)
    links = compare_links(Links.of(tracks), Links.of(truth_tracks), matching)
    divisions = compare_divisions(tracks, truth_tracks, matching)
    errors = list_errors(tracks, truth_tracks, matching, links, divisions)
    found = score_whole_tracks(tracks, truth_tracks, matching, len(labels))
    counted = errors["correction"].value_counts()
    aogm = {kind: int(counted.get(kind, 0)) for kind in WEIGHTS}
    n_links = len(truth_tracks.links)
    scores = replace(
        _read({**found, "Valid": 1, **_accuracies(aogm, len(truth_tracks), n_links)}),
        aogm=aogm,
        association=_ratio(n_links - aogm["EA"], n_links),
        effectiveness=target_effectiveness(tracks, truth_tracks, matching),
        divisions=_division_scores(divisions),
    )
    return TrackingComparison(scores, errors)


def compare_folders(
    result: str | Path, truth: str | Path, *, seg: bool | None = None, progress: Progress = silent
) -> TrackingComparison:
    """Compare a result with a truth; each an experiment or a Cell Tracking Challenge folder.

    Where both are the latter, the challenge's scores are those of `score_tracking`, which see the
    files as they are. SEG is computed where the truth has a SEG folder unless `seg` says
    otherwise. Raises `BadInput` if a folder is not what it should be or they do not fit.
    """
    result, folder = Path(result).expanduser(), _truth_of(truth)
    labels, tracks = open_tracked(result)
    comparison = compare_tracking(labels, tracks, *open_tracked(truth), progress=progress)
    ours = comparison.scores
    if (result / "res_track.txt").is_file() and (folder / "TRA" / "man_track.txt").is_file():
        official = score_tracking(result, folder, seg=seg)
        scores = replace(
            official,
            association=ours.association,
            effectiveness=ours.effectiveness,
            divisions=ours.divisions,
        )
    elif seg if seg is not None else (folder / "SEG").is_dir():
        from napari_cellcycle.evaluation.segmentation import score_sequence

        scores = replace(ours, seg=score_sequence(enumerate(labels), folder).seg)
    else:
        scores = ours
    return TrackingComparison(scores, comparison.errors)


def open_tracked(folder: str | Path) -> tuple[LabelStack, Tracks]:
    """Masks and tracks of an experiment, a tracking result, or a truth (NAME_GT or its TRA).

    Raises `BadInput` if `folder` is none of these or its cells are not tracked.
    """
    folder = Path(folder).expanduser()
    if is_experiment(folder):
        experiment = open_experiment(folder)
        if experiment.labels is None or experiment.tracks is None:
            raise BadInput(
                f"The cells of {folder} are not tracked yet; run the step 'track' first."
            )
        return experiment.labels, experiment.tracks
    place = folder if is_ctc(folder) else folder / "TRA"
    if not is_ctc(place):
        raise BadInput(
            f"{folder} holds no tracks (no res_track.txt and no TRA/man_track.txt); choose a "
            "result or the truth (NAME_GT) of a sequence of the Cell Tracking Challenge, or an "
            "experiment."
        )
    return read_ctc(place)


def score_tracking(
    result_folder: str | Path, truth_folder: str | Path, *, seg: bool | None = None
) -> TrackingScores:
    """Compare a result folder (mask000.tif ..., res_track.txt) with the truth of its movie.

    `truth_folder` is NAME_GT or its TRA folder. SEG is computed where there is a SEG folder
    beside it, unless `seg` says otherwise. Only the challenge's scores, as the official tools
    give them; `compare_folders` adds the others.

    Raises `UserError` if py-ctcmetrics is not installed and `BadInput` if a folder is not what
    it should be or their frames differ in number.
    """
    result, truth = Path(result_folder).expanduser(), _truth_of(truth_folder)
    _check(result, truth)
    metrics = [*_TRACKING]
    if seg if seg is not None else (truth / "SEG").is_dir():
        metrics.append("SEG")
    return _read(_evaluate(result, truth, metrics))


def _evaluate(result: Path, truth: Path, metrics: list[str]) -> dict[str, float | None]:
    try:
        from ctc_metrics.scripts.evaluate import evaluate_sequence
    except ImportError as error:
        raise UserError(
            "Scoring tracks needs the package py-ctcmetrics, which is not installed; "
            'install it with: pip install "napari-cellcycle[evaluate]"'
        ) from error
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return dict(evaluate_sequence(str(result), str(truth), metrics, threads=1))


def _read(found: dict[str, Any]) -> TrackingScores:
    def number(name: str) -> float | None:
        value = found.get(name)
        return None if value is None else float(value)

    branching = {error: number(f"BC({error})") for error in range(4)}
    corrections = {kind: number(f"AOGM_{kind}") for kind in WEIGHTS}
    return TrackingScores(
        valid=bool(found.get("Valid")),
        seg=number("SEG"),
        det=number("DET"),
        tra=number("TRA"),
        lnk=number("LNK"),
        ct=number("CT"),
        tf=number("TF"),
        bc={error: value for error, value in branching.items() if value is not None},
        chota=number("CHOTA"),
        aogm={kind: int(value) for kind, value in corrections.items() if value is not None},
        cca=number("CCA"),
    )


def _accuracies(aogm: dict[str, int], cells: int, links: int) -> dict[str, float | None]:
    """DET, LNK and TRA: 1 - cost of the corrections / cost of beginning from nothing."""
    cost = {kind: WEIGHTS[kind] * count for kind, count in aogm.items()}
    detection = sum(cost[kind] for kind in ("NS", "FN", "FP"))
    linking = sum(cost[kind] for kind in ("ED", "EA", "EC"))
    no_cells, no_links = WEIGHTS["FN"] * cells, WEIGHTS["EA"] * links

    def accuracy(paid: float, most: float) -> float | None:
        return 1 - min(paid, most) / most if most else None

    return {
        "DET": accuracy(detection, no_cells),
        "LNK": accuracy(linking, no_links),
        "TRA": accuracy(detection + linking, no_cells + no_links),
    }


def _division_scores(divisions: DivisionMatch) -> dict[int, DivisionScores]:
    scores = {}
    for error in range(FARTHEST + 1):
        found = divisions.within(error)
        scores[error] = DivisionScores(
            found, len(divisions.true) - found, len(divisions.found) - found
        )
    return scores


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _truth_of(folder: str | Path) -> Path:
    """The folder that holds TRA."""
    folder = Path(folder).expanduser()
    return folder.parent if folder.name == "TRA" else folder


def _check(result: Path, truth: Path) -> None:
    if not (result / "res_track.txt").is_file():
        raise BadInput(
            f"{result} holds no res_track.txt; choose a tracking result in the layout of the "
            "Cell Tracking Challenge (export an experiment to 'ctc' to get one)."
        )
    if not (truth / "TRA" / "man_track.txt").is_file():
        raise BadInput(
            f"{truth} holds no TRA/man_track.txt; choose the truth (NAME_GT) of a sequence "
            "of the Cell Tracking Challenge."
        )
    counts = [len(frame_files(folder)) for folder in (result, truth / "TRA")]
    if counts[0] != counts[1]:
        raise BadInput(
            f"The result {result} has {counts[0]} frames, but the truth has {counts[1]}; "
            "choose the result and the truth of the same movie."
        )
