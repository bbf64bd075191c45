"""Scores of the Cell Tracking Challenge for a tracking result, as the official tools give them."""

import contextlib
import io
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.io.frames import frame_files

_TRACKING = ("Valid", "DET", "TRA", "LNK", "CT", "TF", "BC", "CHOTA")


@dataclass(frozen=True)
class TrackingScores:
    """How well a result agrees with the truth; all but `aogm` from 0 (bad) to 1.

    `det` detection, `tra` tracking and `lnk` linking accuracy (Matula 2015; Ulman 2017),
    `seg` segmentation accuracy where the truth has full masks; `ct` complete tracks, `tf`
    track fractions, `bc` branching correctness by the error in frames that is forgiven
    (Maska 2023); `chota` (Kaiser 2024). `aogm` counts the corrections that would turn the
    result into the truth: NS splits, FN missed and FP false cells, ED false, EA missed and
    EC links of the wrong kind. `valid` says whether the result keeps the format's rules; if
    it does not, the scores are None.
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

    def table(self) -> dict[str, float | int | None]:
        """All scores by their usual names, such as "LNK" or "BC(1)"."""
        values = asdict(self)
        bc, aogm, valid = values.pop("bc"), values.pop("aogm"), values.pop("valid")
        return {
            "Valid": int(valid),
            **{name.upper(): value for name, value in values.items()},
            **{f"BC({error})": value for error, value in bc.items()},
            **{f"AOGM_{kind}": value for kind, value in aogm.items()},
        }


def score_tracking(
    result_folder: str | Path, truth_folder: str | Path, *, seg: bool | None = None
) -> TrackingScores:
    """Compare a result folder (mask000.tif ..., res_track.txt) with the truth of its movie.

    `truth_folder` is NAME_GT or its TRA folder. SEG is computed where there is a SEG folder
    beside it, unless `seg` says otherwise.

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


def _read(found: dict[str, float | None]) -> TrackingScores:
    def number(name: str) -> float | None:
        value = found.get(name)
        return None if value is None else float(value)

    kinds = ("NS", "FN", "FP", "ED", "EA", "EC")
    branching = {error: number(f"BC({error})") for error in range(4)}
    corrections = {kind: number(f"AOGM_{kind}") for kind in kinds}
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
    )


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
