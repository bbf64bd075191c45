"""Opening an experiment folder to correct it, and saving it elsewhere with its history."""

from pathlib import Path

from napari_cellcycle.data.cells import Masks
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.settling import with_settled
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.experiment import (
    JournalPlace,
    journal_of,
    open_saved,
    writable_journal_of,
)
from napari_cellcycle.io.journal import Journal, read_journal


def open_editor(
    folder: str | Path, experiment: Experiment | None = None, masks: Masks | None = None
) -> Editor:
    """An editor of an experiment folder, with the history that its journal tells.

    Parameters
    ----------
    experiment
        What `open_saved` gives for the folder, `with_settled`, if they were called already.
    masks
        What is changed in place, with the masks as they were saved; by default a copy in memory.

    Raises
    ------
    BadInput
        The folder, or its journal, is damaged.
    CannotWrite
        It is corrected in another window (`InUse`), or the disk refuses; see `open_unkept`.
    """
    journal = Journal(folder, journal_of(folder).path.name)
    try:
        place = writable_journal_of(folder)
        if place.path.name != journal.path.name:
            former, journal = journal, Journal(folder, place.path.name, journal)
            former.close()
        return _editor(experiment or with_settled(open_saved(folder)), masks, place, journal)
    except BaseException:
        journal.close()
        raise


def open_unkept(
    folder: str | Path, experiment: Experiment | None = None, masks: Masks | None = None
) -> Editor:
    """As `open_editor`, but what is done is not written down, as somebody else writes there."""
    saved = experiment or with_settled(open_saved(folder))
    return _editor(saved, masks, journal_of(folder), None)


def move_record(editor: Editor, place: JournalPlace) -> None:
    """Go on writing to the journal at another place, which holds the first of these entries.

    What was done since it was written is added. Raises `CannotWrite` if that is not possible; the
    former journal is then kept.
    """
    former = editor.record if isinstance(editor.record, Journal) else None
    if former is not None and former.path == place.path and former.holds(place.path.parent):
        return
    journal = Journal(place.path.parent, place.path.name, former)
    try:
        for entry in editor.entries[journal.count :]:
            journal.append(entry)
    except CannotWrite:
        journal.close()
        raise
    if former is not None:
        former.close()
    editor.record = journal


def place_of(editor: Editor) -> JournalPlace:
    """What `save_experiment` has to know to keep the history of an editor as it is now."""
    path = editor.record.path if isinstance(editor.record, Journal) else Path()
    return JournalPlace(path, len(editor.entries), tuple(editor.entries))


def _editor(
    experiment: Experiment, masks: Masks | None, place: JournalPlace, journal: Journal | None
) -> Editor:
    tracked = [step.model for step in experiment.history if step.name == "track"]
    entries = read_journal(place.path)
    is_whole = len(entries) >= place.entries
    return Editor(
        bench_of(experiment, masks),
        journal,
        entries=entries if is_whole else (),
        applied=place.entries,
        model=tracked[-1] if tracked else None,
    )
