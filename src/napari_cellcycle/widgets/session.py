"""The one mutable object of the plugin: the open recordings, their results, the selection."""

from collections.abc import Iterable, Sequence
from typing import Any

from napari.layers import Image
from psygnal import Signal

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.history import Edit
from napari_cellcycle.edit.editor import Editor, Step
from napari_cellcycle.errors import Refused, UserError
from napari_cellcycle.widgets.colours import ColourBy
from napari_cellcycle.widgets.life import Life, life_of
from napari_cellcycle.widgets.recording import Compared, Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.task import describe


class Session:
    """Holds what is open and tells the widgets when it changes.

    Widgets never talk to each other: they call the methods and listen to the signals.
    `changed` comes with the experiment now shown, or None; `coloured` with what cells are
    coloured by; `compared` with what the result differs in from a truth, or None; `selected`
    with the `Life` of the chosen cell, or None; `moved` with the frame that the viewer shows;
    `clicked` with frame and place, [z,] y, x in pixels, of a click where there are no tracks.
    `edited` comes with the `Edit` that was done, taken back or done again, once the display is up
    to date; `refused` with the error of a correction that is not possible, `failed` with what to
    tell of an error of the program in one, and `troubled` with a sentence where corrections cannot
    be kept on disk. `paired` comes with the other cells that
    were chosen beside the first, by their ids. `saved` tells that a result lies in another folder.
    """

    changed = Signal(object)
    coloured = Signal(str)
    compared = Signal(object)
    selected = Signal(object)
    moved = Signal(int)
    clicked = Signal(int, object)
    edited = Signal(object)
    refused = Signal(object)
    failed = Signal(object)
    troubled = Signal(str)
    paired = Signal(object)
    saved = Signal()

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._daughters: dict[int, int] = {}
        self._frame = 0
        self.life: Life | None = None
        self._recordings: list[Recording] = []
        self.recording: Recording | None = None
        self.colour_by: ColourBy = "track"
        self.others: tuple[int, ...] = ()
        self.busy_with = ""
        """What runs now, by its name, and will change the result; empty if nothing does."""
        self._edited: Result | None = None
        viewer.dims.events.current_step.connect(self._on_step)

    @property
    def track(self) -> int | None:
        """The chosen track, if there is one."""
        return self.life.track if self.life else None

    @property
    def frame(self) -> int:
        """The frame of the chosen movie that the viewer shows."""
        if self.recording is None:
            return 0
        labels = self.recording.layers.labels
        layer = self.recording.layer if labels is None else labels
        return round(float(layer.world_to_data(self._viewer.dims.point)[0]))

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All open movies with what is known about them."""
        return tuple(self._recordings)

    @property
    def result(self) -> Result | None:
        """What is known about the chosen movie, if anything."""
        return self.recording.result if self.recording else None

    @property
    def experiment(self) -> Experiment | None:
        """The open experiment, if there is one."""
        return self.result.experiment if self.result else None

    @property
    def editor(self) -> Editor | None:
        """What corrects the result now shown; None where there is nothing to correct."""
        return self.result.editor if self.result else None

    @property
    def draft(self) -> Draft | None:
        """The result now shown as it is corrected."""
        return self.editor.draft if self.editor else None

    @property
    def cell(self) -> int:
        """Id of the chosen cell in the frame that is shown; 0 if it is not seen there."""
        draft = self.draft
        if draft is None or self.track is None:
            return NOBODY
        return draft.cell_at(self.frame, self.track)

    @property
    def comparison(self) -> Compared | None:
        """What the result now shown differs in from a truth, if it was compared."""
        known = self.recording.compared if self.recording else None
        return known if known and known.result is self.result else None

    @property
    def can_undo(self) -> bool:
        """Whether there is a correction to take back, or a former result."""
        corrected = self.editor is not None and self.editor.can_undo
        return corrected or bool(self.recording and self.recording.former)

    @property
    def can_redo(self) -> bool:
        """Whether a correction or a result was undone."""
        corrected = self.editor is not None and self.editor.can_redo
        return corrected or bool(self.recording and self.recording.undone)

    def choose(self, layer: Image | None) -> None:
        """Make `layer` the movie that is worked on; its results are remembered."""
        former = self.recording
        self.recording = None
        if layer is not None:
            known = [r for r in self._recordings if r.layer is layer]
            self.recording = known[0] if known else self._open(layer)
        if self.recording is not former:
            self._daughters = {}
            if self.recording is not None:
                self.recording.catch_up()
            self._follow_edits()
            self.changed.emit(self.experiment)
            self._reselect()

    def replace(self, result: Result | None, recording: Recording | None = None) -> None:
        """Show `result` instead; the former one can be brought back by `undo`.

        It is a result of `recording`, by default the movie that is chosen.
        """
        recording = recording or self.recording
        if recording is not None:
            recording.replace(result)
            self._show(recording)

    def open(self, result: Result, recording: Recording | None = None) -> None:
        """Show a stored `result`, as `replace` does; there is nothing before it."""
        recording = recording or self.recording
        if recording is not None:
            recording.result = result
            self._show(recording)

    def do(self, operation: str, **arguments: Any) -> bool:
        """Correct something; whether it was done. Why not is told by `refused`."""
        return self.do_all([(operation, arguments)])

    def do_all(self, steps: Sequence[Step]) -> bool:
        """Correct several things in one step of the history: all of them, or none."""
        if self.editor is None:
            self.refused.emit(Refused("There is nothing to correct yet: press Run first."))
            return False
        try:
            return self.editor.do_all(steps) is not None
        except UserError as error:
            self.refused.emit(error if isinstance(error, Refused) else Refused(str(error)))
        except Exception as error:  # noqa: BLE001 - told to the user
            self.failed.emit(describe(error))
        return False

    def undo(self) -> None:
        """Take back the last correction, or else go back to the result before."""
        if self.editor is not None and self.editor.can_undo:
            self.editor.undo()
            return
        recording = self.recording
        if recording and recording.former and self._may_step():
            recording.step_back()
            self._show(recording)

    def redo(self) -> None:
        """Step forward again, if anything was undone."""
        if self.editor is not None and self.editor.can_redo:
            self.editor.redo()
            return
        recording = self.recording
        if recording and recording.undone and self._may_step():
            recording.step_forward()
            self._show(recording)

    def _may_step(self) -> bool:
        """Whether another result may take the place of the present one; if not, why is told."""
        if self.busy_with:
            self.refused.emit(
                Refused(
                    f"'{self.busy_with}' works on this result: wait until it is done, or cancel "
                    "it, to go to another one."
                )
            )
        return not self.busy_with

    def colour(self, colour_by: ColourBy) -> None:
        """Colour all cells by track, by stage or by doubt."""
        if colour_by != self.colour_by:
            self.colour_by = colour_by
            for recording in self._recordings:
                recording.layers.colour_by(colour_by)
            self.coloured.emit(colour_by)

    def compare(self, recording: Recording, compared: Compared) -> None:
        """Keep what a result of `recording` differs in from a truth."""
        recording.compared = compared
        if recording is self.recording:
            self.compared.emit(self.comparison)

    def select(self, track: int | None) -> None:
        """Choose a cell by its track; None chooses nothing.

        The life of a mother goes on with the daughter that was chosen last.
        """
        if track is None or self.result is None:
            self.show_life(None)
            return
        graph = self.result.display.graph
        daughter = track
        while mothers := graph.get(daughter):
            self._daughters[mothers[0]] = daughter
            daughter = mothers[0]
        life = life_of(self.result.display, track, self._daughters)
        if life is not None and self.recording is not None:
            self.show_life(life)
            self.recording.layers.choose(track)

    def pair(self, cells: Sequence[int]) -> None:
        """Choose other cells, by their ids, beside the one that is chosen: to link or swap them."""
        if tuple(cells) != self.others:
            self.others = tuple(cells)
            self.paired.emit(self.others)

    def toggle_other(self, cell: int) -> None:
        """Choose a cell, by its id, beside the one that is chosen, or let go of it again.

        As many can be chosen so as are wanted; where no cell is chosen yet, this one is.
        """
        if self.track is None and self.draft is not None:
            self.select(self.draft.label(cell))
            return
        kept = tuple(one for one in self.others if one != cell)
        self.pair(kept if cell in self.others else (*self.others, cell))

    def show_life(self, life: Life | None) -> None:
        """Choose a cell by its life, which may be one that was followed without tracks.

        What was chosen beside another cell is let go.
        """
        if life is None or life.track != self.track:
            self.pair(())
        if life is not None or self.life is not None:
            self.life = life
            self.selected.emit(life)

    def go_to(self, life: Life, place: int) -> None:
        """Move the viewer to one sight of a cell, with the cell in the middle."""
        cell = int(life.tracks[place]) if life.track is not None else None
        self.look_at(int(life.frames[place]), life.centres_px[place].tolist(), cell)

    def go_to_frame(self, frame: int) -> None:
        """Move the viewer to a frame; the place stays."""
        if self.recording is not None:
            self.recording.layers.go_to_frame(frame)

    def look_at(self, frame: int, place: Sequence[float], cell: int | None = None) -> None:
        """Move the viewer to a place, [z,] y, x in pixels of the masks; `cell` is chosen."""
        if self.recording is not None:
            self.recording.layers.look_at(frame, place, cell)

    def forget_all_but(self, layers: Iterable[Any]) -> bool:
        """Close the recordings whose movie is not among `layers` any more; whether there were."""
        open_now = {id(layer) for layer in layers}
        gone = [r for r in self._recordings if id(r.layer) not in open_now]
        for recording in gone:
            recording.close()
            self._recordings.remove(recording)
        return bool(gone)

    def close(self) -> None:
        """Let go of the viewer."""
        self._edited = None
        for recording in self._recordings:
            recording.close()
        self._recordings = []
        self._viewer.dims.events.current_step.disconnect(self._on_step)

    def _on_step(self, _event: object = None) -> None:
        frame = self.frame
        if frame != self._frame:
            self._frame = frame
            self.moved.emit(frame)

    def _reselect(self) -> None:
        """Find the chosen cell in another result; a cell that was only followed is let go."""
        if self.life is not None:
            track = self.life.track
            self.life = None
            self.selected.emit(None)
            self.select(track)

    def _open(self, layer: Image) -> Recording:
        recording = Recording(layer, self._viewer)
        recording.layers.colour_by(self.colour_by)
        self._recordings.append(recording)
        return recording

    def _show(self, recording: Recording) -> None:
        recording.layers.show(recording.result.display if recording.result else None)
        if recording is not self.recording:
            return
        self._follow_edits()
        self.changed.emit(self.experiment)
        self._reselect()

    def _follow_edits(self) -> None:
        """Listen to the corrections of the result now shown, and of no other."""
        former, now = self._edited, self.result
        if former is now:
            return
        if former is not None and former.editor is not None:
            former.editor.edited.disconnect(self._on_edited)
            former.editor.trouble.disconnect(self.troubled)
        if now is not None and now.editor is not None:
            now.editor.edited.connect(self._on_edited)
            now.editor.trouble.connect(self.troubled)
        self._edited = now
        self.pair(())

    def _on_edited(self, edit: Edit) -> None:
        result, recording = self.result, self.recording
        if result is None or recording is None:
            return
        recording.layers.update(result.display, edit.frames)
        self.pair(())
        former = self.life
        self.edited.emit(edit)
        if former is not None and former is self.life and former.track is not None:
            self.select(former.track)
            if self.life is former:
                self.show_life(None)
