"""The command that scores a result against the truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, say
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.tracking import TrackingComparison

_MEANINGS = {
    "SEG": "agreement of masks",
    "DET": "cells found",
    "TRA": "cells found and linked",
    "LNK": "links alone",
    "CT": "tracks right from end to end",
    "TF": "share of each track held by one result track",
    "BC(1)": "divisions found, within one frame, as the challenge counts",
    "CCA": "lengths of cell cycles",
    "CHOTA": "all of it, balanced",
    "ASSOCIATION": "share of true links that are there",
    "EFFECTIVENESS": "share of true sightings in the best track of each cell",
    "DIV_P(1)": "share of divisions that are right, within one frame",
    "DIV_R(1)": "share of true divisions found, within one frame",
    "DIV_F1(1)": "both, balanced",
}


def evaluate(
    result: Annotated[
        Path, typer.Argument(help="Experiment (NAME.cellcycle) or Cell Tracking Challenge result")
    ],
    truth: Annotated[
        Path,
        typer.Argument(help="Truth folder, such as 01_GT, with TRA and SEG; or another result"),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write all scores to this file")
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option("--errors", help="Also write a table (CSV) with one row for every error"),
    ] = None,
) -> None:
    """Score masks and tracks against the truth, and list the errors.

    The scores are those of the Cell Tracking Challenge and some more; all go from 0 to 1, where 1
    is perfect. Needs the extra 'evaluate'.

    Example: napari-cellcycle evaluate hela.cellcycle Fluo-N2DL-HeLa/01_GT --errors errors.csv
    """
    from napari_cellcycle.evaluation.tracking import compare_folders
    from napari_cellcycle.io.storage import replace_file, writing_to

    with Bar() as bar:
        comparison = compare_folders(result, truth, progress=bar)
    if not comparison.scores.valid:
        raise BadInput(
            f"{result} breaks the rules of the Cell Tracking Challenge's format, so it has no "
            "scores; write it again with 'napari-cellcycle export'."
        )
    _show(comparison)
    if json_file is not None:
        with writing_to(json_file):
            replace_file(json_file, json.dumps(comparison.scores.table(), indent=2) + "\n")
    if errors is not None:
        with writing_to(errors):
            replace_file(errors, comparison.errors.to_csv(index=False))
        say(f"The table of errors is {errors}: {len(comparison.errors):,} rows.")


def _show(comparison: "TrackingComparison") -> None:
    table = comparison.scores.table()
    for name, meaning in _MEANINGS.items():
        value = table.get(name)
        if value is not None:
            say(f"{name:<13} {value:.4f}  {meaning}")
    if table["CT"] is None:
        say("CT, TF, BC, CCA and CHOTA need: pip install 'napari-cellcycle[evaluate]'")
    counts = [f"{kind} {count:,}" for kind, count in comparison.counts().items()]
    say(f"Errors: {', '.join(counts) or 'none'}")
