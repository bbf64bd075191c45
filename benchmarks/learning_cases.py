"""What models are taught on: movies with a truth, somebody who corrects them, and a test part."""

from abc import ABC, abstractmethod
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from known_truth import NONE, Truth
from learning_bases import Base

from napari_cellcycle.config import (
    ClassifySettings,
    SegmentSettings,
    SimulateSettings,
    TrackSettings,
)
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.evaluation.segmentation import STEPS, score_masks
from napari_cellcycle.features.shape import measure
from napari_cellcycle.io.crop_folders import H2B_FOLDERS, CropSet, read_crops
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.models.store import Kind
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.pipeline.run import add_masks, add_stages, add_tracks
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.pipeline.track import choose, track
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.stage.crop_examples import H2B_DIAMETER_PX
from napari_cellcycle.training.stage.split import deal_groups
from napari_cellcycle.training.teach.tallies import Tally, f1_of, macro_f1_of

MOST_MASKS = 100
"""Masks in a frame above which a segmentation is too bad for its cells to be tracked."""
SEEN_AGAIN = 3
"""Frames within which a cell has to be seen again for somebody to say what it became."""
BUCKETS = 30
"""Groups that the lineages of the test part of links are put into, to be drawn from."""
FAULTS = WorsenSettings(missing=0.1, merged=0.1, split=0.1)
"""What is wrong in a frame that is marked as done by mistake."""
EDGE = 8
"""Pixels by which a crop is mirrored at its edges, where others lie beside it."""
STRANGE = SimulateSettings(
    frames=48,
    size=320,
    cells=22,
    cycle_hours=5,
    mitosis_stretch=2.5,
    brightness=160,
    read_noise=45,
    grain=1.5,
    blur=1.1,
    haze=0.35,
    elongation=2.2,
    irregularity=0.9,
    texture=0.9,
    death_rate=0.1,
)
"""A movie of cells longer, rougher, dimmer and more blurred together than any trained on."""


class Corrections(ABC):
    """A movie that is being corrected by somebody who knows the truth."""

    @abstractmethod
    def experiment(self) -> Experiment:
        """The movie as it is corrected now."""

    @abstractmethod
    def correct(self, number: int, wrong: np.random.Generator | None = None) -> bool:
        """Correct a frame or a cell; with `wrong`, make it wrong. False if nothing can be said."""

    @abstractmethod
    def go_on(self, model: str, seen: set[int]) -> set[int]:
        """Have a model make anew what was not corrected, as "Teach and go on" does.

        Returns the numbers that frames or cells which were `seen` have now.
        """

    def taught(self) -> Experiment:
        """The part of it that models of this kind are taught from."""
        return self.experiment()


class Case(ABC):
    """A base model and a movie to teach it with.

    `pool` are the frames (cells for links and stages) that may be corrected.
    """

    kind: Kind
    name: str
    base: Base
    pool: np.ndarray

    @abstractmethod
    def corrections(self) -> Corrections:
        """The movie as the base model made it, with nothing corrected."""

    @abstractmethod
    def tally(self, model: str) -> Tally:
        """How well a model does on the test part, which is no part of the movie above."""


# ---------------------------------------------------------------- masks


class MaskCorrections(Corrections):
    """Whole frames are given the masks of the truth and marked as done, if it has every cell."""

    def __init__(self, start: Experiment, truth: LabelStack, whole: Set[int]) -> None:
        self._now, self._truth, self._whole = start, truth, whole

    def experiment(self) -> Experiment:
        """The movie, with the tracks of the base model if it has any."""
        return self._now

    def go_on(self, model: str, seen: set[int]) -> set[int]:
        """Segment the other frames again."""
        assert self._now.labels is not None
        settings = SegmentSettings(model=model)
        found = add_masks(replace(self._now, tracks=None), settings)
        assert found.labels is not None
        tracked = _tracked_if_good(found.movie, found.labels)
        self._now = replace(tracked, confirmed=found.confirmed)
        return seen

    def taught(self) -> Experiment:
        """Without the tracks, which would be those of the old masks."""
        return replace(self._now, tracks=None)

    def correct(self, number: int, wrong: np.random.Generator | None = None) -> bool:
        """Mark a frame as done."""
        assert self._now.labels is not None
        if number not in self._whole:
            return False
        mask = np.array(self._truth.frame(number), np.int32)
        if wrong is not None:
            mask = worsen(LabelStack(mask[None]), FAULTS, wrong)[0].frame(0)
        labels = self._now.labels.with_frame(number, mask)
        confirmed = self._now.confirmed | {("frame", number)}
        self._now = replace(self._now, labels=labels, confirmed=confirmed)
        return True


class MaskCase(Case):
    """Frames of DIC 01: the first half is corrected, the second tested."""

    kind: Kind = "segment"
    name = "DIC 01 masks"

    def __init__(self, base: Base, data: Path, *, quick: bool) -> None:
        from segmentation import DIC, HALVES, RIM_PX, Sequence01

        from napari_cellcycle.io.movies import open_movie

        self.base, self._rim = base, RIM_PX[DIC]
        whole = Sequence01.open(data, DIC)
        half = HALVES[DIC].stop
        movie = open_movie(whole.folder / "01")
        self._movie = Movie(
            movie.pixels[:half], movie.pixel_size, movie.frame_interval, movie.channels
        )
        self._silver, self._times = (
            whole.silver,
            list(range(half, len(movie)))[:: 6 if quick else 2],
        )
        pixels = np.stack([movie.pixels[time] for time in self._times])
        self._test = Movie(pixels, movie.pixel_size, movie.frame_interval, movie.channels)
        self.pool = np.arange(half)
        self._markers = open_labels(whole.folder / "01_GT" / "TRA")
        self._whole = {time for time in range(half) if not self._without_outline(time)}
        self._start: Experiment | None = None

    def corrections(self) -> Corrections:
        """Masks of the base, tracked if they are any good."""
        if self._start is None:
            labels = segment(self._movie, SegmentSettings(model=self.base.path))
            self._start = _tracked_if_good(self._movie, labels)
        return MaskCorrections(self._start, self._silver, self._whole)

    def tally(self, model: str) -> Tally:
        """AP at 0.5 and 0.75 by frame.

        Masks on cells that the truth knows without their outline are no faults.
        """
        labels = segment(self._test, SegmentSettings(model=model))
        added = np.zeros((len(self._times), 4))
        for place, time in enumerate(self._times):
            masks = np.array(labels.frame(place))
            for marker in self._without_outline(time):
                masks[masks == np.bincount(masks[marker]).argmax()] = 0
            score = score_masks(masks, self._silver.frame(time), self._rim)
            found = dict(zip(STEPS, score.matched, strict=True))
            added[place] = found[0.5], found[0.75], score.masks, score.cells
        return Tally("AP of masks at 0.5 and 0.75", added, _precision)

    def _without_outline(self, time: int) -> list[np.ndarray]:
        """Where the cells are, each bool (Y, X), that the silver truth of a frame lacks."""
        markers, silver = self._markers.frame(time), self._silver.frame(time)
        found = (markers == label for label in np.unique(markers[markers > 0]))
        return [marker for marker in found if (silver[marker] == 0).mean() > 0.5]


def _tracked_if_good(movie: Movie, labels: LabelStack) -> Experiment:
    count = np.mean([len(np.unique(labels.frame(time))) for time in range(len(labels))])
    if not 1 < count <= MOST_MASKS:
        return Experiment(movie, labels)
    return Experiment(movie, *track(movie, labels, model="simple"))


def _precision(sums: np.ndarray) -> np.ndarray:
    both = [
        sums[..., k] / np.maximum(sums[..., 2] + sums[..., 3] - sums[..., k], 1e-9) for k in (0, 1)
    ]
    return np.asarray(sum(both) / 2)


# ---------------------------------------------------------------- links


class LinkCorrections(Corrections):
    """Where a cell comes from, and what it becomes, is confirmed or put right in the editor."""

    def __init__(self, start: Experiment, true_tracks: Tracks, true_labels: LabelStack) -> None:
        self._true = true_tracks, true_labels
        self._open(start)

    def _open(self, start: Experiment) -> None:
        self._start = start
        self.editor = Editor(bench_of(start))
        self._truth = Truth(*self._true, self.editor.draft)
        self._mask = self._truth.mask

    def experiment(self) -> Experiment:
        """The movie as the editor has it."""
        return self.editor.experiment(self._start)

    def go_on(self, model: str, seen: set[int]) -> set[int]:
        """Track again, with the links that were decided held."""
        true = self._truth.of(np.array(sorted(seen), np.int64))
        self._open(add_tracks(self.experiment(), TrackSettings(model=model)))
        return set(self._mask[true[true != NONE]].tolist()) - {NOBODY}

    def correct(self, number: int, wrong: np.random.Generator | None = None) -> bool:
        """Decide past and future of a cell."""
        draft = self.editor.draft
        true = int(self._truth.of(np.array([number]))[0])
        if true == NONE:
            return False
        if wrong is not None:
            others = draft.in_frame(draft.frame(number) + 1)
            if not len(others):
                return False
            with suppress(Refused):
                self.editor.do("replace", parent=number, child=int(wrong.choice(others)))
            return True
        mother = int(self._truth.parent[true])
        while mother != NONE and self._mask[mother] == NOBODY:
            mother = int(self._truth.parent[mother])
        if mother == NONE:
            self._begins(number)
        else:
            self._becomes(int(self._mask[mother]), mother)
        self._becomes(number, true)
        return True

    def _next(self, true: int) -> list[int]:
        """The masks in which what a cell becomes is seen next: one, two daughters, or none."""
        found = []
        for child in self._truth.children[true]:
            mask = int(self._mask[child])
            found += [mask] if mask != NOBODY else self._next(child)
        return found

    def _begins(self, cell: int) -> None:
        draft = self.editor.draft
        if draft.frame(cell) == 0:
            return
        if draft.parent(cell) != NOBODY:
            self.editor.do("unlink", child=cell)
        self.editor.do("confirm", kind="start", number=cell)

    def _becomes(self, cell: int, true: int) -> None:
        """Say what a cell goes on as, if that is seen again in time, daughters in one frame."""
        draft, editor = self.editor.draft, self.editor
        wanted = self._next(true)
        frames = {draft.frame(one) for one in wanted}
        if len(frames) > 1 or max(frames, default=0) > draft.frame(cell) + SEEN_AGAIN:
            return
        now = sorted(draft.children(cell))
        with suppress(Refused):
            if len(wanted) == 2 and now != sorted(wanted):
                editor.do("divide", mother=cell, daughters=wanted)
            elif len(wanted) == 2:
                editor.do("confirm", kind="division", number=cell)
            elif len(wanted) == 1 and now != wanted:
                editor.do("replace", parent=cell, child=wanted[0])
            elif len(wanted) == 1:
                editor.do("confirm", kind="link", number=wanted[0])
            elif draft.frame(cell) < int(draft.column("frame").max()):
                for child in now:
                    editor.do("unlink", child=child)
                editor.do("confirm", kind="end", number=cell)


class LinkCase(Case):
    """Early frames of PSC 01 are corrected, late ones tested; masks are the silver truth."""

    kind: Kind = "link"
    name = "PSC 01 links"

    def __init__(self, base: Base, data: Path, *, quick: bool) -> None:
        from reviewed import SEQUENCES, challenge

        from napari_cellcycle.training.link.sources import ctc_recording, frames_of

        self.base = base
        stop, first, last = (12, 60, 68) if quick else (50, 52, 101)
        place = data / "ctc" / SEQUENCES["PSC"].name
        self._source = challenge("PSC", data).cut(stop)
        whole = ctc_recording(place / "01", place / "01_ST" / "SEG", place / "01_GT")
        self._exam = LinkExam(frames_of(whole, first, last))
        reviewed = self._source.tracked(linker=base.path)
        self._start = Experiment(reviewed.movie, LabelStack(reviewed.masks), reviewed.tracks)
        self.pool = reviewed.tracks.cells.index.to_numpy()

    def corrections(self) -> Corrections:
        """The movie tracked by the base model."""
        return LinkCorrections(self._start, self._source.true_tracks, self._source.true_labels)

    def tally(self, model: str) -> Tally:
        """F1 of links and divisions by lineage."""
        return self._exam(model)


class LinkExam:
    """A recording that was measured once, whose links many models are scored on."""

    def __init__(self, recording: Recording) -> None:
        from napari_cellcycle.training.link.score import HeldOut, KnownLinks

        self._held = held = HeldOut(recording)
        truth = recording.truth
        bucket = _founder(truth["track"].to_numpy(), recording.mother) % BUCKETS
        parts = [bucket == one for one in np.unique(bucket)]
        self._known = [
            KnownLinks(
                replace(recording, truth=truth.assign(past=own, future=own)),
                held.cells,
                held.settings.max_gap,
            )
            for own in parts
        ]

    def __call__(self, model: str) -> Tally:
        """Right, found and true links, then divisions, of each group of lineages."""
        from napari_cellcycle.models.link.open import open_linker

        held = self._held
        chosen, _ = choose(held.graph, open_linker(model, "cpu")(held.graph), held.settings)
        ends = held.graph.candidates.parent[chosen], held.graph.candidates.child[chosen]
        told = [known.score(*ends) for known in self._known]
        rows = [[a.right, a.found, a.true] for s in told for a in (s.links, s.divisions)]
        links, divisions = f1_of(0, 1, 2), f1_of(3, 4, 5)
        return Tally(
            "F1 of links and divisions",
            np.array(rows, float).reshape(-1, 6),
            lambda sums: (links(sums) + divisions(sums)) / 2,
            {"link F1": links, "division F1": divisions},
        )


def _founder(track_id: np.ndarray, mother: dict[int, int]) -> np.ndarray:
    found = {}
    for one in set(track_id.tolist()):
        above = one
        while above in mother:
            above = mother[above]
        found[one] = above
    return np.array([found[one] for one in track_id.tolist()])


# ---------------------------------------------------------------- stages


class StageCorrections(Corrections):
    """The stages of single cells are set in the editor."""

    def __init__(self, start: Experiment, stage: dict[int, str], smoothing: float | None) -> None:
        self._start, self._stage, self._smoothing = start, stage, smoothing
        self.editor = Editor(bench_of(start))

    def experiment(self) -> Experiment:
        """The movie as the editor has it."""
        return self.editor.experiment(self._start)

    def go_on(self, model: str, seen: set[int]) -> set[int]:
        """Tell the stages of the other cells again."""
        settings = ClassifySettings(model=model, smoothing=self._smoothing)
        self._start = add_stages(self.experiment(), settings)
        self.editor = Editor(bench_of(self._start))
        return seen

    def correct(self, number: int, wrong: np.random.Generator | None = None) -> bool:
        """Set the stage of a cell."""
        stage = self._stage[number]
        if wrong is not None:
            names = [name for name in self.editor.draft.stages.names if name != stage]
            stage = str(wrong.choice(names))
        self.editor.do("set_stage", cells=[number], stage=stage)
        return True


class StageCase(Case):
    """A simulated movie (the first seed) is corrected, others of the same settings are tested."""

    kind: Kind = "stage"

    def __init__(
        self, base: Base, name: str, settings: SimulateSettings, seeds: Sequence[int], frames: int
    ) -> None:
        self.base, self.name = base, name
        made = [
            simulate(settings.model_copy(update={"seed": seed, "frames": frames})) for seed in seeds
        ]
        (self._movie, self._labels, true), *self._tests = (
            (one.movie, one.labels, one.tracks) for one in made
        )
        self._stage = true.cells["stage"].astype(str).to_dict()
        cells = true.cells.drop(columns="stage").assign(by="model", pinned="")
        tracks = Tracks(cells, true.links.assign(by="model"))
        told = classify(self._movie, self._labels, tracks, model=base.path)
        self._start = Experiment(self._movie, self._labels, told)
        self.pool = cells.index.to_numpy()

    def corrections(self) -> Corrections:
        """The movie with the stages that the base model tells."""
        return StageCorrections(self._start, self._stage, None)

    def tally(self, model: str) -> Tally:
        """Mean F1 of stages by lineage, as decoded along lineages."""
        names = list(self._start.stages.names)
        rows = []
        for movie, labels, true in self._tests:
            bare = Tracks(true.cells.drop(columns="stage"), true.links)
            told = classify(movie, labels, bare, model=model).cells["stage"].astype(str)
            code = [[names.index(name) for name in each] for each in (true.cells["stage"], told)]
            group = np.unique(true.components, return_inverse=True)[1]
            added = np.zeros((group.max() + 1, len(names), len(names)))
            np.add.at(added, (group, *code), 1)
            rows.append(added.reshape(len(added), -1))
        return Tally("mean F1 of stages", np.concatenate(rows), macro_f1_of(len(names)))


class CropCase(Case):
    """Crops of H2B cells, half of their groups to be corrected, the others tested.

    They are laid out as movies: a group of crops, which show one cell, has one place in all frames
    and is one track. Masks are discs of the size of a nucleus, as they only say where to look.
    """

    kind: Kind = "stage"

    def __init__(self, base: Base, name: str, data: Path) -> None:
        self.base, self.name = base, name
        found = read_crops(data / "stages" / "h2b_crops", H2B_FOLDERS, 0)
        code = np.unique(found.stage, return_inverse=True)[1]
        half = deal_groups(found.group, code, 2, 0)
        pool, self._test = (_laid_out(found.subset(half == part)) for part in (0, 1))
        movie, labels, tracks, stage = pool
        told = classify(
            movie, labels, tracks, settings=ClassifySettings(model=base.path, smoothing=0)
        )
        self._start = Experiment(movie, labels, told)
        self._stage = stage
        self.pool = tracks.cells.index.to_numpy()

    def corrections(self) -> Corrections:
        """The crops with the stages that the base model tells."""
        return StageCorrections(self._start, self._stage, 0)

    def tally(self, model: str) -> Tally:
        """Mean F1 of stages by group of crops, without any order in time."""
        movie, labels, tracks, stage = self._test
        settings = ClassifySettings(model=model, smoothing=0)
        told = classify(movie, labels, tracks, settings).cells["stage"].astype(str)
        names = list(self._start.stages.names)
        true = told.index.map(stage)
        code = [[names.index(name) for name in each] for each in (true, told)]
        group = np.unique(tracks.components, return_inverse=True)[1]
        added = np.zeros((group.max() + 1, len(names), len(names)))
        np.add.at(added, (group, *code), 1)
        return Tally("mean F1 of stages", added.reshape(len(added), -1), macro_f1_of(len(names)))


def _laid_out(found: CropSet) -> tuple[Movie, LabelStack, Tracks, dict[int, str]]:
    """Crops as a movie with masks and tracks, and the stage of each cell."""
    size = found.images.shape[1] + 2 * EDGE
    place = np.unique(found.group, return_inverse=True)[1]
    frame = pd.Series(place).groupby(place).cumcount().to_numpy()
    side = int(np.ceil(np.sqrt(place.max() + 1)))
    pixels = np.zeros((frame.max() + 1, side * size, side * size), np.float32)
    masks = np.zeros(pixels.shape, np.int32)
    disc = np.hypot(*(np.indices((size, size)) - (size - 1) / 2)) < H2B_DIAMETER_PX / 2
    for image, at, time in zip(found.images, place, frame, strict=True):
        y, x = divmod(int(at), side)
        box = time, slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size)
        pixels[box] = np.pad(image, EDGE, mode="reflect")
        masks[box] = disc * (int(at) + 1)
    movie, labels = Movie(pixels[:, None], (0.3, 0.3), 300.0, ("H2B",)), LabelStack(masks)
    cells = measure(movie, labels)
    row = {(int(t), int(at) + 1): n for n, (t, at) in enumerate(zip(frame, place, strict=True))}
    keys = zip(cells["frame"], cells["label"], strict=True)
    stage = {c: str(found.stage[row[key]]) for c, key in zip(cells.index, keys, strict=True)}
    before = cells.groupby("label")["frame"].shift() >= 0
    ids = pd.Series(cells.index, cells.index)
    parent = ids.groupby(cells["label"]).shift()[before].astype(int)
    links = pd.DataFrame({"parent": parent, "child": parent.index}).reset_index(drop=True)
    return movie, labels, Tracks(cells, links.assign(score=1.0)), stage
