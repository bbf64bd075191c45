"""Teach a segmentation model from masks that were corrected and frames that are done."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.segmentation import STEPS, score_masks
from napari_cellcycle.models.device import plain
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.models.store import Kind, Model
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.segment.corrected import known_labels, known_masks
from napari_cellcycle.training.segment.sources import images_of, one_channel
from napari_cellcycle.training.teach.aside import aside_of, frame_blocks
from napari_cellcycle.training.teach.copies import movie_of
from napari_cellcycle.training.teach.lesson import Learned, Lesson, Material, State
from napari_cellcycle.training.teach.plan import Plan
from napari_cellcycle.training.teach.tallies import Statistic, Tally, f1_of

_REMEMBERED, _MIXED_IN = 98_000, 68_000
"""First seeds of the simulated movies that show whether anything was forgotten, and of those
that are learned from."""
_MOVIES = 4
_SMALLEST, _LARGEST = 0.2, 8.0
"""How much smaller or larger than those that a model works on cells may be."""
_IN_PIXELS = (1.0, 1.0)


class MaskLesson(Lesson):
    """Frames of several experiments with what is known of their masks, by blocks in time."""

    kind: Kind = "segment"

    def __init__(self, material: Material, progress: Progress = silent) -> None:
        self.material = material
        images = _images(material, progress)
        _check_size(images, material.base)
        self._movies = {name: movie_of(one) for name, one in material.experiments}
        block = _blocks([self._frame_of(image) for image in images])
        settings = material.settings
        shows = np.array([0 if (image.masks > 0).any() else -1 for image in images])
        aside = aside_of(
            block,
            shows,
            settings.held_out_part,
            settings.seed,
            ("block of frames", "blocks of frames"),
            int(block.max()) + 1,
        )
        kept = aside.kept[block]
        self._learned = [image for image, held in zip(images, kept, strict=True) if not held]
        self._kept = [image for image, held in zip(images, kept, strict=True) if held]
        self.split = aside.words
        self.held = f"{len(set(map(self._frame_of, self._kept)))} frames kept aside"
        self.counts = {
            "frames": len(set(map(self._frame_of, self._learned))),
            "cells": sum(len(np.unique(i.cells)) - 1 for i in self._learned),
        }
        self.corrections = self.counts["cells"]
        self.data = [
            f"{group}: corrected masks" for group in dict.fromkeys(i.group for i in images)
        ]
        self._sizes = _sizes(images)
        self._memory: list[Annotated] | None = None

    def learn(self, plan: Plan, checkpoint: Checkpoint, progress: Progress = silent) -> Learned:
        """Teach on the frames that are not kept aside, simulated images among them."""
        from napari_cellcycle.training.segment.examples import simulated_examples
        from napari_cellcycle.training.segment.tuning import Tuning, tune

        first = _MIXED_IN + 1000 * plan.fit.seed
        seeds = range(first, first + plan.simulated)
        state, history = tune(
            self.material.base,
            self._learned,
            self._kept,
            Tuning(
                plan.fit,
                batch_size=plan.batch_size,
                batches=plan.batches,
                simulated=list(simulated_examples(seeds, progress=progress)),
            ),
            device=self.material.device,
            checkpoint=checkpoint,
            progress=progress,
        )
        return Learned(plain(state), history)

    def judge(self, state: State, plan: Plan, progress: Progress = silent) -> Tally | None:
        """How well the masks of the frames that were kept aside are found."""
        if not self._kept:
            return None
        from napari_cellcycle.training.segment.tuning import spread

        return self._tally(state, spread(self._kept, plan.images), self._sizes, progress)

    def remembers(self, state: State, progress: Progress = silent) -> Tally | None:
        """How well the masks of simulated frames are found."""
        if self._memory is None:
            self._memory = _simulated(progress)
        return self._tally(state, self._memory, _sizes(self._memory), progress)

    def _frame_of(self, image: Annotated) -> tuple[str, str]:
        """What names the frame that an image, or a plane of it, is of: movie and time.

        It is the same in all copies of a movie.
        """
        frame = image.name.partition(", plane ")[0]
        return self._movies.get(image.group, image.group), frame

    def _tally(
        self,
        state: State,
        images: Sequence[Annotated],
        sizes: Callable[[Annotated], float],
        progress: Progress,
    ) -> Tally:
        from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
        from napari_cellcycle.training.segment.tuning import LearnedModel

        base = self.material.base
        model = LearnedModel(base.card, base.path, state)
        segmenter = FlowSegmenter(model, self.material.device)
        names = [self._frame_of(image) for image in images]
        number = {name: at for at, name in enumerate(dict.fromkeys(names))}
        added = np.zeros((len(number), 6))
        told = track_progress(images, len(images), progress, "Scoring masks")
        for name, image in zip(names, told, strict=True):
            settings = SegmentSettings(diameter=sizes(image))
            masks = segmenter(one_channel(image), _IN_PIXELS, settings)
            score = score_masks(masks, image.masks)
            found = dict(zip(STEPS, score.matched, strict=True))
            added[number[name]] += (
                found[0.5],
                found[0.75],
                score.masks,
                score.cells,
                score.overlap,
                score.segmented,
            )
        loose, strict = _precision(0), _precision(1)

        def both(sums: np.ndarray) -> np.ndarray:
            return (loose(sums) + strict(sums)) / 2

        figures = {
            "AP 0.5": loose,
            "AP 0.75": strict,
            "F1 0.5": f1_of(0, 2, 3),
            "SEG": lambda sums: sums[..., 4] / np.maximum(sums[..., 5], 1),
            "cells": lambda sums: sums[..., 3],
        }
        return Tally("precision of masks (AP at 0.5 and 0.75)", added, both, figures)


def _precision(column: int) -> Statistic:
    """AP from sums of what is matched (at `column`), masks (2) and cells (3)."""

    def score(sums: np.ndarray) -> np.ndarray:
        either = sums[..., 2] + sums[..., 3] - sums[..., column]
        return np.where(either > 0, sums[..., column] / np.maximum(either, 1e-9), 1.0)

    return score


def _images(material: Material, progress: Progress) -> list[Annotated]:
    found: list[Annotated] = []
    for name, experiment in material.experiments:
        known = known_masks(experiment)
        if experiment.labels is None or not known:
            continue
        labels = known_labels(experiment, known)
        found += images_of(experiment, labels, name, material.settings.channel, progress)
    if not any((image.masks > 0).any() for image in found):
        raise BadInput(
            "No mask was corrected and no frame is marked as done, so the segmentation has "
            "nothing to learn from: correct some masks, or mark frames that are right as done."
        )
    return found


def _blocks(frames: Sequence[tuple[str, str]]) -> np.ndarray:
    """Block of each of some frames (n,): those of one movie that are close to each other."""
    found, first = np.zeros(len(frames), np.int64), 0
    movies = np.array([movie for movie, _ in frames])
    for movie in dict.fromkeys(movies.tolist()):
        rows = np.flatnonzero(movies == movie)
        block = frame_blocks([int(frames[row][1].removeprefix("t")) for row in rows])
        found[rows] = first + block
        first += int(block.max()) + 1
    return found


def _sizes(images: Sequence[Annotated]) -> Callable[[Annotated], float]:
    from napari_cellcycle.training.segment.tuning import sizes_of

    return sizes_of(images)


def _check_size(images: Sequence[Annotated], base: Model) -> None:
    """Raise `BadInput` if cells are of quite another size than a model can see."""
    least, most = (float(bound) for bound in base.card.settings["working_px"])
    size = float(np.median(np.concatenate([diameters_px(image.cells) for image in images])))
    if not _SMALLEST * least <= size <= _LARGEST * most:
        raise BadInput(
            f"The corrected cells are {size:.0f} pixels wide, but the model {base.card.name!r} "
            f"works on cells of {least:.0f} to {most:.0f} pixels: choose another base model, or "
            "bring the movie to another pixel size first."
        )


def _simulated(progress: Progress) -> list[Annotated]:
    """One frame each of small simulated movies."""
    from napari_cellcycle.simulate import random_settings, simulate

    seeds = range(_REMEMBERED, _REMEMBERED + _MOVIES)
    found = []
    for seed in track_progress(seeds, len(seeds), progress, "Simulating movies"):
        made = simulate(random_settings(seed, 2).model_copy(update={"frames": 2, "size": 192}))
        image = Annotated(made.movie.frame(1), made.labels.frame(1), f"simulated {seed}", "t1")
        found.append(replace(image, masks=image.masks.astype(np.int32)))
    return [image for image in found if image.masks.any()]
