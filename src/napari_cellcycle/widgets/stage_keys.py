"""Keys that set stages, in every view of stages: numbers, and Delete to let go."""

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.widgets.session import Session

_DIGITS = {getattr(Qt.Key, f"Key_{digit}"): digit for digit in range(10)}
_LET_GO = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_PLAIN = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
_HANDLED = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress, QEvent.Type.KeyRelease)


class StageKeys(QObject):
    """Tells of the number keys that are pressed while a widget has the focus.

    `pressed` and `released` come with the position of a stage, the first for 1 and the tenth for
    0; `let_go` when Delete or Backspace is pressed. They go before any shortcut of the window.
    """

    pressed = Signal(int)
    released = Signal(int)
    let_go = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.held: int | None = None
        widget.installEventFilter(self)

    def eventFilter(self, _widget: Any, event: Any) -> bool:
        """Take the keys that are ours."""
        if event.type() == QEvent.Type.FocusOut:
            self.held = None
        if event.type() not in _HANDLED or event.modifiers() & ~_PLAIN:
            return False
        key = event.key()
        if key not in _DIGITS and key not in _LET_GO:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
        elif not event.isAutoRepeat():
            self._tell(event.type() == QEvent.Type.KeyPress, key)
        return True

    def _tell(self, down: bool, key: Any) -> None:
        if key in _LET_GO:
            if down:
                self.let_go.emit()
            return
        place = (_DIGITS[key] - 1) % 10
        if down:
            self.held = place
            self.pressed.emit(place)
        elif self.held == place:
            self.held = None
            self.released.emit(place)


def digit_of(place: int) -> str:
    """The number key of the stage at a position; empty beyond the tenth."""
    return str((place + 1) % 10) if place < 10 else ""


def set_stage_from(session: Session, place: int, *, on_path: bool = False) -> None:
    """Give the chosen cell a stage, by its position in the set, from the frame shown on.

    With `on_path`, its mother or daughter is meant where it is that which is seen in this frame.
    """
    names = session.result.display.stages.names if session.result is not None else ()
    if place < len(names):
        cell = _seen(session) if on_path else session.cell
        session.do("set_stage_from", cell=cell, stage=names[place])


def let_go(session: Session, *, on_path: bool = False) -> None:
    """Let the model decide again where a user set the stage of the chosen cell.

    That is in the frame shown, and in those around it that were set to the same stage.
    """
    cell = _seen(session) if on_path else session.cell
    session.do("unpin", cells=_pinned_with(session, cell) if cell != NOBODY else [])


def legend(stages: StageSet) -> str:
    """Stages with their colours, and the number keys that set them, as rich text."""
    parts = [
        f'<span style="color:{stage.colour}">■</span>&nbsp;'
        f"{f'<b>{digit_of(place)}</b>&nbsp;' if digit_of(place) else ''}"
        f"{stage.name.replace(' ', '&nbsp;')}"
        for place, stage in enumerate(stages.stages)
    ]
    return " &nbsp; ".join(parts)


def _seen(session: Session) -> int:
    """Id of the cell that is seen in this frame on the path through the chosen one."""
    draft, life, frame = session.draft, session.life, session.frame
    place = life.at(frame) if life is not None and life.track is not None else None
    if draft is None or life is None or place is None:
        return NOBODY
    return draft.cell_at(frame, int(life.tracks[place]))


def _pinned_with(session: Session, cell: int) -> list[int]:
    """Cells of a track without a break around `cell` that a user set to the same stage."""
    assert session.draft is not None
    draft = session.draft
    track = draft.track(draft.label(cell))
    pins = draft.column("pinned")[draft.rows(track)]
    place = track.tolist().index(cell)
    first, last = place, place
    while first > 0 and pins[first - 1] == pins[place]:
        first -= 1
    while last + 1 < len(track) and pins[last + 1] == pins[place]:
        last += 1
    return track[first : last + 1].tolist()
