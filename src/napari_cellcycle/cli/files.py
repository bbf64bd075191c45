"""Commands that write files from what is known: export, simulate."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, refuse_existing, say
from napari_cellcycle.cli.options import Overwrite, settings_options
from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from napari_cellcycle.data.labels import LabelStack
    from napari_cellcycle.simulate import Simulation


class Format(StrEnum):
    """What an experiment can be written as."""

    CTC = "ctc"
    CSV = "csv"


def export(
    experiment: Annotated[Path, typer.Argument(help="Experiment folder: NAME.cellcycle")],
    to: Annotated[
        Format,
        typer.Option(help="'ctc': Cell Tracking Challenge result folder; 'csv': table of cells"),
    ],
    out: Annotated[Path, typer.Option(help="Folder (ctc) or file (csv) to make")],
    overwrite: Overwrite = False,
) -> None:
    """Write the cells of an experiment for other programs.

    Example: napari-cellcycle export hela.cellcycle --to ctc --out hela_RES
    """
    from napari_cellcycle.io.ctc import write_ctc
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.io.tables import write_cell_table

    refuse_existing(out, overwrite)
    opened = open_experiment(experiment)
    if opened.labels is None or opened.tracks is None:
        raise BadInput(
            f"The cells of {experiment} are not tracked yet; run the step 'track' first."
        )
    if to is Format.CSV:
        write_cell_table(opened, out)
        say(f"The table is {out}: {len(opened.tracks):,} rows, one a cell and frame.")
        return
    with Bar() as bar:
        write_ctc(opened.labels, opened.tracks, out, bar)
    say(f"The tracks are in {out}: mask000.tif ... and res_track.txt.")


@settings_options({"settings": SimulateSettings})
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to make")],
    settings: SimulateSettings,
    overwrite: Overwrite = False,
) -> None:
    """Make a movie of dividing nuclei with complete truth, in the Cell Tracking Challenge layout.

    OUT/01 holds the frames (t000.tif ...), OUT/01_GT/TRA the tracked masks with lineage,
    OUT/01_GT/SEG the masks, OUT/01_GT/stages.csv the stage of every mask. The
    same settings and seed give the same movie.

    Example: napari-cellcycle simulate crowd --cells 80 --frames 60 --seed 3
    """
    from napari_cellcycle import simulate as room
    from napari_cellcycle.io.storage import replaced_folder, writing_to

    refuse_existing(out, overwrite)
    with Bar() as bar:
        simulation = room.simulate(settings, progress=bar)
        with writing_to(out), replaced_folder(out) as draft:
            _write_sequence(simulation, draft, settings, bar)
    tracks = simulation.tracks
    say(
        f"{out} holds {settings.frames} frames with {len(tracks):,} cells, "
        f"{tracks.track_id.nunique():,} tracks and {len(tracks.divisions):,} divisions."
    )


def _write_sequence(
    simulation: "Simulation", folder: Path, settings: SimulateSettings, bar: Bar
) -> None:
    from napari_cellcycle.io.ctc import read_ctc, write_ctc
    from napari_cellcycle.io.frames import write_label_frames, write_movie_frames
    from napari_cellcycle.io.storage import replace_file

    write_movie_frames(simulation.movie, folder / "01", progress=bar)
    truth = folder / "01_GT"
    truth.mkdir()
    write_ctc(simulation.labels, simulation.tracks, truth / "TRA", bar)
    labels, _ = read_ctc(truth / "TRA")
    write_label_frames(labels, truth / "SEG", "man_seg", bar)
    table = _stage_table(simulation, labels)
    table.to_csv(truth / "stages.csv", index=False, lineterminator="\n")
    for path in (truth / "TRA").glob("mask*.tif"):
        path.replace(path.with_name(path.name.replace("mask", "man_track")))
    (truth / "TRA" / "res_track.txt").replace(truth / "TRA" / "man_track.txt")
    replace_file(folder / "settings.json", settings.model_dump_json(indent=2) + "\n")


def _stage_table(simulation: "Simulation", written: "LabelStack") -> "pd.DataFrame":
    """Stage of every cell by frame and label in the written masks."""
    import numpy as np
    import pandas as pd

    cells = simulation.tracks.cells.reset_index().set_index(["frame", "label"])["stage"]
    parts = []
    for time in range(len(written)):
        old, new = simulation.labels.frame(time), written.frame(time)
        there = new > 0
        pairs = np.unique(np.stack([new[there], old[there]], axis=1), axis=0)
        stage = cells.loc[time].reindex(pairs[:, 1]).to_numpy() if len(pairs) else []
        parts.append(pd.DataFrame({"frame": time, "label": pairs[:, 0], "stage": stage}))
    return pd.concat(parts, ignore_index=True)
