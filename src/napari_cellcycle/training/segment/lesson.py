"""What a segmentation model of one's own is taught, and what comes out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.models.store import ModelCard
from napari_cellcycle.progress import Progress
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.segment.held_out import HeldOutScore, score_held_out

if TYPE_CHECKING:
    from napari_cellcycle.models.segment.segmenter import Segmenter


class SegmentTeachSettings(Settings):
    """How a segmentation model of one's own is trained."""

    held_out_part: float = Field(
        0.2, ge=0, lt=1, description="Last part of each source that is kept aside for scoring"
    )
    trust_all: bool = Field(
        False,
        description="Take the masks of all frames of an experiment, not only of corrected ones",
    )
    frames: tuple[int, ...] | None = Field(
        None, description="Frames to take of experiments and sequences, from 0; empty: all known"
    )
    channel: str | None = Field(
        None,
        description="Channel of an experiment by name, of images by number or 'grey'; empty: the "
        "one that was segmented, of images the first",
    )
    simulated: int = Field(
        4, ge=0, description="Simulated movies mixed in, so that nothing is forgotten"
    )
    epochs: int | None = Field(None, ge=1, description="Most rounds of training; empty: as usual")
    patience: int | None = Field(
        None,
        ge=0,
        description="Rounds without a better score before training ends; 0: go to the end; empty: "
        "as usual",
    )
    minutes: float | None = Field(
        None, gt=0, description="No new round begins after so long; empty: no limit"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="How fast it learns; empty: as usual"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Pull of the weights towards zero; empty: as usual"
    )
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Crops learned from at once; empty: as usual"
    )
    batches: int | None = Field(
        None, ge=1, description="Batches of crops in a round; empty: as usual"
    )
    optimiser: Literal["adamw", "sgd"] | None = Field(
        None, description="How steps are made of gradients; empty: as usual"
    )
    rescale: bool = Field(
        True, description="Cellpose: bring cells to the size that the model was trained on"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same model")


@dataclass(frozen=True)
class Taught:
    """What came out: scores on what was kept aside, now and before, and notes for the user."""

    history: list[Epoch]
    score: HeldOutScore | None
    before: HeldOutScore | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SegmentLesson:
    """All that teaching needs.

    The model `name` is stored in `out`, its state meanwhile in the file `unfinished`. What is
    `learned` from and kept `aside` is told in `split`. It `began` at that `perf_counter`; no new
    round begins once `clock` shows `ends`.
    """

    name: str
    out: Path
    unfinished: Path
    base: str
    learned: Sequence[Annotated]
    aside: Sequence[Annotated]
    split: str
    settings: SegmentTeachSettings
    device: str
    model_folder: Path | None
    command: str
    began: float
    clock: Callable[[], float]
    ends: float | None
    progress: Progress

    @property
    def images(self) -> dict[str, Any]:
        """What tells a training from others that may have left a file of its name."""
        return {
            "learned images": [_fingerprint(image) for image in self.learned],
            "held-out images": [_fingerprint(image) for image in self.aside],
        }

    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.ends is not None and self.clock() >= self.ends

    def score(self, segmenter: "Segmenter") -> HeldOutScore | None:
        """How a model does on what is kept aside, the size of cells found by itself."""
        if not self.aside:
            return None
        channel = self.settings.channel
        return score_held_out(segmenter, self.aside, channel=channel, progress=self.progress)

    def told(self, notes: Sequence[str] = ()) -> dict[str, Any]:
        """Fields of the model card."""
        return {
            "data": in_words(self.learned),
            "split": "; but ".join((self.split, *notes)),
            "command": self.command,
            "seconds": round(time.perf_counter() - self.began, 1),
        }


def metrics(taught: Taught) -> dict[str, Any]:
    """Figures for the model card."""
    scores = {"kept aside": taught.score, "kept aside, before": taught.before}
    return {what: score.figures() for what, score in scores.items() if score is not None}


def in_words(images: Sequence[Annotated]) -> list[str]:
    """Which images of each group, in words, such as "mine, 5 images: t000 to t040"."""
    groups: dict[str, list[str]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image.name)
    return [
        f"{group}, {len(names)} images: {names[0]} to {names[-1]}"
        if len(names) > 1
        else f"{group}, {names[0]}"
        for group, names in groups.items()
    ]


def seen_before(base: ModelCard, aside: Sequence[Annotated]) -> tuple[str, ...]:
    """A warning that the first weights come from data sets that are kept aside now, or none."""
    sets = dict.fromkeys(image.group.partition("/")[0] for image in aside)
    seen = [name for name in sets if any(name in told for told in base.data)]
    if not seen:
        return ()
    return (
        f"{base.name!r}, which training began with, had learned from {' and '.join(seen)}, so the "
        "figures may be better than on new movies",
    )


def _fingerprint(image: Annotated) -> list[Any]:
    """What tells an image, and its masks, from others."""
    return [image.group, image.name, *image.masks.shape, int((image.masks > 0).sum())]
