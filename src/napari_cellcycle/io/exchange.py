"""Files of other programs, written and read, with a report of what came through."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cellcycle import __version__
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, NUCLEUS, StageSet, free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.ctc import is_ctc, label_by_track, read_ctc, read_ctc_counted, write_ctc
from napari_cellcycle.io.exchange_check import (
    EXACT,
    ROUNDED,
    ctc_differences,
    differences,
    mark_differences,
)
from napari_cellcycle.io.exchange_words import FORMS, Report, export_report, import_report, radii
from napari_cellcycle.io.foreign import Foreign
from napari_cellcycle.io.frames import check_labels_fit
from napari_cellcycle.io.geff_export import write_plain_geff
from napari_cellcycle.io.geff_import import find_geff, read_foreign_geff
from napari_cellcycle.io.placing import mask_sizes, placed, spotted
from napari_cellcycle.io.tables import write_cell_table
from napari_cellcycle.io.tables_import import read_cell_table
from napari_cellcycle.io.trackmate import carried_cells, carried_links, write_trackmate
from napari_cellcycle.io.trackmate_import import read_trackmate
from napari_cellcycle.progress import Progress, silent

__all__ = ["FORMS", "Report", "export_experiment", "form_of", "import_experiment", "import_tracks"]

_POINTS = (
    "No masks were given, so cells are points: they can be counted and exported, but napari shows "
    "them only with masks or spots."
)
_SPOTS = "No masks were given, so a spot was painted around each cell: it is no outline."
_ENDINGS = {".xml": "trackmate", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}


def export_experiment(
    experiment: Experiment, path: str | Path, form: str, progress: Progress = silent
) -> Report:
    """Write tracks in a form of `FORMS`, read the file again, and report what it holds.

    Raises
    ------
    BadInput
        There are no tracks, a form that is not known, or something that the form cannot hold at
        all; nothing is written then.
    CannotWrite
        The disk refuses; what `path` held is still there.
    """
    path = Path(path).expanduser()
    tracks = experiment.tracks
    if form not in FORMS:
        raise BadInput(f"There is no form {form!r}; choose one of {', '.join(FORMS)}.")
    if tracks is None:
        raise BadInput("There are no tracks to export yet: track the cells first.")
    labels = experiment.labels
    masks = None if labels is None else mask_sizes(labels, tracks, progress)
    if form == "ctc":
        if labels is None:
            raise BadInput(
                "There are no masks, and the Cell Tracking Challenge's layout is made of them: "
                "choose another form."
            )
        write_ctc(labels, tracks, path, progress)
        written, read = read_ctc(path, progress=progress)
        differing = ctc_differences(tracks, labels, read, written, progress)
        return export_report(experiment, path, form, masks, differing)
    if form == "trackmate":
        size = experiment.movie.pixel_size
        write_trackmate(experiment, path, None if masks is None else radii(masks.of_cells, size))
    elif form == "geff":
        write_plain_geff(experiment, path)
    else:
        write_cell_table(experiment, path)
    found = _in_dimensions(_read(path, form), tracks.axes, form)
    tolerance = ROUNDED if form == "csv" else EXACT
    columns = carried_cells(tracks), carried_links(tracks)
    differing = differences(tracks, found.tracks, *columns, tolerance)
    if form == "geff":
        differing |= mark_differences(experiment, found)
    unused = len(set(experiment.stages.names) - set(_stages(found).names))
    return export_report(experiment, path, form, masks, differing, unused)


def import_tracks(
    path: str | Path,
    form: str | None = None,
    labels: LabelStack | None = None,
    *,
    movie: Movie | None = None,
    columns: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> tuple[Tracks, Report]:
    """Read tracks of another program, and report what was taken and what was left out.

    Parameters
    ----------
    path
        A TrackMate file, a geff, a table, or a folder of the Cell Tracking Challenge.
    form
        One of `FORMS`; by default what `path` turns out to be.
    labels
        Masks on which to place the cells; without them, cells stay points.
    movie
        Needed where places are in micrometres and the file does not say what a pixel is.
    columns
        Names of columns of a table, or properties of a geff, where they are unusual, by the
        keys of `column_names.NAMES`.

    Raises
    ------
    BadInput
        Nothing of these kinds, a damaged one, or one that does not fit the masks.
    """
    found, report = _imported(path, form, labels, movie, columns, progress)
    return found.tracks, report


def import_experiment(
    path: str | Path,
    movie: Movie,
    labels: LabelStack | None = None,
    form: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    spots: bool = False,
    progress: Progress = silent,
) -> tuple[Experiment, Report]:
    """Read tracks of another program as an experiment, masks renumbered by track.

    Masks that no cell lies on are left out. Without masks cells stay points, which a viewer of
    masks does not show, or get a spot each, with `spots`. As `import_tracks` otherwise.
    """
    if labels is not None:
        check_labels_fit(movie, labels)
    found, report = _imported(path, form, labels, movie, columns, progress)
    tracks = found.tracks
    if len(tracks) and tracks.cells["frame"].max() >= len(movie):
        raise BadInput(
            f"The tracks go up to frame {tracks.cells['frame'].max()}, but the movie ends at "
            f"{len(movie) - 1}: choose the movie that belongs to these tracks."
        )
    movie, notes = _informed(movie, found)
    if labels is None:
        notes.append(_SPOTS if spots else _POINTS)
    report = replace(report, sentences=(*report.sentences, *notes))
    if labels is None and spots:
        labels, tracks = spotted(tracks, movie)
    if labels is None:
        tracks = tracks.with_columns(label=tracks.track_id)
    else:
        labels, tracks = label_by_track(labels, tracks)
    step = Step(
        "import",
        {"path": str(report.path), "form": report.form, "columns": dict(columns or {})},
        software={"napari-cellcycle": __version__},
        notes=report.sentences,
    )
    experiment = Experiment(movie, labels, tracks, _stages(found), confirmed=found.confirmed)
    return experiment.with_result(step), report


def form_of(path: str | Path) -> str:
    """Tell which form of `FORMS` a file or folder has; `BadInput` if it is none of them."""
    path = Path(path).expanduser()
    if not path.exists():
        raise BadInput(f"There is no {path}; check the path.")
    if path.is_dir():
        if is_ctc(path):
            return "ctc"
        if find_geff(path) is not None:
            return "geff"
    elif path.suffix.lower() in _ENDINGS:
        return _ENDINGS[path.suffix.lower()]
    raise BadInput(
        f"{path} is nothing that tracks can be read from; expected a TrackMate file (.xml), a geff "
        "folder, a table (.csv), or a folder with res_track.txt or man_track.txt."
    )


def _imported(
    path: str | Path,
    form: str | None,
    labels: LabelStack | None,
    movie: Movie | None,
    columns: Mapping[str, str] | None,
    progress: Progress,
) -> tuple[Foreign, Report]:
    path = Path(path).expanduser()
    form = form_of(path) if form is None else form
    found = _read(path, form, movie, columns, progress)
    ndim = labels.ndim if labels is not None else movie.ndim if movie is not None else None
    if ndim is not None:
        found = _in_dimensions(found, ["z", "y", "x"][-ndim:], form)
    place = None if labels is None else placed(found.tracks, labels, progress)
    report = import_report(path, form, found, place, _compared(found, movie))
    return (found if place is None else replace(found, tracks=place.tracks)), report


def _read(
    path: Path,
    form: str,
    movie: Movie | None = None,
    columns: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Foreign:
    if form == "trackmate":
        return read_trackmate(path)
    if form == "geff":
        return read_foreign_geff(path, movie=movie, columns=columns)
    if form == "csv":
        return read_cell_table(path, movie=movie, columns=columns)
    if form == "ctc":
        _, tracks, left_out = read_ctc_counted(path, progress=progress)
        return Foreign(tracks, left_out=left_out)
    raise BadInput(f"There is no form {form!r}; choose one of {', '.join(FORMS)}.")


def _in_dimensions(found: Foreign, axes: list[str], form: str) -> Foreign:
    """Tracks without a z that is 0 everywhere, if the image has none.

    TrackMate always has a z, and its tracks get one again if the image has it.
    """
    cells = found.tracks.cells
    if "z" not in axes and "z" in cells and not cells["z"].to_numpy().any():
        cells = cells.drop(columns="z")
    elif "z" in axes and "z" not in cells and form == "trackmate":
        cells = cells.assign(z=0.0)
    tracks = replace(found.tracks, cells=cells)
    size = found.pixel_size
    return replace(found, tracks=tracks, pixel_size=size and size[-len(tracks.axes) :])


def _compared(found: Foreign, movie: Movie | None) -> list[str]:
    """What the file says otherwise than the movie."""
    said: list[str] = []
    size, interval = found.pixel_size, found.frame_interval
    if movie is None:
        return said
    if size is not None and "pixel_size" not in movie.guessed:
        own = movie.pixel_size[-len(size) :]
        if not np.allclose(size, own, rtol=1e-3):
            shown = " x ".join(f"{value:g}" for value in own)
            said.append(f"The movie says {shown} µm, which is taken.")
    differs = interval is not None and not np.isclose(interval, movie.frame_interval, rtol=1e-3)
    if differs and "frame_interval" not in movie.guessed:
        said.append(f"The movie says {movie.frame_interval:g} s, which are taken.")
    return said


def _informed(movie: Movie, found: Foreign) -> tuple[Movie, list[str]]:
    """The movie, with what the file says where it says nothing itself, and sentences on that."""
    said: list[str] = []
    guessed = set(movie.guessed)
    size = found.pixel_size
    if size is not None and len(size) == movie.ndim and "pixel_size" in guessed:
        movie = replace(movie, pixel_size=size)
        guessed.remove("pixel_size")
    if found.frame_interval is not None and "frame_interval" in guessed:
        movie = replace(movie, frame_interval=found.frame_interval)
        guessed.remove("frame_interval")
    taken = movie.guessed - guessed
    if taken:
        said.append(f"The movie itself says no {_named(taken)}, so that of the file is taken.")
    if guessed:
        verb = "is" if len(guessed) == 1 else "are"
        said.append(f"Neither says the {_named(guessed)}, which {verb} assumed.")
    return replace(movie, guessed=frozenset(guessed)), said


def _named(parts: Iterable[str]) -> str:
    return " and ".join(name.replace("_", " ") for name in sorted(parts, reverse=True))


def _stages(found: Foreign) -> StageSet:
    """The stages of a file, or of its cells: a set that is known here, or their names."""
    if found.stages is not None:
        return found.stages
    cells, told = found.tracks.cells, found.stage_names
    if "stage" not in cells:
        return H2B
    chances = [str(name)[2:] for name in cells if str(name).startswith("p_")]
    used = sorted({*map(str, cells["stage"].dropna())} - {""})
    for known in (H2B, MITOSIS, LIVE_CELL, NUCLEUS):
        whole = all(set(names) in (set(), set(known.names)) for names in (told, chances))
        if whole and set(used) <= set(known.names):
            return known
    return free_stages([name for name in dict.fromkeys([*told, *chances, *used]) if name])
