"""The order of stages, told for all cells or for each, as what a network learns from."""

from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.stage.lessons import Cells
from napari_cellcycle.training.stage.weak import Aligner, AlignerSettings, parse_transcript


def aligner_of(
    cells: Cells, stages: StageSet, transcript: str | None, transcripts: Path | None
) -> Aligner:
    """What lays sequences onto the order of their stages.

    `transcript` is that of all cells, of which each may show any part, as movies begin and end
    within lives. `transcripts` is a table (CSV) with the columns `cell` (the name of a lineage or
    a track of crops, as in NAME.split.txt, with or without its source) and `transcript`, of which
    each cell shows the whole.

    Raises `BadInput` if both are given, a stage is unknown, or a cell has no transcript.
    """
    if transcript is not None and transcripts is not None:
        raise BadInput("Both --transcript and --transcripts are given: leave one of them out.")
    if transcript is not None:
        one = parse_transcript(transcript, stages)
        return Aligner(stages, one, AlignerSettings(partial=True))
    assert transcripts is not None
    try:
        table = pd.read_csv(transcripts, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"The transcripts in {transcripts} cannot be read ({error}).") from error
    if not {"cell", "transcript"} <= set(table.columns):
        raise BadInput(
            f"{transcripts} has the columns {', '.join(map(str, table.columns))}, but 'cell' and "
            "'transcript' were expected."
        )
    told = dict(zip(table["cell"], table["transcript"], strict=True))
    order = []
    for name in cells.names[np.asarray(cells.data.group)].tolist():
        own = told.get(name, told.get(name.partition(": ")[2]))
        if own is None:
            raise BadInput(
                f"{transcripts} has no transcript of {name!r}: add a row for it, or leave out its "
                "source."
            )
        order.append(parse_transcript(own, stages))
    return Aligner(stages, order)
