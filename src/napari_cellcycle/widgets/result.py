"""What one run gave, and what became of it since."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.edit.opening import move_record, place_of
from napari_cellcycle.io.experiment import JournalPlace, journal_of
from napari_cellcycle.io.journal import Journal
from napari_cellcycle.widgets.display import Display, display_of
from napari_cellcycle.widgets.workplace import SAVED


@dataclass(frozen=True)
class Snapshot:
    """A result at one moment: its experiment, its journal, and the frames edited until then."""

    experiment: Experiment
    journal: JournalPlace | None
    frames: dict[int, int]


class Result:
    """An experiment, what layers show of it, the folder it lies in, and what corrects it.

    `masks` are those of its layer, corrected in place.

    Without an `editor` nothing can be corrected. `warning` says why corrections are not kept.
    """

    def __init__(
        self,
        experiment: Experiment,
        display: Display,
        folder: Path | None = None,
        editor: Editor | None = None,
        warning: str = "",
    ) -> None:
        self._shown: Display | None = display
        self.masks = display.labels
        self.folder = folder
        self.editor = editor
        self.warning = warning
        self._stored = experiment
        self._known: Experiment | None = experiment if editor is None else None
        self._is_whole = editor is None or not editor.can_undo
        if editor is not None:
            editor.edited.connect(self._on_edited)

    @property
    def display(self) -> Display:
        """What layers show of it now, corrections included."""
        if self._shown is None:
            assert self.editor is not None
            self._shown = display_of(self.editor.draft, self.masks)
        return self._shown

    @property
    def experiment(self) -> Experiment:
        """Everything that is known now, corrections included."""
        if self._known is None:
            assert self.editor is not None
            untouched = self._is_whole and not self.editor.can_undo
            self._known = self._stored if untouched else self.editor.experiment(self._stored)
        return self._known

    def _on_edited(self, _edit: object) -> None:
        self._known = self._shown = None

    def snapshot(self) -> "Snapshot":
        """Everything as it is now, to be saved while corrections go on."""
        place = place_of(self.editor) if self.editor is not None else None
        frames = dict(self.editor.draft.edited_frames) if self.editor is not None else {}
        experiment = self.experiment
        if self.editor is not None and self.folder is not None and not self.folder.is_dir():
            experiment = self.editor.experiment(self._stored, every_mask=True)
        return Snapshot(experiment, place, frames)

    def go_on_in(self, folder: Path, saved: Experiment, snapshot: "Snapshot") -> None:
        """Go on from what `save_experiment` gave, and write corrections down in its `folder`.

        Raises `CannotWrite` if that is not possible; they are then kept where they were.
        """
        self._stored, self._is_whole = saved, False
        if self.editor is None:
            self._known = saved
            return
        draft = self.editor.draft
        unchanged = [f for f, n in snapshot.frames.items() if draft.edited_frames.get(f) == n]
        for frame in unchanged:
            del draft.edited_frames[frame]
        if isinstance(draft.masks, OverlaidMasks) and saved.labels is not None:
            draft.masks.rebase(saved.labels, unchanged)
        move_record(self.editor, journal_of(folder))
        if self.folder is not None and self.folder != folder:
            with suppress(OSError):
                (self.folder / SAVED).touch()
        self.folder, self.warning = folder, ""

    def close(self) -> None:
        """Finish writing down what was corrected."""
        record = self.editor.record if self.editor is not None else None
        if isinstance(record, Journal):
            record.close()


def size_of(results: Sequence[Result | None]) -> int:
    """Bytes of memory that the masks of `results` take."""
    arrays = {id(r.masks): r.masks for r in results if r}.values()
    edited = [list(a.edited.values()) if isinstance(a, OverlaidMasks) else [a] for a in arrays]
    return sum(array.nbytes for each in edited for array in each)
