"""The library of models beside the viewer: which is in use, what each is, and the way back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.errors import UserError
from napari_cellcycle.jobs import Failed
from napari_cellcycle.models.library import (
    Entry,
    NameTaken,
    Removed,
    default_model,
    empty_bin,
    former_of,
    list_entries,
    list_removed,
    parent_of,
    remove_model,
    rename_model,
    restore_model,
    roll_back,
    use_model,
)
from napari_cellcycle.models.library_file import SUFFIX, export_model, import_model
from napari_cellcycle.models.store import Kind, Model
from napari_cellcycle.progress import Progress
from napari_cellcycle.widgets.library_page import EMPTY, STEPS, page_of, page_of_two
from napari_cellcycle.widgets.library_table import LibraryTable
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.task import Task, describe

_FILTER = f"Models (*{SUFFIX})"


class LibraryPanel(QWidget):
    """All models in a table, what is known of the chosen one beside it, and what can be done.

    `used` tells the kind and the name of a model that is in use from now on; `changed` that there
    are other models, or that some have other names. Files are read and written in a thread.

    Parameters
    ----------
    folder
        Folder of the user's own models; the usual place if not given.
    """

    used = Signal(str, str)
    changed = Signal()

    def __init__(self, folder: str | None = None) -> None:
        super().__init__()
        self._folder = folder
        self.task: Task | None = None
        self._done: Callable[[Any], None] = lambda _: None
        self.table = LibraryTable()
        self.details = QTextBrowser()
        self.notice = Notice()
        self.use_button = _button("Use", "Have its step take this model from now on")
        self.back_button = _button("Go back", "")
        self.compare_button = _button(
            "Compare",
            "Show what two chosen models differ in (Ctrl and click chooses another); one alone is "
            "compared with the one it was taught from, or with the one in use",
        )
        self.rename_button = _button("Rename…", "Give it another name; experiments still find it")
        self.remove_button = _button("Remove", "Move it to the bin, from which it can come back")
        self.export_button = _button("Export…", "Write it to one file, to pass it on")
        self.import_button = _button("Import…", "Take over a model that somebody passed on")
        self.bin_button = _button("Bin", "Models that were removed")
        self._menu = QMenu(self)
        self.bin_button.setMenu(self._menu)
        self._build()
        self._connect()
        self.refresh()

    def _build(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(4)
        for button in (self.use_button, self.back_button, self.compare_button):
            line.addWidget(button)
        line.addSpacing(12)
        for button in (self.rename_button, self.remove_button, self.export_button):
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self.import_button)
        line.addWidget(self.bin_button)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.table)
        split.addWidget(self.details)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(line)
        layout.addWidget(self.notice)
        layout.addWidget(split, 1)
        self.setMinimumHeight(200)

    def _connect(self) -> None:
        self.table.chosen.connect(self._on_chosen)
        self.table.itemDoubleClicked.connect(lambda _item: self.use_button.click())
        self.use_button.clicked.connect(lambda: self._do(self._use))
        self.back_button.clicked.connect(lambda: self._do(self._go_back))
        self.compare_button.clicked.connect(self._compare)
        self.rename_button.clicked.connect(lambda: self._do(self._rename))
        self.remove_button.clicked.connect(lambda: self._do(self._remove))
        self.export_button.clicked.connect(self._export)
        self.import_button.clicked.connect(self._import)
        self._menu.aboutToShow.connect(self._fill_bin)

    @property
    def folder(self) -> str | None:
        """Folder of the user's own models."""
        return self._folder

    @folder.setter
    def folder(self, folder: str | None) -> None:
        self._folder = folder
        self.refresh()

    def refresh(self, select: str | None = None) -> None:
        """Show what there is now, with the model called `select` chosen."""
        self.table.show_entries(list_entries(folder=self._folder), select)

    def _on_chosen(self) -> None:
        chosen = self.table.selected
        one = chosen[0] if len(chosen) == 1 else None
        is_free = self.task is None
        self.details.setHtml(page_of(one, self._folder) if one else EMPTY)
        self.use_button.setEnabled(is_free and one is not None and not one.used)
        own = is_free and one is not None and not one.shipped
        self.rename_button.setEnabled(own)
        self.remove_button.setEnabled(own)
        self.export_button.setEnabled(is_free and one is not None)
        self.import_button.setEnabled(is_free)
        self.compare_button.setEnabled(self._pair() is not None)
        self._offer_way_back(one)
        removed = len(list_removed(self._folder))
        self.bin_button.setEnabled(is_free and removed > 0)
        self.bin_button.setText(f"Bin ({removed})" if removed else "Bin")

    def _offer_way_back(self, entry: Entry | None) -> None:
        is_used = entry is not None and entry.used
        former = former_of(entry.model.card.kind, self._folder) if entry and is_used else None
        self.back_button.setEnabled(former is not None and self.task is None)
        self.back_button.setToolTip(
            f"Use {former.card.name} again, the former model; this one stays"
            if former
            else "Choose a model in use that came instead of another, or was taught from it"
        )

    def _pair(self) -> tuple[Model, Model] | None:
        """The two models to compare, the older one first."""
        chosen = [entry.model for entry in self.table.selected]
        if len(chosen) == 2:
            return chosen[0], chosen[1]
        if len(chosen) != 1:
            return None
        (model,) = chosen
        parent = parent_of(model.card, self._folder)
        if parent is not None:
            return parent, model
        entries = self.table.entries
        used = [e.model for e in entries if e.used and e.model.card.kind == model.card.kind]
        return (used[0], model) if used and used[0] != model else None

    def _compare(self) -> None:
        pair = self._pair()
        if pair is not None:
            self.details.setHtml(page_of_two(pair[0].card, pair[1].card))

    def _do(self, action: Callable[[Model], None]) -> None:
        """Do something with the chosen model, and say what keeps it from being done."""
        chosen = self.table.selected
        if len(chosen) != 1 or self.task is not None:
            return
        self.notice.hide()
        try:
            action(chosen[0].model)
        except Exception as error:  # noqa: BLE001 - told to the user
            self._tell_error(error)

    def _tell_error(self, error: BaseException) -> None:
        failed = describe(error)
        is_plain = isinstance(error, UserError)
        self.notice.tell(failed.text, "" if is_plain else failed.details)

    def _use(self, model: Model) -> None:
        use_model(model, self._folder)
        self._say_used(model.card.kind)

    def _go_back(self, model: Model) -> None:
        former = default_model(model.card.kind, self._folder)
        parent = roll_back(model.card.kind, self._folder)
        self._say_used(model.card.kind, f" {former} is still there.", select=parent.card.name)

    def _say_used(self, kind: Kind, more: str = "", select: str | None = None) -> None:
        name = default_model(kind, self._folder)
        self.refresh(select)
        self.notice.tell(f"{STEPS[kind]} takes {name} from now on.{more}", problem=False)
        self.used.emit(kind, name)

    def _rename(self, model: Model) -> None:
        title, former = "Rename a model", model.card.name
        name = self._asked(title, f"What {former} is to be called", former)
        if name is None or name == former:
            return
        renamed = self._until_free(title, name, lambda n: rename_model(model, n, self._folder))
        if renamed is not None:
            self._have_changed(renamed)

    def _until_free(self, title: str, name: str, action: Callable[[str], Model]) -> Model | None:
        """What `action` makes of a name; as long as that is taken, another is asked for."""
        while True:
            try:
                return action(name)
            except NameTaken as error:
                wanted = self._asked(title, str(error), error.offer)
                if wanted is None:
                    return None
                name = wanted

    def _asked(self, title: str, text: str, name: str) -> str | None:
        answer, said = QInputDialog.getText(self, title, text, text=name)
        return answer.strip() if said and answer.strip() else None

    def _remove(self, model: Model) -> None:
        was_used = default_model(model.card.kind, self._folder) == model.card.name
        remove_model(model, self._folder)
        self._have_changed()
        now = default_model(model.card.kind, self._folder)
        more = f" {STEPS[model.card.kind]} takes {now} again." if was_used else ""
        self.notice.tell(f"{model.card.name} is in the bin.{more}", problem=False)
        if was_used:
            self.used.emit(model.card.kind, now)

    def _have_changed(self, model: Model | None = None) -> None:
        self.refresh(model.card.name if model else None)
        self.changed.emit()
        if model and default_model(model.card.kind, self._folder) == model.card.name:
            self.used.emit(model.card.kind, model.card.name)

    def _fill_bin(self) -> None:
        self._menu.clear()
        for removed in list_removed(self._folder):
            text = f"Bring back {removed.card.name} (removed {removed.when:%d %b, %H:%M})"
            self._menu.addAction(text).triggered.connect(partial(self._bring_back, removed))
        self._menu.addSeparator()
        self._menu.addAction("Delete all for good").triggered.connect(self._empty)

    def _bring_back(self, removed: Removed, *_: Any) -> None:
        def restored(name: str) -> Model:
            return restore_model(removed, self._folder, name)

        self.notice.hide()
        try:
            model = self._until_free("Bring back a model", removed.card.name, restored)
        except UserError as error:
            self._tell_error(error)
            return
        if model is not None:
            self._have_changed(model)

    def _empty(self, *_: Any) -> None:
        number = len(list_removed(self._folder))
        question = f"Delete {number} removed models for good? They cannot be brought back."
        yes = QMessageBox.StandardButton.Yes
        if QMessageBox.question(self, "Delete removed models", question) != yes:
            return
        try:
            empty_bin(self._folder)
        except UserError as error:
            self._tell_error(error)
            return
        self.notice.tell(f"{number} deleted.", problem=False)
        self.refresh()

    def _export(self) -> None:
        chosen = self.table.selected
        if len(chosen) != 1:
            return
        model = chosen[0].model
        start = str(Path.home() / f"{model.card.name}{SUFFIX}")
        path, _ = QFileDialog.getSaveFileName(self, "Export a model", start, _FILTER)
        if path:
            self._run("Exporting a model", _exported, self._on_exported, model, path, self._folder)

    def _on_exported(self, path: Path) -> None:
        size = path.stat().st_size / 1e6
        self.notice.tell(f"Written to {path} ({size:.1f} MB).", problem=False)

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", str(Path.home()), _FILTER)
        if path:
            self._take_over(path, None)

    def _take_over(self, path: str, name: str | None) -> None:
        done = partial(self._on_imported, path)
        self._run("Importing a model", _imported, done, path, self._folder, name)

    def _on_imported(self, path: str, found: Model | NameTaken) -> None:
        if isinstance(found, NameTaken):
            name = self._asked("Import a model", str(found), found.offer)
            if name is not None:
                self._take_over(path, name)
            return
        self._have_changed(found)
        text = f"{found.card.name} is among your models now; it is not in use yet."
        self.notice.tell(text, problem=False)

    def _run(self, name: str, work: Any, done: Callable[[Any], None], *arguments: Any) -> None:
        """Have `work` done in a thread, and `done` called with its result."""
        self.notice.hide()
        self._done = done
        self.task = Task(name, work, *arguments)
        self.task.succeeded.connect(self._on_succeeded)
        self.task.failed.connect(self._on_failed)
        self.task.cancelled.connect(self._end)
        self._on_chosen()
        self.task.start()

    def _end(self) -> None:
        self.task = None
        self._on_chosen()

    def _on_succeeded(self, result: Any) -> None:
        self._end()
        self._done(result)

    def _on_failed(self, failed: Failed) -> None:
        self._end()
        self.notice.tell(failed.text, "" if failed.kind == "user" else failed.details)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _exported(model: Model, path: str, folder: str | None, progress: Progress) -> Path:
    # the file dialogue has asked whether a file that is there may be replaced
    return export_model(model, Path(path), folder, overwrite=True)


def _imported(
    path: str, folder: str | None, name: str | None, progress: Progress
) -> Model | NameTaken:
    try:
        return import_model(Path(path), folder, name)
    except NameTaken as error:
        return error
