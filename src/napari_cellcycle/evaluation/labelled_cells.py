"""Score cells found in annotated images: places by the published protocol, and masks."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from napari_cellcycle.evaluation.keypoints import KeypointScore, score_keypoints
from napari_cellcycle.io.labelme import LabelledImage, labelled_image
from napari_cellcycle.models.segment.query.finder import FoundCells
from napari_cellcycle.progress import Progress, silent, track_progress


class ScoredImage(NamedTuple):
    """An annotation, what was found in it, and the score."""

    image: LabelledImage
    found: FoundCells
    score: KeypointScore

    def as_annotation(self) -> LabelledImage:
        """What was found, as an annotation of the same image."""
        labels = dict(enumerate(self.found.labels, start=1))
        return labelled_image(self.image.pixels(), self.found.masks, labels, self.image.name)


def score_labelled(
    images: Sequence[LabelledImage],
    find: Callable[[np.ndarray], FoundCells],
    *,
    progress: Progress = silent,
) -> list[ScoredImage]:
    """Find the cells of annotated images with `find`, and score them one by one.

    Cells of classes that the finder does not tell count as cells, and their kind is not judged.
    """
    scored = []
    for image in track_progress(images, len(images), progress, "Finding cells"):
        found = find(image.pixels())
        scored.append(ScoredImage(image, found, score_found(found, image)))
    return scored


def score_found(found: FoundCells, image: LabelledImage) -> KeypointScore:
    """Score of what was found in one image."""
    kinds = found.chances.argmax(1) if found.kinds and len(found) else None
    truth = [(shape.corner, shape.mask) for shape in image.shapes]
    return score_keypoints(found.places, kinds, truth, image.kinds(found.kinds))


def total(scored: Iterable[ScoredImage]) -> KeypointScore:
    """All images together: every cell counts the same."""
    return sum((one.score for one in scored), KeypointScore())


def table(rows: Sequence[tuple[str, KeypointScore]]) -> str:
    """A Markdown table: counts, and shares in percent with their 95 % intervals (Wilson 1927)."""
    head = "| model | TP | FP | FN | recall | precision | class right | accuracy |"
    lines = [head, "| --- " * 8 + "|"]
    for name, score in rows:
        shares = [
            f"{100 * share:.2f} ({100 * low:.1f} to {100 * high:.1f})" if of else "-"
            for _, _, of, share, low, high in score.rows()
        ]
        judged = f"{score.right} / {score.judged}"
        cells = (
            name,
            score.found,
            score.false,
            score.missed,
            shares[0],
            shares[1],
            judged,
            shares[2],
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
