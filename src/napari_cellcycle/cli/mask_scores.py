"""The command that scores masks against the truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, say

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.mask_comparison import MaskComparison

_MEANINGS = {
    "SEG": "agreement of outlines, as the Cell Tracking Challenge has it",
    "DET": "cells found, as the Cell Tracking Challenge has it",
    "AP@0.5": "found, by found, missed and false; outlines agree by half",
    "AP@0.75": "the same, outlines agree by three quarters",
    "AP@0.9": "the same, outlines agree by nine tenths",
    "F1@0.5": "share of cells and masks that are right",
    "PQ": "panoptic quality: SQ times RQ",
    "SQ": "agreement of the outlines of the cells that are found",
    "RQ": "cells found, by mean of cells and masks",
    "AJI": "agreement of all pixels of cells, cell by cell",
    "count error": "cells too many or too few, mean of images",
}


def score(
    result: Annotated[
        Path,
        typer.Argument(
            help="Masks: a folder with one TIFF or PNG file an image, a stack, a Cell Tracking "
            "Challenge result, or an experiment (NAME.cellcycle)"
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            help="The truth: masks in any of these forms (-1: not known), or NAME_GT with SEG "
            "or TRA"
        ),
    ],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a table (CSV) with one row an image")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the pooled scores to this file")
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option("--errors", help="Write a table (CSV) with one row for every error"),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            help="Folder to make, with a picture of each image: 1 right, 2 false, 3 missed",
        ),
    ] = None,
    iou: Annotated[
        float,
        typer.Option(
            min=0.05, max=1, help="Least agreement (Jaccard index) at which a mask is right"
        ),
    ] = 0.5,
    border: Annotated[
        int, typer.Option(min=0, help="Leave out cells wholly within so many pixels of the edge")
    ] = 0,
) -> None:
    """Score masks against the truth: SEG, DET, AP, F1, PQ, AJI and counts.

    Images are paired by name (endings such as _masks do not matter) or by the number in it. Of
    several images, scores are pooled: each cell counts the same. All scores but counts go from 0
    to 1, where 1 is perfect.

    Example: napari-cellcycle score hela_masks Fluo-N2DL-HeLa/01_GT --csv scores.csv --border 25
    """
    from napari_cellcycle.evaluation.mask_comparison import compare_folders
    from napari_cellcycle.evaluation.mask_files import open_masks
    from napari_cellcycle.evaluation.mask_pictures import write_pictures
    from napari_cellcycle.io.storage import replace_file, writing_to

    with Bar() as bar:
        comparison = compare_folders(result, truth, iou=iou, border_px=border, progress=bar)
    _show(comparison)
    if csv is not None:
        with writing_to(csv):
            replace_file(csv, comparison.table().to_csv(float_format="%.6g"))
    if json_file is not None:
        with writing_to(json_file):
            replace_file(json_file, json.dumps(comparison.scores.table(), indent=2) + "\n")
    if errors is not None:
        with writing_to(errors):
            replace_file(errors, comparison.named_errors().to_csv(index=False, float_format="%.6g"))
        say(f"The table of errors is {errors}: {len(comparison.errors):,} rows.")
    if pictures is not None:
        with Bar() as bar:
            write_pictures(comparison, open_masks(result), pictures, bar)
        say(f"Pictures of agreement are in {pictures}: 1 is right, 2 false, 3 missed.")


def _show(comparison: "MaskComparison") -> None:
    pooled = comparison.scores
    table = pooled.table()
    for name, meaning in _MEANINGS.items():
        value = table.get(name)
        if value is not None:
            say(f"{name:<11} {value:>7.4f}  {meaning}")
    images = len(comparison.images)
    cells, surplus = int(table["cells"] or 0), pooled.surplus
    off = f"{abs(surplus):,} {'too many' if surplus > 0 else 'too few'}" if surplus else "as many"
    say(f"{images:,} image{'s' * (images != 1)}, {cells:,} cells; the masks are {off}.")
    counts = [f"{kind} {count:,}" for kind, count in comparison.counts().items()]
    say(f"Errors: {', '.join(counts) or 'none'}")
