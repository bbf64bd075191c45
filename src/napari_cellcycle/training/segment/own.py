"""Teach a segmentation model of one's own: images with masks in, weights with a card out."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.cellpose import is_cellpose
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.own_name import check_name
from napari_cellcycle.training.segment.lesson import (
    SegmentLesson,
    SegmentTeachSettings,
    Taught,
    in_words,
)
from napari_cellcycle.training.segment.sources import read_sources, split_last

__all__ = ["DEFAULT_BASE", "SegmentTeachSettings", "Taught", "teach_segmentation"]

DEFAULT_BASE = "cellcycle-nuclei"


def teach_segmentation(
    name: str,
    sources: Sequence[Path],
    out_folder: Path,
    *,
    base: str = DEFAULT_BASE,
    held_out: Sequence[Path] = (),
    settings: SegmentTeachSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    model_folder: Path | None = None,
    command: str = "",
    clock: Callable[[], float] = time.perf_counter,
    progress: Progress = silent,
) -> tuple[Model, Taught]:
    """Teach `base` further on `sources` and store it in `out_folder` as NAME.safetensors.

    While it learns, its state is kept beside it as NAME.training, from which an interrupted
    training goes on. Of the rounds, the one that does best on what is kept aside is stored.

    Parameters
    ----------
    sources
        Experiments, sequences of the Cell Tracking Challenge, folders of images with masks.
    base
        Name or file of the model to begin with: one of this package, or Cellpose's.
    held_out
        Sources to score on, instead of the last part of `sources`.
    resume
        Go on with a training of the same name that was interrupted.
    clock
        Tells the seconds that `settings.minutes` limits.

    Raises
    ------
    BadInput
        A name that cannot be used, sources without anything to learn from, a base of another
        kind, or an unfinished training that is in the way or of something else.
    MissingModel
        No model to begin with.
    """
    settings, began = settings or SegmentTeachSettings(), time.perf_counter()
    ends = None if settings.minutes is None else clock() + 60 * settings.minutes
    out_folder = Path(out_folder).expanduser()
    unfinished = out_folder / f"{name}.training"
    check_name(name, out_folder, unfinished, resume=resume, overwrite=overwrite)
    learned, aside, split = dealt(sources, held_out, settings, progress)
    lesson = SegmentLesson(
        name,
        out_folder,
        unfinished,
        base,
        learned,
        aside,
        split,
        settings,
        device,
        model_folder,
        command,
        began,
        clock,
        ends,
        progress,
    )
    if is_cellpose(base):
        from napari_cellcycle.training.segment.own_cellpose import teach_cellpose

        model, taught = teach_cellpose(lesson, overwrite=overwrite or resume)
    else:
        from napari_cellcycle.training.segment.own_flow import teach_flow

        model, taught = teach_flow(lesson)
    unfinished.unlink(missing_ok=True)
    return model, taught


def dealt(
    sources: Sequence[Path],
    held_out: Sequence[Path],
    settings: SegmentTeachSettings,
    progress: Progress = silent,
) -> tuple[list[Annotated], list[Annotated], str]:
    """What is learned from, what is kept aside, and the split in a sentence.

    Raises `BadInput` if there is nothing to learn from, or if an image would be in both.
    """

    def read(places: Sequence[Path], frames: tuple[int, ...] | None) -> list[Annotated]:
        return read_sources(
            places,
            trust_all=settings.trust_all,
            channel=settings.channel,
            frames=frames,
            progress=progress,
        )

    learned, aside = read(sources, settings.frames), read(held_out, None)
    split = "nothing was kept aside"
    if held_out:
        split = "kept aside for scoring: "
    elif settings.held_out_part:
        learned, aside = split_last(learned, settings.held_out_part)
        split = "kept aside for scoring: the last images of each source, "
        if not aside:
            raise BadInput(
                "There is only one image with masks, so none can be kept aside for scoring: "
                "outline the cells of more frames, name a source with --held-out, or keep nothing "
                "aside with --held-out-part 0."
            )
    both = {(i.group, i.name) for i in learned} & {(i.group, i.name) for i in aside}
    if both:
        raise BadInput(
            f"{', '.join(min(both))} is both learned from and kept aside, so its score would say "
            "nothing: name other sources with --held-out."
        )
    if not any((image.masks > 0).any() for image in learned):
        raise BadInput(
            "All images with cells would be kept aside for scoring: outline the cells of earlier "
            "frames too, or name a source with --held-out."
        )
    return learned, aside, split + "; ".join(in_words(aside))
