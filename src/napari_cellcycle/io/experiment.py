"""The experiment folder NAME.cellcycle: a recording and all that is known about it.

`experiment.json` names the masks (`labels.zarr`) and tracks (`tracks.geff`) that count. New
ones are written beside them under a new name, and only then is that file replaced, in one step:
a crash at any moment leaves the former state. Corrections that were made since are in the journal
that it names, and are applied when the experiment is opened.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle import __version__
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.frames import check_labels_fit
from napari_cellcycle.io.geff import read_geff, write_geff
from napari_cellcycle.io.journal import NAME as JOURNAL
from napari_cellcycle.io.journal import Entry, is_complete, read_journal, write_journal
from napari_cellcycle.io.labelstore import (
    fresh_entry,
    is_same_folder,
    new_label_store,
    store_labels,
    stored_labels,
)
from napari_cellcycle.io.provenance import (
    stages_from_json,
    stages_to_json,
    step_from_json,
    step_to_json,
)
from napari_cellcycle.io.recorded import record_movie, reopen_movie
from napari_cellcycle.io.replay import replayed
from napari_cellcycle.io.storage import (
    remove_unfinished,
    replace_file,
    sync_files,
    writing_to,
)
from napari_cellcycle.progress import Progress, silent

__all__ = ["is_experiment", "new_label_store", "open_experiment", "save_experiment"]

SUFFIX = ".cellcycle"
FORMAT_VERSION = 2
POINTER = "experiment.json"

ABANDONED_AFTER = 3600.0
"""Seconds without a change after which an entry that nothing names is the rest of a crash."""


@dataclass(frozen=True)
class JournalPlace:
    """A journal, and how many of its entries the tables of an experiment hold already.

    `kept` are these entries, for a journal that is not, or no longer, written down as a whole.
    """

    path: Path
    entries: int = 0
    kept: Sequence[Entry] = ()


_ENTRY = re.compile(r"(labels|tracks|movie)(-\d+)?\.(zarr|geff)")


def is_experiment(folder: str | Path) -> bool:
    """Tell whether a folder is an experiment."""
    return (Path(folder).expanduser() / POINTER).is_file()


def has_results(folder: str | Path) -> bool:
    """Tell whether a folder is an experiment that holds masks or tracks.

    Raises `BadInput` if it is one that cannot be read.
    """
    if not is_experiment(folder):
        return False
    saved = _read_pointer(Path(folder).expanduser())
    return any(saved.get(name) is not None for name in ("labels", "tracks"))


def save_experiment(
    experiment: Experiment,
    folder: str | Path,
    progress: Progress = silent,
    *,
    journal: JournalPlace | None = None,
) -> Experiment:
    """Save an experiment to a folder, replacing what was saved there before.

    Of a movie that came from a file only the path is kept. Masks that already are in the folder
    (see `new_label_store`) are not copied. The former masks stay until the save after next, so
    that an undo can still read them.

    Parameters
    ----------
    journal
        The journal of `experiment` and how many of its entries are in it already; a journal of
        another folder is copied, and one that is not whole written anew. Without it the history
        of corrections starts anew.

    Returns
    -------
    Experiment
        The same, with its masks read from the folder.

    Raises
    ------
    BadInput
        The masks do not fit the movie, or a newer version of the software saved there.
    CannotWrite
        The disk refuses. The former state is untouched.
    """
    folder = Path(folder).expanduser()
    if experiment.labels is not None:
        check_labels_fit(experiment.movie, experiment.labels)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        former = _read_pointer(folder) if is_experiment(folder) else {}
        since = (folder / POINTER).stat().st_mtime - 2 if former else 0.0
        with _undone_on_error(folder) as made:
            document = _store(experiment, folder, former, made, progress)
            document["journal"] = _journal_entry(journal, folder, made)
            for name in _named(document):
                sync_files(folder / name, since)
            replace_file(folder / POINTER, json.dumps(document, indent=1, default=_plain))
        _tidy(folder, document)
    if document["labels"] is None:
        return experiment
    return replace(experiment, labels=stored_labels(folder / document["labels"]))


def open_experiment(folder: str | Path, *, movie: str | Path | None = None) -> Experiment:
    """Open an experiment folder; pixels and masks stay on disk until they are needed.

    Parameters
    ----------
    movie
        Where the movie is now, if it is no longer where it was.

    Raises
    ------
    BadInput
        No experiment, one of a newer version, a damaged one, or its movie is gone.
    """
    saved = open_saved(folder, movie=movie)
    place = journal_of(folder)
    entries = read_journal(place.path)
    return replayed(saved, entries, place.entries) if len(entries) > place.entries else saved


def journal_of(folder: str | Path) -> JournalPlace:
    """Where corrections of an experiment are written down; there may be none yet."""
    folder = Path(folder).expanduser()
    known = _read_pointer(folder)["journal"]
    return JournalPlace(folder / known["name"], int(known["entries"]))


def writable_journal_of(folder: str | Path) -> JournalPlace:
    """The journal of an experiment that is going to be corrected, by whoever has locked it.

    If one that was there is gone or cut short, a new one takes its place: what it told is in the
    tables, but can no longer be undone. Raises `CannotWrite` if the disk refuses.
    """
    folder, place = Path(folder).expanduser(), journal_of(folder)
    if is_complete(place.path, place.entries):
        return place
    with writing_to(folder):
        name = fresh_entry(folder, "journal", ".jsonl")
        document = json.loads((folder / POINTER).read_text(encoding="utf-8"))
        document |= {"journal": {"name": name, "entries": 0}}
        replace_file(folder / POINTER, json.dumps(document, indent=1))
    return JournalPlace(folder / name)


def open_saved(folder: str | Path, *, movie: str | Path | None = None) -> Experiment:
    """Open an experiment folder as it was saved, without the corrections made since.

    The arguments and errors are those of `open_experiment`.
    """
    folder = Path(folder).expanduser()
    found = _read_pointer(folder)
    try:
        labels, tracks = found["labels"], found["tracks"]
        return Experiment(
            reopen_movie(found["movie"], folder, movie),
            None if labels is None else stored_labels(folder / labels),
            None if tracks is None else read_geff(folder / tracks),
            stages_from_json(found["stages"]),
            tuple(step_from_json(step) for step in found["history"]),
            frozenset((str(kind), int(number)) for kind, number in found["confirmed"]),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadInput(
            f"The experiment {folder} is damaged ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}): restore it from a copy."
        ) from error


def _read_pointer(folder: Path) -> dict[str, Any]:
    if not (folder / POINTER).is_file():
        raise BadInput(
            f"{folder} is not an experiment: a folder that holds {POINTER} is expected, such as "
            f"NAME{SUFFIX}."
        )
    try:
        found = dict(json.loads((folder / POINTER).read_text(encoding="utf-8")))
        version = int(found["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{folder / POINTER} cannot be read ({error}): restore it from a copy."
        ) from error
    if version > FORMAT_VERSION:
        raise BadInput(
            f"{folder} was saved by a newer napari-cellcycle (format {version}, this one knows up "
            f"to {FORMAT_VERSION}): install a newer version of napari-cellcycle."
        )
    if version < 2:  # before corrections were kept
        found |= {"journal": {"name": JOURNAL, "entries": 0}, "confirmed": []}
    return found


def _journal_entry(
    journal: JournalPlace | None, folder: Path, made: list[str]
) -> dict[str, str | int]:
    """Where the journal of a saved experiment is, copied into its folder if need be."""
    if journal is None:
        return {"name": fresh_entry(folder, "journal", ".jsonl"), "entries": 0}
    path, entries = journal.path, journal.entries
    whole = is_complete(path, entries)
    if whole and is_same_folder(path.parent, folder):
        return {"name": path.name, "entries": entries}
    name = fresh_entry(folder, "journal", ".jsonl")
    made.append(name)
    if whole:
        shutil.copyfile(path, folder / name)
    else:
        write_journal(folder / name, journal.kept)
    return {"name": name, "entries": entries if whole else len(journal.kept)}


def _store(
    experiment: Experiment,
    folder: Path,
    former: Mapping[str, Any],
    made: list[str],
    progress: Progress,
) -> dict[str, Any]:
    """Write what is not there yet, listing it in `made`, and return the new `experiment.json`."""
    movie, stored = record_movie(experiment.movie, folder, former.get("movie", {}), progress)
    made += [stored] if stored else []
    labels = None
    if experiment.labels is not None:
        labels, is_new = store_labels(experiment.labels, folder, experiment.movie, progress)
        made += [labels] if is_new else []
    tracks = None
    if experiment.tracks is not None:
        tracks = fresh_entry(folder, "tracks", ".geff")
        made.append(tracks)
        write_geff(
            experiment.tracks,
            folder / tracks,
            pixel_size=experiment.movie.pixel_size,
            frame_interval=experiment.movie.frame_interval,
            codes={"stage": experiment.stages.names},
            labels=None if labels is None else f"../{labels}",
        )
    replaced = former.get("labels") if former.get("labels") != labels else former.get("before")
    return {
        "format": "napari-cellcycle experiment",
        "format_version": FORMAT_VERSION,
        "software": {"napari-cellcycle": __version__},
        "movie": movie,
        "labels": labels,
        "before": replaced,
        "tracks": tracks,
        "stages": stages_to_json(experiment.stages),
        "history": [step_to_json(step) for step in experiment.history],
        "confirmed": sorted(map(list, experiment.confirmed)),
    }


@contextmanager
def _undone_on_error(folder: Path) -> Iterator[list[str]]:
    """Remove the entries listed in the yielded list if the block fails, unless they count."""
    made: list[str] = []
    try:
        yield made
    except BaseException:
        named = _named(_read_pointer(folder)) if is_experiment(folder) else set()
        for name in set(made) - named:
            remove_unfinished(folder / name)
        raise


def _named(document: Mapping[str, Any]) -> set[str]:
    names = [document.get(key) for key in ("labels", "before", "tracks")]
    journal = document.get("journal", {}).get("name")
    return {name for name in (*names, document["movie"].get("stored"), journal) if name}


def _tidy(folder: Path, document: Mapping[str, Any]) -> None:
    """Remove entries that nothing names, except masks that a step may be writing right now."""
    named = _named(document)
    for path in folder.iterdir():
        if path.name in named or not _ENTRY.fullmatch(path.name):
            continue
        touched = [p.stat().st_mtime for p in (path, path / "0", path / "0" / "c") if p.exists()]
        young = time.time() - max(touched, default=0) < ABANDONED_AFTER
        if path.name.startswith("labels") and young:
            continue
        shutil.rmtree(path, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Turn what a step's settings may hold into JSON values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"a step's settings hold a {type(value).__name__}, which JSON cannot")
