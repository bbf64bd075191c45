"""Toy lineages as experiments to be corrected, and what must hold whatever is done to them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from examples import Toy

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.data.settling import settled
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import Bench, bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.features.shape import measure
from napari_cellcycle.pipeline.redecode import redecode, with_seen
from napari_cellcycle.pipeline.track import track

INTERPHASE, METAPHASE = "interphase", "metaphase"


def experiment_of(toy: Toy, *, classified: bool = False, considered: bool = False) -> Experiment:
    """A toy with its true links: every track has one number, in the masks and the tables.

    `considered`: it comes with what a tracker thought of the links.
    """
    cells = measure(toy.movie, toy.labels)
    where = {(f, n): c for c, f, n in zip(cells.index, cells["frame"], cells["label"], strict=True)}
    pairs = sorted((where[parent], where[child]) for parent, child in toy.links)
    links = pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=0.9)
    labels, tracks = settled(toy.labels, Tracks(cells, links))
    if classified:
        tracks = _classified(tracks)
    if considered:
        tracker = TrackSettings(model="simple", fill_gaps=False)
        tracks = replace(tracks, candidates=track(toy.movie, toy.labels, tracker)[1].candidates)
    return Experiment(toy.movie, labels, tracks)


def _classified(tracks: Tracks) -> Tracks:
    """Cells that are about to divide look like metaphase, all others like interphase."""
    late = tracks.cells.index.isin(tracks.divisions)
    chance = np.full((len(tracks), len(H2B)), 0.02)
    names = np.where(late, METAPHASE, INTERPHASE).tolist()
    chance[np.arange(len(tracks)), [H2B.names.index(name) for name in names]] = 0.88
    return redecode(with_seen(tracks, chance, H2B), H2B, 300.0, 0.5)


def draft_of(toy: Toy, **how: bool) -> Draft:
    """A draft of a toy."""
    return bench_of(experiment_of(toy, **how)).draft


def editor_of(toy: Toy, *, resolving: bool = False, overlaid: bool = False, **how: bool) -> Editor:
    """An editor of a toy; what follows from an edit is off unless asked for.

    `overlaid`: its masks are those of a movie too large for memory.
    """
    experiment = experiment_of(toy, **how)
    assert experiment.labels is not None
    masks = OverlaidMasks(experiment.labels) if overlaid else None
    return Editor(bench_of(experiment, masks), resolving=resolving)


def corrected(experiment: Experiment, operation: str, **arguments: object) -> Experiment:
    """An experiment after one correction, from which nothing else follows."""
    editor = Editor(bench_of(experiment), resolving=False)
    editor.do(operation, **arguments)
    return editor.experiment(experiment)


def cell(work: Draft | Bench | Editor, frame: int, label: int) -> int:
    """The cell with a label in a frame, which is there."""
    draft = work if isinstance(work, Draft) else work.draft
    found = draft.cell_at(frame, label)
    assert found != NOBODY, f"no cell {label} in frame {frame}"
    return found


def labels_of(work: Draft | Bench | Editor, cells: list[int]) -> list[int]:
    """Labels of cells."""
    draft = work if isinstance(work, Draft) else work.draft
    return [draft.label(one) for one in cells]


State = dict[str, tuple[str, bytes]]


def state_of(draft: Draft) -> State:
    """Everything that a draft holds, byte for byte: tables with types and order, masks, marks."""
    found: State = {}
    tracks = draft.tracks()
    if tracks is not None:
        for name in ("cells", "links", "rejected"):
            table = getattr(tracks, name)
            found[f"{name}.index"] = _bytes(table.index)
            for column in table:
                found[f"{name}.{column}"] = _bytes(table[column])
    if draft.masks is not None:
        masks = np.stack([draft.mask(frame) for frame in _frames(draft)])
        found["masks"] = (str(masks.dtype), masks.tobytes())
    found["confirmed"] = ("", repr(sorted(draft.confirmed)).encode())
    return found


def columns_of(draft: Draft) -> State:
    """What a draft holds, whatever the types and the order of rows in its tables."""
    found: State = {name: ("", repr(draft.column(name).tolist()).encode()) for name in draft.names}
    found["marks"] = ("", repr([sorted(draft.rejected), sorted(draft.confirmed)]).encode())
    if draft.masks is not None:
        found["masks"] = ("", b"".join(m.tobytes() for m in map(draft.mask, _frames(draft))))
    return found


def _frames(draft: Draft) -> range:
    assert draft.masks is not None
    return range(draft.masks.shape[0])


def _bytes(values: pd.Series | pd.Index) -> tuple[str, bytes]:
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind in "biuf":
        return str(kind), values.to_numpy().tobytes()
    return repr(kind), repr(values.tolist()).encode()


def differences(one: State, other: State) -> list[str]:
    """Names of the parts in which two states differ."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def check(draft: Draft) -> None:
    """A lineage is a forest, and cells, masks and tracks call every cell by the same number."""
    _check_masks(draft)
    tracks = draft.tracks()
    if tracks is None:
        return
    assert (tracks.track_id == tracks.cells["label"]).all(), "one track, one label"
    parent = draft.column("parent")
    assert (parent == NOBODY).tolist() == (draft.column("link_by") == "").tolist()
    assert not draft.column("link_score")[parent == NOBODY].any()
    made = set(zip(parent.tolist(), draft.ids.tolist(), strict=True))
    assert not made & draft.rejected, "a link that is there is not rejected"
    assert draft.next_cell > draft.ids.max(initial=0)
    assert draft.next_label > draft.column("label").max(initial=0)


def _check_masks(draft: Draft) -> None:
    if draft.masks is None or not draft.tracked:
        return
    frames, labels = draft.column("frame"), draft.column("label")
    for frame in _frames(draft):
        mask = draft.mask(frame)
        rows = np.flatnonzero(frames == frame)
        present, counts = np.unique(mask[mask != 0], return_counts=True)
        assert sorted(labels[rows].tolist()) == present.tolist(), f"labels in frame {frame}"
        order = rows[np.argsort(labels[rows])]
        if "area" in draft.names:
            size = float(np.prod(draft.pixel_size))
            assert np.allclose(draft.column("area")[order], counts * size), f"sizes in {frame}"
        for axis, place in zip(draft.axes, range(mask.ndim), strict=True):
            seen = [np.nonzero(mask == label)[place].mean() for label in present.tolist()]
            assert np.allclose(draft.column(axis)[order], seen), f"places in frame {frame}"


Untouched = Callable[[], None]


def others(draft: Draft, *cells: int) -> Untouched:
    """A check that links, stages, pins and masks of all cells but `cells` are as they were now."""
    watched = ("frame", "label", "stage", "pinned", "by", "parent", "link_score", "link_by")
    kept = draft.ids[~np.isin(draft.ids, cells)]
    before = {name: draft.column(name)[draft.rows(kept)].tolist() for name in watched}
    sizes = _pixels(draft, kept)

    def as_they_were() -> None:
        for name in watched:
            now = draft.column(name)[draft.rows(kept)].tolist()
            changed = [c for c, a, b in zip(kept, now, before[name], strict=True) if a != b]
            assert not changed, f"{name} of cells {changed} changed"
        assert _pixels(draft, kept) == sizes

    return as_they_were


def _pixels(draft: Draft, cells: np.ndarray) -> list[bytes]:
    if draft.masks is None:
        return []
    places = [(draft.frame(one), draft.label(one)) for one in cells.tolist()]
    return [np.argwhere(draft.mask(frame) == label).tobytes() for frame, label in places]
