"""The command that scores a result against the truth."""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from napari_cellcycle.cli.console import Bar, say
from napari_cellcycle.errors import BadInput


def evaluate(
    result: Annotated[
        Path, typer.Argument(help="Experiment (NAME.cellcycle) or Cell Tracking Challenge result")
    ],
    truth: Annotated[Path, typer.Argument(help="Truth folder, such as 01_GT, with TRA and SEG")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the scores to this file")
    ] = None,
) -> None:
    """Score masks and tracks against the truth, as the Cell Tracking Challenge does.

    Example: napari-cellcycle evaluate hela.cellcycle Fluo-N2DL-HeLa/01_GT --json scores.json
    """
    raise BadInput("Not there yet.")


_ = (json, tempfile, ExitStack, Bar, say)
