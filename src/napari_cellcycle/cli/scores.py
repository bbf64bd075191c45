"""The command that scores a result against the truth."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from napari_cellcycle.cli.console import Bar, say
from napari_cellcycle.errors import BadInput

_MEANINGS = {
    "SEG": "agreement of masks",
    "DET": "cells found",
    "TRA": "cells found and linked",
    "LNK": "links alone",
    "CT": "tracks right from end to end",
    "TF": "share of each track held by one result track",
    "BC(1)": "divisions found, within one frame",
    "CHOTA": "all of it, balanced",
}


def evaluate(
    result: Annotated[
        Path, typer.Argument(help="Experiment (NAME.cellcycle) or Cell Tracking Challenge result")
    ],
    truth: Annotated[Path, typer.Argument(help="Truth folder, such as 01_GT, with TRA and SEG")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write all scores to this file")
    ] = None,
) -> None:
    """Score masks and tracks against the truth, as the Cell Tracking Challenge does.

    All scores go from 0 to 1, where 1 is perfect. Needs the extra 'evaluate'.

    Example: napari-cellcycle evaluate hela.cellcycle Fluo-N2DL-HeLa/01_GT --json scores.json
    """
    from napari_cellcycle.evaluation.tracking import score_tracking
    from napari_cellcycle.io.storage import replace_file, writing_to

    with Bar() as bar, _as_ctc(result, bar) as folder:
        bar(1, 2, "Scoring")
        scores = score_tracking(folder, truth)
    if not scores.valid:
        raise BadInput(
            f"{result} breaks the rules of the Cell Tracking Challenge's format, so it has no "
            "scores; write it again with 'napari-cellcycle export'."
        )
    table = scores.table()
    for name, meaning in _MEANINGS.items():
        value = table.get(name)
        if value is not None:
            say(f"{name:<6} {value:.4f}  {meaning}")
    if json_file is not None:
        with writing_to(json_file):
            replace_file(json_file, json.dumps(table, indent=2) + "\n")


@contextmanager
def _as_ctc(result: Path, bar: Bar) -> Iterator[Path]:
    """Offer the result as a challenge folder; an experiment is exported to a temporary one."""
    if not (result / "experiment.json").is_file():
        yield result
        return
    from napari_cellcycle.io.ctc import write_ctc
    from napari_cellcycle.io.experiment import open_experiment

    experiment = open_experiment(result)
    if experiment.labels is None or experiment.tracks is None:
        raise BadInput(f"The cells of {result} are not tracked yet; run the step 'track' first.")
    with tempfile.TemporaryDirectory() as place:
        write_ctc(experiment.labels, experiment.tracks, Path(place) / "RES", bar)
        yield Path(place) / "RES"
