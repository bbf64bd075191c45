"""The order of stages, told for all cells or for each, as what a network learns from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.durations import given_durations
from napari_cellcycle.training.stage.lessons import Cells
from napari_cellcycle.training.stage.sources import StageSource
from napari_cellcycle.training.stage.weak import Aligner, AlignerSettings, parse_transcript

HOLDING_BACK = AlignerSettings(prior_weight=1.0)
"""Where no lengths or only parts are known: else one stage could do for all frames."""
HOLDING_BACK_PARTS = HOLDING_BACK.model_copy(update={"partial": True})


def aligner_of(
    cells: Cells,
    stages: StageSet,
    transcript: str | None,
    transcripts: Path | None,
    mean_length: np.ndarray | None = None,
    *,
    soft: bool = True,
) -> Aligner:
    """What lays sequences onto the order of their stages.

    `transcript` is that of all cells, of which each may show any part, as movies begin and end
    within lives. `transcripts` is a table (CSV) with the columns `cell` (the name of a lineage or
    a track of crops, as in NAME.split.txt, with or without its source) and `transcript`, of which
    each cell shows the whole. `mean_length` (S,) is how many frames stages last, if known.
    `soft` is that of `AlignerSettings`.

    Raises `BadInput` if both are given, a stage is unknown, or a cell has no transcript.
    """
    if transcript is not None and transcripts is not None:
        raise BadInput("Both --transcript and --transcripts are given: leave one of them out.")
    if transcript is not None:
        one = parse_transcript(transcript, stages)
        settings = HOLDING_BACK_PARTS.model_copy(update={"soft": soft})
        return Aligner(stages, one, settings, mean_length=mean_length)
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
    names = cells.names[np.asarray(cells.data.group)].tolist()
    for name, path in zip(names, cells.data.paths, strict=True):
        own = told.get(name, told.get(name.partition(": ")[2]))
        if own is None:
            raise BadInput(
                f"{transcripts} has no transcript of {name!r}: add a row for it, or leave out its "
                "source."
            )
        order.append(parse_transcript(own, stages))
        if len(path) < len(order[-1]):
            raise BadInput(
                f"The transcript of {name!r} in {transcripts} names {len(order[-1])} stages, but "
                f"one of its cells is seen in {len(path)} frames only: leave out the stages that "
                "it cannot show, or its source."
            )
    settings = HOLDING_BACK if mean_length is None else AlignerSettings()
    settings = settings.model_copy(update={"soft": soft})
    return Aligner(stages, order, settings, mean_length=mean_length)


def notes_on(aligner: Aligner) -> list[str]:
    """What to expect of an order for all cells where nobody knows how long stages last."""
    if aligner.knows_lengths or not aligner.settings.partial:
        return []
    return [
        "How long stages last is not known here, and one order for all cells tells little without "
        "it: give each cell's own order with --transcripts, or movies with one frame interval."
    ]


def mean_lengths(
    sources: Sequence[StageSource], stages: StageSet, lasting: str | None = None
) -> np.ndarray | None:
    """Frames that stages last in the mean, (S,): by `lasting`, else by the set of stages.

    `lasting` names stages and their minutes, as in "prophase 10, metaphase 15". None, so that
    lengths have to be learned, if the frame rate of a source is unknown or a guess, several have
    not the same one, or stages may last any time and are not named.

    Raises `BadInput` if `lasting` cannot be read, or there is no frame rate to use it with.
    """
    told = {} if lasting is None else _minutes(lasting, stages)
    movies = [
        source.experiment.movie
        for source in sources
        if source.experiment is not None and not source.experiment.movie.assumed_interval
    ]
    intervals = {movie.frame_interval for movie in movies}
    if len(movies) < len(sources) or len(intervals) != 1:
        if told:
            raise BadInput(
                "How many minutes stages last tells nothing here, as the sources have no frame "
                "interval, a guessed one or several: leave out --lasting, or give movies of one "
                "frame interval that is known."
            )
        return None
    missing = set(stages.names) - set(told)
    if missing and not stages.timed:
        if told:
            raise BadInput(
                f"--lasting leaves out {', '.join(sorted(missing))}, whose usual durations are not "
                "known: name all stages."
            )
        return None
    usual = dict(zip(stages.names, given_durations(stages).mean_minutes, strict=True))
    minutes = [told.get(name, usual[name]) for name in stages.names]
    return np.array(minutes) * 60 / intervals.pop()


def _minutes(text: str, stages: StageSet) -> dict[str, float]:
    """Minutes by name of the stage, as typed: names and numbers, with commas between stages."""
    known, found = {name.lower(): name for name in stages.names}, {}
    for part in text.split(","):
        name, _, number = part.strip().rpartition(" ")
        try:
            stage, minutes = known[name.strip(" :=").lower()], float(number)
        except (KeyError, ValueError):
            stage, minutes = "", np.nan
        if not 0 < minutes < np.inf:
            raise BadInput(
                f"--lasting says {part.strip()!r}; expected a stage and its minutes, such as "
                f"'{stages.names[0]} 10', of {', '.join(stages.names)}."
            )
        found[stage] = minutes
    return found
