"""Brush, eraser and fill of the masks layer as corrections in the one history."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_cellcycle.data.boxes import Box, corner_of, inside_of, joined
from napari_cellcycle.edit.masks.found import fresh_labels
from napari_cellcycle.widgets.session import Session


@dataclass(frozen=True)
class Stroke:
    """What was painted in one frame: the masks of a box `before` and `after`."""

    frame: int
    box: Box
    before: np.ndarray
    after: np.ndarray


class Painting:
    """Makes every stroke in the masks of the result a correction, done through the session.

    Pixels that were painted are first put back, and then painted by the correction, so that the
    history knows them; where it is refused they stay as they were. napari's own history is emptied
    each time: there is only one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watched: Labels | None = None
        self._given = 0
        self._waiting: list[Any] = []
        self._later = QTimer(interval=0, singleShot=True)
        self._later.timeout.connect(self._correct)
        session.changed.connect(self._watch)
        self._watch()

    def close(self) -> None:
        """Watch no more."""
        with suppress(RuntimeError):  # Qt has taken it away already when napari ends
            self._later.stop()
        self._session.changed.disconnect(self._watch)
        self._unwatch()

    def new_label(self) -> int:
        """Paint a new cell from now on; returns its number, the same until it is painted."""
        draft, layer = self._session.draft, self._watched
        if draft is None or layer is None:
            return 0
        frame = self._session.frame
        unused = self._given > 0 and not (np.asarray(draft.mask(frame)) == self._given).any()
        if not unused or len(draft.track(self._given)):
            self._given = fresh_labels(draft, frame, 1)[0]
        layer.selected_label = self._given
        return self._given

    def _watch(self, _experiment: object = None) -> None:
        """Listen to the masks layer of the result that is shown."""
        recording = self._session.recording
        layer = recording.layers.labels if recording is not None else None
        if layer is not self._watched:
            self._unwatch()
            self._waiting = []
            self._watched = layer
            if layer is not None:
                layer.events.paint.connect(self._on_paint)
        self._given = 0
        if self._session.track is None:
            self.new_label()

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.events.paint.disconnect(self._on_paint)
            self._watched = None

    def _on_paint(self, event: Any) -> None:
        """Correct at once; but some tools tell of a stroke right before they paint it."""
        layer, draft = self._watched, self._session.draft
        if layer is None or draft is None or layer.data is not draft.masks:
            return
        self._waiting += event.value
        if _is_painted(layer.data, event.value[-1]):
            self._correct()
        else:
            self._later.start()

    def _correct(self) -> None:
        layer, draft, atoms = self._watched, self._session.draft, self._waiting
        self._later.stop()
        self._waiting = []
        if layer is None or draft is None or layer.data is not draft.masks:
            return
        masks: Any = layer.data
        done = strokes(masks, atoms)
        for stroke in done:
            masks[(stroke.frame, *stroke.box)] = stroke.before
        layer._reset_history()  # what is public, `editable`, would leave the brush as well
        steps = [
            ("paint", {"frame": s.frame, "corner": corner_of(s.box), "masks": s.after})
            for s in done
        ]
        if not steps:
            return
        if self._session.do_all(steps):
            self._follow(layer, done)
        else:
            layer.refresh()

    def _follow(self, layer: Labels, done: list[Stroke]) -> None:
        """Go on painting the same cell where it got another number than was painted."""
        painted = layer.selected_label
        for stroke in done:
            here = (stroke.after == painted) & (stroke.before != painted)
            now = np.asarray(layer.data[(stroke.frame, *stroke.box)])[here]
            if painted and len(now) and not (now == painted).any():
                layer.selected_label = int(now[0])
                return


def strokes(masks: Any, atoms: list[Any]) -> list[Stroke]:
    """What the atoms of napari's history changed in `masks`, which are as they are after it."""
    parts: dict[int, list[_Part]] = {}
    for atom in atoms:
        for part in _parts(atom, masks.shape):
            parts.setdefault(part.frame, []).append(part)
    done = []
    for frame, own in sorted(parts.items()):
        box = joined([part.box for part in own])
        after = np.array(masks[(frame, *box)])
        before = after.copy()
        for part in reversed(own):
            before[inside_of(part.box, box)][part.changed] = part.former
        if not np.array_equal(before, after):
            done.append(Stroke(frame, box, before, after))
    return done


@dataclass(frozen=True)
class _Part:
    """One touch in one frame: which pixels of a box were `changed`, and what they were before."""

    frame: int
    box: Box
    changed: np.ndarray
    former: np.ndarray


def _is_painted(masks: Any, atom: Any) -> bool:
    """Whether the pixels of an atom have their new value already."""
    if not hasattr(atom, "slice_key"):
        return bool((np.asarray(masks[atom[0]]) == atom[2]).all())
    part = np.asarray(masks[atom.slice_key])
    return bool((part[atom.mask if atom.mask is not None else ...] == atom.new_value).all())


def _parts(atom: Any, shape: tuple[int, ...]) -> Iterator[_Part]:
    """An atom frame by frame: of a brush, with a box and a mask in it, or of single pixels."""
    if not hasattr(atom, "slice_key"):
        yield from _parts_of_pixels(atom[0], atom[1], shape)
        return
    whole = [slice(*key.indices(n)) for key, n in zip(atom.slice_key, shape, strict=True)]
    lengths = [part.stop - part.start for part in whole]
    changed = np.ones(lengths, bool) if atom.mask is None else np.broadcast_to(atom.mask, lengths)
    former = np.zeros(lengths, np.int32)
    former[changed] = np.asarray(atom.old_values).ravel()
    for place, frame in enumerate(range(whole[0].start, whole[0].stop)):
        if changed[place].any():
            own = changed[place]
            yield _Part(frame, tuple(whole[1:]), own, former[place][own])


def _parts_of_pixels(indices: Any, former: np.ndarray, shape: tuple[int, ...]) -> Iterator[_Part]:
    """Pixels by their indices along each axis, all of one shape."""
    places = np.stack([np.ravel(i) for i in np.broadcast_arrays(*indices)], axis=1)
    places = np.where(places < 0, places + np.array(shape), places)
    values = np.broadcast_to(former, np.broadcast_shapes(*(np.shape(i) for i in indices))).ravel()
    for frame in np.unique(places[:, 0]):
        own = places[:, 0] == frame
        pixels = places[own, 1:]
        low, high = pixels.min(axis=0), pixels.max(axis=0) + 1
        changed = np.zeros(high - low, bool)
        before = np.zeros(high - low, np.int32)
        changed[tuple((pixels - low).T)] = True
        before[tuple((pixels - low).T)] = values[own]
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        yield _Part(int(frame), box, changed, before[changed])
