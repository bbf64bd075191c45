"""Teach a Cellpose network, of version 3 or 4, further on images of one's own.

Loss, crops and optimisers are Cellpose's (Stringer et al. 2021, Pachitariu et al. 2025). The loop
is that of this package, so that a training can be cancelled and resumed, and the epoch is kept
that finds held-out cells best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.segmentation import THRESHOLDS
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.cellpose import CellposeSegmenter
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.models.store import ModelCard
from napari_cellcycle.progress import Cancelled, Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint, write_torch
from napari_cellcycle.training.fit import Epoch, fit
from napari_cellcycle.training.segment.cellpose_settings import (
    CellposeSettings,
    filled,
    fit_settings,
    optimiser_of,
)
from napari_cellcycle.training.segment.cellpose_task import CellposeTask, Shown, prepare
from napari_cellcycle.training.segment.held_out import score_held_out
from napari_cellcycle.training.segment.tuning import sizes_of, spread

if TYPE_CHECKING:
    import torch

ARCHITECTURE = "Cellpose"
"""First word of the architecture in the cards of these models."""
SUFFIX = ".cellpose"
"""Usual ending of their files; any but .safetensors will do."""
LEAST_DIAMETER_PX = 5.0
_SPREAD, _SPREAD_UNSCALED = 0.25, 0.5
_SOFTWARE = ("napari-cellcycle", "torch", "cellpose", "numpy")


@dataclass(frozen=True)
class CellposeEpoch:
    """One epoch: mean loss, loss on held-out images, their AP at .5 (None: not scored), seconds."""

    number: int
    loss: float
    held_out_loss: float | None
    precision: float | None
    seconds: float


@dataclass(frozen=True)
class TaughtCellpose:
    """A taught model: its file and card, the record of each epoch, and its cells' diameter."""

    path: Path
    card: ModelCard
    history: list[CellposeEpoch]
    diameter_px: float


@dataclass(frozen=True)
class _Kept(Checkpoint):
    """A checkpoint that keeps held-out losses as well, and the latest state in memory.

    Nothing is written if `on_disk` is false.
    """

    on_disk: bool = True
    held_out_losses: list[float | None] = field(default_factory=list)
    latest: dict[str, Any] = field(default_factory=dict)

    def write(
        self,
        state: Mapping[str, Any],
        network: "torch.nn.Module",
        rng: np.random.Generator,
        about: Mapping[str, Any],
    ) -> None:
        self.latest.update(state)
        if self.on_disk:
            more = {"held-out losses": list(self.held_out_losses)}
            super().write({**state, **more}, network, rng, about)

    def read(
        self, network: "torch.nn.Module", rng: np.random.Generator, about: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        found = super().read(network, rng, about) if self.on_disk else None
        if found is not None:
            self.held_out_losses[:] = found["held-out losses"]
            self.latest.update(found)
        return found


def fine_tune(
    examples: Sequence[Annotated],
    held_out: Sequence[Annotated] = (),
    settings: CellposeSettings | None = None,
    *,
    base: str = "cyto3",
    out: Path,
    channel: str | None = None,
    device: str = "auto",
    checkpoint: Checkpoint | None = None,
    is_over: Callable[[], bool] | None = None,
    told: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> TaughtCellpose:
    """Teach the Cellpose model `base` on `examples` and store it in the file `out`.

    Of the epochs, the one with the greatest AP at .5 on `held_out` is stored, or the last one if
    nothing is held out. Unknown pixels take no part in the loss. The mean diameter of the cells
    is kept in the file, as Cellpose does, and in the card beside it (`out` with .json). If
    `progress` cancels the training, the best so far is stored before `Cancelled` goes on.

    Parameters
    ----------
    base
        Name of one of Cellpose's own models, or a file, of the version that is installed.
    channel
        Channel of images that have several: a number, or "grey"; the first if not given.
    checkpoint
        Where the state is kept after each epoch, and resumed from.
    is_over
        Asked after each epoch; true ends the training as if it were complete.
    told
        Fields of the model card that the caller knows, such as data, split and command.

    Raises
    ------
    BadInput
        No cells to learn from, a file name that Cellpose's models cannot have, crops of a size
        that the network cannot take, or a checkpoint of another training.
    MissingModel
        There is no such base, or it cannot be had or opened.
    CannotWrite
        The model cannot be stored.
    """
    out = Path(out).expanduser()
    _check_file(out)
    scorer = CellposeSegmenter(base, choose_device(device))
    settings = filled(settings or CellposeSettings(), scorer.major)
    learned = _worth(examples, settings.least_masks)
    network, diameter = scorer.network(), _mean_diameter(learned)
    _write_sizes(network, diameter, settings, scorer.major)
    task = _task(learned, held_out, settings, scorer, network, channel, progress)
    kept = _kept(
        checkpoint,
        {"base": base, "teaching": settings.model_dump(), "cellpose": scorer.major},
        task.held_out_losses,
    )

    def stored(state: "dict[str, torch.Tensor]", epochs: Sequence[Epoch]) -> TaughtCellpose:
        history = _history(epochs, task.held_out_losses)
        card = _card(out.stem, base, settings, history, network)
        save(out, state, card.model_copy(update=dict(told or {})))
        return TaughtCellpose(out, card, history, diameter)

    try:
        epochs = fit(
            network,
            task,
            fit_settings(settings),
            optimiser=optimiser_of(settings),
            checkpoint=kept,
            is_over=is_over,
            progress=progress,
        )
    except Cancelled:
        if kept.latest:
            best = kept.latest["best"]
            state = kept.latest["network"] if best is None else best[1]
            stored(state, [Epoch(**epoch) for epoch in kept.latest["history"]])
        raise
    return stored(network.state_dict(), epochs)


def save(out: Path, state: "Mapping[str, torch.Tensor]", card: ModelCard) -> None:
    """Store weights as Cellpose does in `out`, and the card beside it, `out` with .json.

    Raises `CannotWrite` if that fails; what was there before is untouched.
    """
    write_torch({name: tensor.detach().cpu().float() for name, tensor in state.items()}, out)
    with writing_to(out):
        replace_file(out.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")


def _check_file(out: Path) -> None:
    if out.suffix in (".safetensors", ".json"):
        raise BadInput(
            f"{out.name} cannot be the file of a Cellpose model, for {out.suffix} means another "
            f"kind of file: end it in {SUFFIX}."
        )


def _worth(examples: Sequence[Annotated], least_masks: int) -> list[Annotated]:
    """Images that are learned from: of those with cells at least so many."""
    counts = [len(np.unique(image.cells[image.cells > 0])) for image in examples]
    if not any(counts):
        raise BadInput(
            "No image to learn from has a cell in it: give images in which cells are outlined."
        )
    learned = [im for im, count in zip(examples, counts, strict=True) if count >= least_masks]
    if not learned:
        raise BadInput(
            f"No image to learn from has {least_masks} cells or more, as was asked for; the most "
            f"is {max(counts)}: ask for fewer, or outline more cells."
        )
    return learned


def _own_px(image: Annotated) -> float:
    return max(LEAST_DIAMETER_PX, float(np.median(diameters_px(image.cells))))


def _mean_diameter(images: Sequence[Annotated]) -> float:
    """Mean over images of the median diameter of their cells, in pixels, as Cellpose has it."""
    return float(np.mean([_own_px(image) for image in images if image.cells.any()]))


def _write_sizes(
    network: "torch.nn.Module", diameter_px: float, settings: CellposeSettings, major: int
) -> None:
    """Keep the cells' diameter in the network.

    Version 3, taught on cells as large as they are, then also works at that size.
    """
    network.diam_labels.data.fill_(diameter_px)  # type: ignore[operator]
    if major < 4 and not settings.rescale:
        network.diam_mean.data.fill_(diameter_px)  # type: ignore[operator]


def _task(
    learned: Sequence[Annotated],
    held_out: Sequence[Annotated],
    settings: CellposeSettings,
    scorer: CellposeSegmenter,
    network: "torch.nn.Module",
    channel: str | None,
    progress: Progress,
) -> CellposeTask:
    usual = sizes_of([*learned, *held_out])
    scored = spread(held_out, settings.scored_images) if held_out else []

    def size(image: Annotated) -> float:
        return _own_px(image) if image.cells.any() else max(LEAST_DIAMETER_PX, usual(image))

    def score(current: "torch.nn.Module") -> float:
        scorer.become(current)
        sizes = usual if scorer.major < 4 else lambda _image: 0.0
        found = score_held_out(scorer, scored, channel=channel, diameters_px=sizes)
        return found.precision[THRESHOLDS[0]]

    assert settings.crop_px is not None
    assert settings.batch_size is not None
    works_at = float(network.diam_mean) if settings.rescale else None  # type: ignore[arg-type]
    rescaled = settings.rescale or scorer.major >= 4
    shown = Shown(
        settings.crop_px, works_at, _SPREAD if rescaled else _SPREAD_UNSCALED, _channels(network)
    )
    return CellposeTask(
        prepare(learned, size, channel, progress),
        prepare(scored, size, channel, progress),
        shown,
        batch_size=settings.batch_size,
        in_epoch=settings.images_per_epoch or len(learned),
        epochs=settings.epochs,
        score_every=settings.score_every,
        score_network=score if scored else None,
    )


def _channels(network: "torch.nn.Module") -> int:
    """Channels that the network looks at: one or two, and three in version 4."""
    return int(getattr(network, "nchan", 3))


def _kept(
    checkpoint: Checkpoint | None, about: Mapping[str, Any], losses: list[float | None]
) -> _Kept:
    if checkpoint is None:
        return _Kept(Path(), about, on_disk=False, held_out_losses=losses)
    return _Kept(checkpoint.path, {**checkpoint.about, **about}, held_out_losses=losses)


def _history(epochs: Sequence[Epoch], losses: Sequence[float | None]) -> list[CellposeEpoch]:
    return [
        CellposeEpoch(epoch.number, epoch.loss, loss, epoch.score, epoch.seconds)
        for epoch, loss in zip(epochs, losses, strict=False)
    ]


def _card(
    name: str,
    base: str,
    settings: CellposeSettings,
    history: Sequence[CellposeEpoch],
    network: "torch.nn.Module",
) -> ModelCard:
    major = version("cellpose").split(".")[0]
    return ModelCard(
        name=name,
        kind="segment",
        architecture=f"{ARCHITECTURE} {major}, {type(network).__name__}",
        description=f"Cellpose's {Path(base).name}, taught further",
        settings={
            "diameter px": round(float(network.diam_labels), 2),  # type: ignore[arg-type]
            "works at px": round(float(network.diam_mean), 2),  # type: ignore[arg-type]
            "channels": _channels(network),
            "training": {**settings.model_dump(), "epochs done": _columns(history)},
        },
        licence="that of the data it was trained on, and of the model it began with",
        parent=Path(base).name,
        software={package: version(package) for package in _SOFTWARE},
        seconds=round(sum(epoch.seconds for epoch in history), 1),
    )


def _columns(history: Sequence[CellposeEpoch]) -> dict[str, list[float | int | None]]:
    """The record of all epochs, by what was measured."""
    rows = [asdict(epoch) for epoch in history]
    return {
        name: [None if row[name] is None else round(row[name], 4) for row in rows]
        for name in ("number", "loss", "held_out_loss", "precision", "seconds")
    }
