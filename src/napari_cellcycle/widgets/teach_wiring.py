"""How the panel that teaches is tied to the dock: the models it takes, and what runs again."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QWidget

from napari_cellcycle.models.store import Kind
from napari_cellcycle.widgets.below import View
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.step_section import KINDS

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

TITLE = "Teach the models"
_HINT = (
    "Let the models learn from your corrections; they are compared with the old ones, and nothing "
    "is replaced without your yes"
)

_LINKS = {
    "models": ("All models…", "Compare, rename and pass on models, or go back to a former one"),
    "doctor": ("GPU doctor…", "See whether the graphics card is used, and what to do if it is not"),
}


def teach_view(dock: "CellCycle") -> View:
    """The panel that teaches."""
    return View("teach", TITLE, _HINT, "movie", partial(_panel, dock))


def teach_button(dock: "CellCycle") -> QPushButton:
    """The button that opens it."""
    button = QPushButton(TITLE)
    button.setToolTip(_HINT)
    button.clicked.connect(lambda: dock.panels.show("teach"))
    return button


def links(dock: "CellCycle") -> QWidget:
    """Small buttons that lead to all models and to the doctor."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for target, (title, tip) in _LINKS.items():
        button = QToolButton()
        button.setText(title)
        button.setToolTip(tip)
        button.setStyleSheet("font-size: 11px; text-decoration: underline;")
        button.setAutoRaise(True)
        button.clicked.connect(partial(_on_clicked, dock, target))
        layout.addWidget(button)
    layout.addStretch(1)
    return holder


def take_model(dock: "CellCycle", kind: str, name: str) -> None:
    """Have the step of a kind take a model that is in use from now on."""
    dock.offer_models()
    for step, section in dock.steps.items():
        if KINDS[step] == kind:
            section.model.setCurrentText(name)


def run_again(dock: "CellCycle", kind: Kind) -> None:
    """Run the steps again for which there is another model; what was corrected stays."""
    if kind != "link":
        dock.start("run" if kind == "segment" else "classify")
        return
    result = dock.session.result
    has_stages = result is not None and result.display.has_stages
    task = dock.start("track")
    if task is not None and has_stages:
        task.succeeded.connect(lambda _: dock.finished.connect(next_step))

    def next_step() -> None:
        dock.finished.disconnect(next_step)
        dock.start("classify")


def _panel(dock: "CellCycle") -> QWidget:
    from napari_cellcycle.widgets.teach_panel import TeachPanel

    panel = TeachPanel(dock.session, dock.viewer, compute_settings)
    panel.used.connect(partial(take_model, dock))
    panel.again.connect(partial(run_again, dock))
    panel.library.connect(partial(_on_link, dock, "models"))
    return panel


def _on_clicked(dock: "CellCycle", target: str, _checked: bool = False) -> None:
    _on_link(dock, target)


def _on_link(dock: "CellCycle", target: str) -> None:
    from napari_cellcycle.widgets import commands

    commands.open_doctor(dock.viewer) if target == "doctor" else commands.open_library(dock.viewer)
