"""What one run gave, and what became of it since."""

from pathlib import Path

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.io.experiment import JournalPlace
from napari_cellcycle.io.journal import Journal
from napari_cellcycle.widgets.display import Display, display_of


class Result:
    """An experiment, what layers show of it, the folder it lies in, and what corrects it.

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
        self.display = display
        self.folder = folder
        self.editor = editor
        self.warning = warning
        self._stored = experiment
        self._known: Experiment | None = experiment if editor is None else None

    @property
    def experiment(self) -> Experiment:
        """Everything that is known now, corrections included."""
        if self._known is None:
            assert self.editor is not None
            self._known = self.editor.experiment(self._stored)
        return self._known

    def update(self) -> None:
        """Take over what was corrected into what is shown."""
        if self.editor is not None:
            self._known = None
            self.display = display_of(self.editor.draft, self.display.labels)

    @property
    def journal(self) -> JournalPlace | None:
        """The journal, and how many entries of it `experiment` holds."""
        record = self.editor.record if self.editor is not None else None
        return JournalPlace(record.path, record.count) if isinstance(record, Journal) else None

    def close(self) -> None:
        """Finish writing down what was corrected."""
        record = self.editor.record if self.editor is not None else None
        if isinstance(record, Journal):
            record.close()
