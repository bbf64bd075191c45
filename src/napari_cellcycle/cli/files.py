"""Commands that write and read files of other programs: export, import, simulate."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, refuse_existing, say
from napari_cellcycle.cli.options import (
    FrameInterval,
    Overwrite,
    PixelSize,
    parse_pixel_size,
    settings_options,
)
from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from napari_cellcycle.data.labels import LabelStack
    from napari_cellcycle.simulate import Simulation


class Format(StrEnum):
    """What tracks can be written as, and read from."""

    CTC = "ctc"
    CSV = "csv"
    TRACKMATE = "trackmate"
    GEFF = "geff"


def export(
    experiment: Annotated[Path, typer.Argument(help="Experiment folder: NAME.cellcycle")],
    to: Annotated[
        Format,
        typer.Option(
            "--to",
            "--as",
            help="'ctc': Cell Tracking Challenge result folder; 'csv': table of cells; "
            "'trackmate': XML file for Fiji; 'geff': folder NAME.geff for other trackers",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder (ctc, geff) or file (csv, trackmate) to make")],
    overwrite: Overwrite = False,
) -> None:
    """Write the cells of an experiment for other programs, and report what the file holds.

    What was written is read again and compared. What the form has no place for is counted.

    Example: napari-cellcycle export hela.cellcycle --as trackmate --out hela.xml
    """
    from napari_cellcycle.io.exchange import export_experiment
    from napari_cellcycle.io.experiment import open_experiment

    refuse_existing(out, overwrite)
    opened = open_experiment(experiment)
    if opened.tracks is None:
        raise BadInput(
            f"The cells of {experiment} are not tracked yet; run the step 'track' first."
        )
    with Bar() as bar:
        report = export_experiment(opened, out, to.value, bar)
    say(str(report))


def import_tracks(
    tracks: Annotated[
        Path,
        typer.Argument(
            help="TrackMate file (.xml), geff folder, table (.csv), or Cell Tracking Challenge "
            "folder"
        ),
    ],
    movie: Annotated[Path, typer.Option(help="Movie that they belong to")],
    out: Annotated[Path, typer.Option(help="Experiment folder to make: NAME.cellcycle")],
    masks: Annotated[
        Path | None,
        typer.Option(help="Masks to place the cells on; those of a challenge folder if not given"),
    ] = None,
    spots: Annotated[
        bool, typer.Option("--spots", help="Without masks: paint a spot around each cell")
    ] = False,
    form: Annotated[
        Format | None, typer.Option(help="What TRACKS is; as it seems if not given")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column", help="Unusual name in a table or geff, such as frame=TP; several times"
        ),
    ] = None,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    overwrite: Overwrite = False,
) -> None:
    """Make an experiment of tracks of another program, and report what was taken.

    Stages, pinned stages and scores are kept where the file has them.

    Example: napari-cellcycle import hela.xml --movie hela.tif --masks masks --out hela.cellcycle
    """
    from napari_cellcycle.io.exchange import form_of, import_experiment
    from napari_cellcycle.io.experiment import save_experiment
    from napari_cellcycle.io.frames import open_labels
    from napari_cellcycle.io.movies import open_movie

    refuse_existing(out, overwrite)
    kind = form_of(tracks) if form is None else form.value
    sizes = parse_pixel_size(pixel_size)
    size = sizes[0] if sizes is not None and len(sizes) == 1 else sizes
    opened = open_movie(movie, pixel_size=size, frame_interval=frame_interval)
    if masks is None and kind == Format.CTC:
        masks = tracks
    labels = None if masks is None else open_labels(masks)
    names = dict(_pair(text) for text in columns or ())
    with Bar() as bar:
        experiment, report = import_experiment(
            tracks, opened, labels, kind, columns=names, spots=spots, progress=bar
        )
        save_experiment(experiment, out, bar)
    say(str(report))
    say(f"The experiment is {out}; open it with: napari {out}")


def _pair(text: str) -> tuple[str, str]:
    thing, sign, name = text.partition("=")
    if not sign:
        raise BadInput(f"--column is {text!r}, but a pair such as frame=TP was expected.")
    return thing.strip(), name.strip()


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
        with writing_to(out), replaced_folder(out, own=r"01|01_GT|settings\.json") as draft:
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
