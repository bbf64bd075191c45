"""Corrections that were never saved, as napari was closed or killed: found and offered again."""

import shutil
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMessageBox

from napari_cellcycle.errors import UserError
from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.workplace import root, unsaved_in

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


@dataclass(frozen=True)
class Unsaved:
    """A folder of results with corrections that were not saved elsewhere."""

    folder: Path
    corrections: int
    time: float

    @property
    def words(self) -> str:
        """What it is, in a sentence."""
        name = self.folder.parent.name.rsplit("-", 3)[0].replace("_", " ")
        when = time.strftime("%d %B, %H:%M", time.localtime(self.time)).lstrip("0")
        many = "1 correction" if self.corrections == 1 else f"{self.corrections} corrections"
        return f"{many} of {name}, made on {when}, were not saved as an experiment."


def find_unsaved() -> Unsaved | None:
    """The latest results that were corrected, not saved, and that nobody works on now."""
    from napari_cellcycle.io.experiment import journal_of
    from napari_cellcycle.io.journal import not_in_use, read_journal

    found = []
    for folder in (one for place in root().glob("*") for one in unsaved_in(place)):
        try:
            journal = journal_of(folder).path
            edits = [entry.kind for entry in read_journal(journal)]
            done = edits.count("edit") + edits.count("redo") - edits.count("undo")
            if done > 0:
                not_in_use(folder)
                found.append(Unsaved(folder, done, journal.stat().st_mtime))
        except (UserError, OSError):
            continue
    return max(found, key=lambda one: one.time, default=None)


class Recovery(QObject):
    """Looks for unsaved corrections beside the viewer, and offers them in the dock's notice."""

    found = Signal(object)

    def __init__(self, dock: "CellCycle") -> None:
        super().__init__(dock)
        self._dock = dock
        self._waiting: Unsaved | None = None
        self.found.connect(self._offer)

    def look(self) -> None:
        """Look for them; call it in a thread."""
        unsaved = find_unsaved()
        if unsaved is not None:
            self.found.emit(unsaved)

    def look_again(self) -> None:
        """Look for them in a thread of its own, as a movie was closed."""
        threading.Thread(target=self.look, name="look for corrections", daemon=True).start()

    def remind(self) -> None:
        """Offer what was found while something ran."""
        if self._waiting is not None:
            self._offer(self._waiting)

    def _offer(self, unsaved: Unsaved) -> None:
        self._waiting = unsaved if self._dock.task is not None else None
        if self._dock.session.result is not None or self._dock.task is not None:
            return
        self._dock.notice.offer(
            unsaved.words,
            [
                ("Open them", partial(self._open, unsaved)),
                ("Forget them", partial(self._forget, unsaved)),
            ],
        )

    def _open(self, unsaved: Unsaved) -> None:
        opened = self._dock.viewer.open(str(unsaved.folder), plugin="napari-cellcycle")
        movie = next((layer for layer in map(plain, opened) if isinstance(layer, Image)), None)
        if movie is not None:
            self._dock.picker.choose(movie)

    def _forget(self, unsaved: Unsaved) -> None:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._dock,
            "Forget corrections",
            f"{unsaved.words} Delete them for good?",
            buttons.Yes | buttons.Cancel,
            buttons.Cancel,
        )
        if answer == buttons.Yes:
            gone = partial(shutil.rmtree, unsaved.folder, ignore_errors=True)
            threading.Thread(target=gone, name="forget corrections", daemon=True).start()
