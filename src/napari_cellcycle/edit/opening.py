"""Opening an experiment folder to correct it, and saving it elsewhere with its history."""

from pathlib import Path

from napari_cellcycle.data.draft import Masks
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.experiment import JournalPlace, journal_of, open_saved
from napari_cellcycle.io.journal import Journal, read_journal


def open_editor(
    folder: str | Path, experiment: Experiment | None = None, masks: Masks | None = None
) -> Editor:
    """An editor of an experiment folder, with the history that its journal tells.

    Parameters
    ----------
    experiment
        What `open_saved` gives for the folder, if it was called already.
    masks
        What is changed in place, with the masks as they were saved; by default a copy in memory.

    Raises
    ------
    BadInput
        The folder, or its journal, is damaged.
    CannotWrite
        It is corrected in another window (`InUse`), or the disk refuses; see `open_unkept`.
    """
    place = journal_of(folder)
    saved = experiment or open_saved(folder)
    journal = Journal(place.path.parent, place.path.name)
    try:
        return _editor(saved, masks, place, journal)
    except BaseException:
        journal.close()
        raise


def open_unkept(
    folder: str | Path, experiment: Experiment | None = None, masks: Masks | None = None
) -> Editor:
    """As `open_editor`, but what is done is not written down, as somebody else writes there."""
    return _editor(experiment or open_saved(folder), masks, journal_of(folder), None)


def move_record(editor: Editor, place: JournalPlace) -> None:
    """Go on writing to the journal at another place, a copy of the former one.

    What was done since it was copied is added. Raises `CannotWrite` if that is not possible; the
    former journal is then kept.
    """
    former = editor.record
    if isinstance(former, Journal) and former.path == place.path:
        return
    journal = Journal(place.path.parent, place.path.name)
    if isinstance(former, Journal):
        try:
            journal.catch_up(former)
        except CannotWrite:
            journal.close()
            raise
        former.close()
    editor.record = journal


def _editor(
    experiment: Experiment, masks: Masks | None, place: JournalPlace, journal: Journal | None
) -> Editor:
    tracked = [step.model for step in experiment.history if step.name == "track"]
    return Editor(
        bench_of(experiment, masks),
        journal,
        entries=read_journal(place.path),
        applied=place.entries,
        model=tracked[-1] if tracked else None,
    )
