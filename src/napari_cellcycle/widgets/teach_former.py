"""Former teachings: look at what came of one again, or delete it."""

from collections.abc import Sequence
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QMessageBox, QWidget

from napari_cellcycle.widgets.teach_found import Former


class FormerMenu(QMenu):
    """Lists former teachings; `chosen` comes with one to look at, `deleted` with one to delete."""

    chosen = Signal(object)
    deleted = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self.deletion = QMenu("Delete", self)
        self.deletion.menuAction().setToolTip(
            "Delete a teaching: its copy of your corrections, and its models that were not taken"
        )

    def show_found(self, found: Sequence[Former]) -> None:
        """Offer these; those that are over, or were interrupted, may be deleted."""
        self.clear()
        self.deletion.clear()
        for former in found:
            self.addAction(former.words, partial(self.chosen.emit, former))
            if not former.teaching.is_alive:
                self.deletion.addAction(former.words, partial(self._ask, former))
        if not found:
            self.addAction("None yet").setEnabled(False)
        if not self.deletion.isEmpty():
            self.addSeparator()
            self.addMenu(self.deletion)

    def _ask(self, former: Former) -> None:
        question = (
            f"Delete the teaching of {former.words}? Its copy of your corrections goes, and what "
            "it proposed and you did not take. Your experiments and your models stay; but its job "
            "file cannot give the same model again."
        )
        yes = QMessageBox.StandardButton.Yes
        if QMessageBox.question(self.parentWidget(), "Delete a teaching", question) == yes:
            self.deleted.emit(former)
