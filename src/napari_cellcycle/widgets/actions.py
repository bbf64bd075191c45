"""What a person can do to the chosen cell, with its keys: one list for keys, menus and help."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.errors import Refused
from napari_cellcycle.widgets.frame_done import toggle_done
from napari_cellcycle.widgets.session import Session


@dataclass(frozen=True)
class Action:
    """Something to do: its name, its keys, what a menu shows and a tooltip says."""

    name: str
    keys: tuple[str, ...]
    title: str
    words: str
    group: str


ACTIONS = (
    Action("undo", ("Z", "Ctrl+Z"), "Undo", "take back the last correction", "history"),
    Action("redo", ("Shift+Z", "Ctrl+Shift+Z"), "Redo", "do again what was taken back", "history"),
    Action("link", ("C",), "Link", "link the chosen cell with the one you Shift-clicked", "links"),
    Action("unlink", ("B",), "Break", "cut the chosen cell's track before this frame", "links"),
    Action(
        "divide",
        ("Y",),
        "Division",
        "the chosen cell divides into the ones you Shift-clicked, or no longer divides",
        "links",
    ),
    Action(
        "swap",
        ("S",),
        "Swap",
        "exchange the chosen cell and the Shift-clicked one from this frame on",
        "links",
    ),
    Action("join", ("H",), "Join", "make the two chosen tracks one", "links"),
    Action(
        "delete", ("D", "Del"), "Delete here", "take the chosen cell out of this frame", "cells"
    ),
    Action(
        "delete_track", ("Shift+D",), "Delete track", "take the chosen cell out everywhere", "cells"
    ),
    Action("new", ("M",), "New cell", "paint a cell with a number of its own", "cells"),
    Action("split", ("X",), "Split", "cut the mask in two where that seems best", "cells"),
    Action("merge", ("U",), "Merge", "unite the mask with the Shift-clicked ones", "cells"),
    Action("carry", ("T",), "Carry on", "copy the mask to the next frame", "cells"),
    Action("insert", ("I",), "Fill gap", "draw the cell where it is missing in between", "cells"),
    Action("line", ("Shift+X",), "Cut along line", "cut cells with the mouse, until Esc", "cells"),
    Action("points", ("Alt+X",), "Cut by clicks", "cut a mask by a click in each cell", "cells"),
    Action("draw", ("W",), "Draw missed", "draw a cell that was missed by a click", "cells"),
    Action("fill_holes", (), "Fill holes", "fill the holes of the mask", "masks"),
    Action("smooth", (), "Smooth", "make the outline of the mask smooth", "masks"),
    Action("grow", (), "Grow", "make the mask larger by a pixel", "masks"),
    Action("shrink", (), "Shrink", "make the mask smaller by a pixel", "masks"),
    Action(
        "frame_done",
        ("Shift+Return",),
        "Frame is done",
        "say that all masks of this frame are right, or take that back",
        "frame",
    ),
    Action("mother", ("G",), "Go to mother", "choose the mother of the cell", "go"),
    Action("first_daughter", ("J",), "Go to first daughter", "choose a daughter", "go"),
    Action("second_daughter", ("K",), "Go to second daughter", "choose the other daughter", "go"),
    Action("back", ("A",), "Frame back", "one frame back", "go"),
    Action("forward", ("F",), "Frame forward", "one frame forward", "go"),
)
"""Everything that can be done to the chosen cell, in the order of the help sheet."""


class Actions:
    """Does what keys and menus ask for, on the cells that are chosen in the session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.more: dict[str, Callable[[], object]] = {}

    def do(self, name: str) -> None:
        """Do one of `ACTIONS`, or of what was added to `more`."""
        self.more.get(name, getattr(self, f"_{name}", lambda: None))()

    # ---------------------------------------------------------------- history

    def _undo(self) -> None:
        self._session.undo()

    def _redo(self) -> None:
        self._session.redo()

    # ---------------------------------------------------------------- links

    def _link(self) -> None:
        ends = self._link_ends()
        if ends is not None:
            self._session.do("link", parent=ends[0], child=ends[1])

    def _unlink(self) -> None:
        cell = self._here()
        if cell:
            self._session.do("unlink", child=cell)

    def _divide(self) -> None:
        draft, mother = self._session.draft, self._last_before_others()
        if draft is None or not mother:
            return
        others = [cell for cell in self._session.others if cell != mother]
        born = draft.children(mother)
        if not others and len(born) == 2:
            lived = [len(draft.onwards(cell)) for cell in born]
            keep = born[int(np.argmax(lived))]
            self._session.do("undivide", mother=mother, keep=keep)
            return
        daughters = others if len(others) == 2 else [*born[:1], *others]
        if len(daughters) != 2:
            self._refuse("Shift-click on the daughters first, or on the one that is missing.")
            return
        self._session.do("divide", mother=mother, daughters=daughters)

    def _swap(self) -> None:
        draft, others = self._session.draft, self._session.others
        if draft is None or len(others) != 1 or self._session.track is None:
            self._refuse("Choose a cell, then Shift-click on the one to swap it with.")
            return
        first = draft.cell_at(draft.frame(others[0]), self._session.track)
        if not first:
            self._refuse(
                f"Cell {self._session.track} is not there in frame {draft.frame(others[0])}: "
                "Shift-click on the other cell in a frame that has both."
            )
            return
        self._session.do("swap", first=first, second=others[0])

    def _join(self) -> None:
        draft, others = self._session.draft, self._session.others
        if draft is None or len(others) != 1 or self._session.track is None:
            self._refuse("Choose a cell, then Shift-click on the track to join it with.")
            return
        self._session.do("join", first=self._session.track, second=draft.label(others[0]))

    # ---------------------------------------------------------------- cells

    def _delete(self) -> None:
        cell = self._here()
        if cell:
            self._session.do("delete_cells", cells=[cell])

    def _delete_track(self) -> None:
        if self._session.track is None:
            self._refuse("Click on a cell first.")
            return
        self._session.do("delete_track", label=self._session.track)

    # ---------------------------------------------------------------- masks

    def _split(self) -> None:
        if self._here():
            self._session.do("split_in_two", **self._mask())

    def _merge(self) -> None:
        draft, frame = self._session.draft, self._session.frame
        if draft is None or not self._here():
            return
        others = [draft.label(c) for c in self._session.others if draft.frame(c) == frame]
        if not others:
            self._refuse("Shift-click on the other pieces of the cell in this frame first.")
            return
        labels = [draft.label(self._session.cell), *others]
        self._session.do("merge", frame=frame, labels=labels)

    def _carry(self) -> None:
        cell = self._here()
        if cell and self._session.do("copy_mask", cell=cell):
            self._forward()

    def _insert(self) -> None:
        draft, track, frame = self._session.draft, self._session.track, self._session.frame
        if draft is None or track is None:
            self._refuse("Click on a cell first.")
            return
        cells = draft.track(track)
        frames = draft.column("frame")[draft.rows(cells)]
        before, after = cells[frames <= frame], cells[frames > frame]
        if not len(before) or not len(after):
            self._refuse(
                f"Cell {track} is not seen both before and after this frame, so nothing is missing."
            )
            return
        self._session.do("insert_cell", parent=int(before[-1]), child=int(after[0]))

    def _fill_holes(self) -> None:
        self._form("fill_holes")

    def _smooth(self) -> None:
        self._form("smooth")

    def _grow(self) -> None:
        self._form("grow")

    def _shrink(self) -> None:
        self._form("shrink")

    def _form(self, operation: str) -> None:
        if self._here():
            mask = self._mask()
            self._session.do(operation, frame=mask["frame"], labels=[mask["label"]])

    def _mask(self) -> dict[str, int]:
        """Frame and label of the chosen cell."""
        draft = self._session.draft
        assert draft is not None
        return {"frame": self._session.frame, "label": draft.label(self._session.cell)}

    def _frame_done(self) -> None:
        toggle_done(self._session)

    # ---------------------------------------------------------------- going somewhere

    def _mother(self) -> None:
        draft, track = self._session.draft, self._session.track
        mother = draft.mother(track) if draft is not None and track is not None else NOBODY
        if draft is not None and mother:
            self._choose(int(draft.track(mother)[-1]))

    def _first_daughter(self) -> None:
        self._daughter(0)

    def _second_daughter(self) -> None:
        self._daughter(1)

    def _daughter(self, number: int) -> None:
        draft, track = self._session.draft, self._session.track
        if draft is None or track is None:
            return
        born = draft.daughters(track)
        if len(born) > number:
            self._choose(int(draft.track(born[number])[0]))

    def _back(self) -> None:
        self._session.go_to_frame(max(0, self._session.frame - 1))

    def _forward(self) -> None:
        recording = self._session.recording
        if recording is not None:
            last = recording.layers.frames - 1
            self._session.go_to_frame(min(self._session.frame + 1, last))

    def _choose(self, cell: int) -> None:
        """Choose a cell and bring it into view."""
        draft = self._session.draft
        assert draft is not None
        label = draft.label(cell)
        self._session.select(label)
        self._session.look_at(draft.frame(cell), draft.place(cell).tolist(), label)

    # ---------------------------------------------------------------- what is chosen

    def _here(self) -> int:
        """The chosen cell in the frame that is shown; says so if there is none."""
        cell = self._session.cell
        if not cell:
            self._refuse("Click on a cell of this frame first.")
        return cell

    def _last_before_others(self) -> int:
        """The chosen track's last cell before the others that are chosen, or in this frame."""
        draft, track = self._session.draft, self._session.track
        if draft is None or track is None:
            self._refuse("Click on a cell first.")
            return NOBODY
        cells, others = draft.track(track), self._session.others
        if others:
            first = min(draft.frame(cell) for cell in others)
            cells = cells[draft.column("frame")[draft.rows(cells)] < first]
        if not len(cells):
            self._refuse(f"Cell {track} is not there before the other one: choose an earlier cell.")
            return NOBODY
        return int(cells[-1])

    def _link_ends(self) -> tuple[int, int] | None:
        """From which cell to which a link is asked for: the chosen track and the other cell."""
        draft, track, others = self._session.draft, self._session.track, self._session.others
        if draft is None or track is None or len(others) != 1:
            self._refuse("Choose a cell, then Shift-click on the one to link it with.")
            return None
        other = others[0]
        cells = draft.track(track)
        frames = draft.column("frame")[draft.rows(cells)]
        before = cells[frames < draft.frame(other)]
        if len(before):
            return int(before[-1]), other
        after = cells[frames > draft.frame(other)]
        if len(after):
            return other, int(after[0])
        self._refuse("Both cells are in the same frame: choose the other one in another frame.")
        return None

    def _refuse(self, sentence: str) -> None:
        self._session.refused.emit(Refused(sentence))
