"""Train the `rnn` stage model on sequences of cells."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.ensemble import RecurrentEnsemble, recurrent_network
from napari_cellcycle.models.stage.frame import normalise
from napari_cellcycle.models.stage.recurrent import SIDE, SIZE, RecurrentNetwork, levels
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.frame import macro_f1
from napari_cellcycle.training.stage.sequence_turns import SequenceViewSettings, turn_sequences
from napari_cellcycle.training.stage.sequences import UNKNOWN, CellSequences

MARGIN = 64 / 48
"""How much larger than the network's window crops are cut, to be turned and moved about."""

SMOOTHING = 0.25
"""Weight of order and durations in decoding: half the usual, as the network knows time itself."""


Network = RecurrentNetwork | RecurrentEnsemble


class SequenceTaskSettings(Settings):
    """What a batch of sequences is made of."""

    batches: int = 30
    sequences: int = 10
    length: int = 24
    eventful: float = 0.75
    strides: tuple[float, ...] = (0.6, 0.25, 0.15)
    balance: float = 0.25
    smoothing: float = 0.01
    centre: float = 0.3
    views: SequenceViewSettings = SequenceViewSettings()


class RecurrentSettings(Settings):
    """The shape of the network; of several `members`, chances are averaged."""

    width: int = 16
    features: int = 96
    hidden: int = 96
    members: int = 1
    side: float = SIDE
    size: int = SIZE


class SequenceBatch(NamedTuple):
    """Sequences of crops, padded at the end: images and masks (b, t, y, x), the rest (b, t).

    `has_mask` (b,) and `valid` (b, t) are bool.
    """

    images: torch.Tensor
    masks: torch.Tensor
    has_mask: torch.Tensor
    level: torch.Tensor
    code: torch.Tensor
    valid: torch.Tensor


class SequenceTask:
    """Learn the stages of cells over time: a `Task` for `fit`.

    Windows of `length` frames are drawn, mostly around a change of stage, at one of several
    frame rates (`strides`: the chances of taking every frame, every other one, ...). The held-out
    score is the macro-F1 of the frames of `held_out`. If stages are not `told` yet, the first
    batch waits until they are.
    """

    def __init__(
        self,
        sources: Sequence[CellSequences],
        shares: Sequence[float],
        held_out: CellSequences | None = None,
        settings: SequenceTaskSettings | None = None,
        shape: RecurrentSettings | None = None,
        *,
        told: bool = True,
    ) -> None:
        self.settings = settings or SequenceTaskSettings()
        self.shape = shape or RecurrentSettings()
        self.held_out, self.stages = held_out, sources[0].stages
        counts = _counts(shares, self.settings.sequences)
        self._sources = [
            _Source(source, count, self.shape)
            for source, count in zip(sources, counts, strict=True)
        ]
        if told:
            _check_codes(sources)
            self.tell_stages(*(source.code for source in sources))

    def __len__(self) -> int:
        return self.settings.batches

    def tell_stages(self, *codes: np.ndarray) -> None:
        """Say the stages (n,) of the crops of each source, and let rare ones count more."""
        number = np.zeros(len(self.stages))
        for source, code in zip(self._sources, codes, strict=True):
            source.tell(code)
            told = np.bincount(code[code >= 0], minlength=len(self.stages))
            number += source.count * told / max(len(code), 1)
        weight = np.where(number > 0, np.maximum(number, 1e-3) ** -self.settings.balance, 0.0)
        self.weight = torch.tensor(weight / weight[weight > 0].mean(), dtype=torch.float32)

    def batches(self, rng: np.random.Generator) -> Iterator[SequenceBatch]:
        """Draw and augment the batches of one epoch."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        for _ in range(len(self)):
            yield _stack([s.draw(self.settings, rng) for s in self._sources], self, rng, generator)

    def loss(self, network: torch.nn.Module, batch: SequenceBatch) -> torch.Tensor:
        """Cross-entropy of the stages, and how well the centre cell is drawn."""
        batch = SequenceBatch(*(part.to(device_of(network)) for part in batch))
        logits, drawn = network(batch.images, batch.level, batch.valid)
        told = (batch.code != UNKNOWN) & batch.valid
        loss = functional.cross_entropy(
            logits[told],
            batch.code[told],
            self.weight.to(logits.device),
            label_smoothing=self.settings.smoothing,
        )
        known = batch.has_mask[:, None] & batch.valid
        if known.any():
            masks = functional.interpolate(
                batch.masks[known][:, None], size=drawn.shape[-2:], mode="area"
            )[:, 0]
            loss = loss + self.settings.centre * functional.binary_cross_entropy_with_logits(
                drawn[known], masks
            )
        return loss

    def score(self, network: torch.nn.Module) -> float | None:
        """Macro-F1 of the frames that were held out."""
        if self.held_out is None:
            return None
        code = tell(network, self.held_out, self.shape).argmax(1)
        known = self.held_out.code != UNKNOWN
        return macro_f1(self.held_out.code[known], code[known], len(self.stages))


def _counts(shares: Sequence[float], total: int) -> list[int]:
    """How many of `total` sequences each source gives, at least one each."""
    part = np.asarray(shares, float) / np.sum(shares)
    counts = np.maximum(np.floor(part * total).astype(int), 1)
    counts[int(np.argmax(part))] += total - counts.sum()
    return [int(count) for count in counts]


def _check_codes(sources: Sequence[CellSequences]) -> None:
    code = np.concatenate([source.code for source in sources])
    kinds = np.unique(code[code != UNKNOWN])
    if len(kinds) > 1:
        return
    names = sources[0].stages.names
    told = f"only {names[kinds[0]]!r}" if len(kinds) else "no stage at all"
    raise BadInput(
        f"The sources show {told}; a stage model needs cells of at least two stages: correct "
        "some more cells, or give other sources."
    )


class _Drawn(NamedTuple):
    source: "_Source"
    rows: list[np.ndarray]


class _Source:
    """Sequences that `count` of each batch are drawn from."""

    code: torch.Tensor
    changes: list[np.ndarray]

    def __init__(self, sequences: CellSequences, count: int, shape: RecurrentSettings) -> None:
        self.sequences, self.count = sequences, count
        self.images = torch.from_numpy(sequences.images)
        self.masks = None if sequences.masks is None else torch.from_numpy(sequences.masks)
        self.level = torch.from_numpy(relative_levels(sequences, shape))
        size = np.bincount(sequences.group, minlength=1)[sequences.group]
        self.chances = size**-0.5 / (size**-0.5).sum()

    def tell(self, code: np.ndarray) -> None:
        """Say the stages (n,) of all crops."""
        self.code = torch.from_numpy(code)
        self.changes = [_changes(code[path]) for path in self.sequences.paths]

    def draw(self, settings: SequenceTaskSettings, rng: np.random.Generator) -> _Drawn:
        """Draw windows of sequences: rows of their crops, in the order of time."""
        which = rng.choice(len(self.sequences), self.count, p=self.chances)
        return _Drawn(self, [self._window(int(i), settings, rng) for i in which])

    def _window(
        self, number: int, settings: SequenceTaskSettings, rng: np.random.Generator
    ) -> np.ndarray:
        path, changes = self.sequences.paths[number], self.changes[number]
        stride = 1 + int(rng.choice(len(settings.strides), p=settings.strides))
        if len(path) < 2 * stride:
            stride = 1
        span = int(rng.integers(settings.length // 2, settings.length + 1)) * stride
        start = int(rng.integers(-(span // 3), max(len(path) - 2 * span // 3, 1)))
        if len(changes) and rng.random() < settings.eventful:
            start = int(rng.choice(changes)) - int(rng.integers(span // 6, 5 * span // 6 + 1))
        chosen = path[max(start, 0) : max(start + span, 1) : stride]
        return chosen if len(chosen) else path[:1]


def _changes(code: np.ndarray) -> np.ndarray:
    """Positions along a path at which the stage becomes another one."""
    return 1 + np.flatnonzero(code[1:] != code[:-1])


def relative_levels(sequences: CellSequences, shape: RecurrentSettings) -> np.ndarray:
    """How bright each crop is against the others of its group, (n,) float32."""
    found = []
    edge, side = _edge(sequences.images.shape[-1], shape)
    for start in range(0, len(sequences.images), 512):
        images = sequences.images[start : start + 512, edge : edge + side, edge : edge + side]
        found.append(levels(torch.from_numpy(images).float()).numpy())
    level = np.concatenate([np.empty(0, np.float32), *found])
    for rows in sequences.rows_of_groups():
        level[rows] -= np.median(level[rows])
    return level


def window_of(sequences: CellSequences, shape: RecurrentSettings) -> int:
    """Side, in pixels of the crops, of the window that the network sees."""
    return _edge(sequences.images.shape[-1], shape)[1]


def _edge(stored: int, shape: RecurrentSettings) -> tuple[int, int]:
    """Left edge and side, in stored pixels, of the window that the network sees."""
    side = round(stored / MARGIN)
    if stored < shape.size / MARGIN:
        raise BadInput(
            f"The crops are {stored} pixels wide, but the network looks at {shape.size} pixels; "
            "cut larger crops, or train a network with a smaller size."
        )
    return (stored - side) // 2, side


def _stack(
    drawn: list[_Drawn], task: SequenceTask, rng: np.random.Generator, generator: torch.Generator
) -> SequenceBatch:
    """Pad the windows to one length and view them at random."""
    longest = max(len(rows) for part in drawn for rows in part.rows)
    images, masks, has_mask, level, code, valid = [], [], [], [], [], []
    for part in drawn:
        for rows in part.rows:
            # A short sequence is padded with its own last crop, which is not counted.
            padded = torch.from_numpy(np.r_[rows, np.full(longest - len(rows), rows[-1])])
            seen = part.source.images[padded].float()
            images.append(seen)
            own = part.source.masks
            masks.append(torch.zeros_like(seen) if own is None else own[padded].float())
            has_mask.append(own is not None)
            level.append(part.source.level[padded])
            code.append(part.source.code[padded])
            valid.append(torch.arange(longest) < len(rows))
    seen, own = turn_sequences(
        torch.stack(images),
        torch.stack(masks),
        task.shape.size,
        1 / MARGIN,
        task.settings.views,
        generator,
    )
    shift = torch.from_numpy(rng.normal(0, 0.2, (len(level), 1)).astype(np.float32))
    return SequenceBatch(
        seen,
        own,
        torch.tensor(has_mask),
        torch.stack(level) + shift,
        torch.stack(code),
        torch.stack(valid),
    )


def tell(
    network: torch.nn.Module,
    sequences: CellSequences,
    shape: RecurrentSettings | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Probabilities (n, S) of all crops of some sequences, float32.

    Crops on several paths, a mother's, get the mean over them.
    """
    shape = shape or RecurrentSettings()
    edge, side = _edge(sequences.images.shape[-1], shape)
    level = relative_levels(sequences, shape)
    total = np.zeros((len(sequences.images), len(sequences.stages)), np.float32)
    count = np.zeros(len(total), np.float32)
    device = device_of(network)
    with torch.inference_mode():
        paths = sequences.paths
        for path in track_progress(paths, len(paths), progress, "Telling stages"):
            images = sequences.images[path, edge : edge + side, edge : edge + side]
            seen = torch.from_numpy(images).to(device).float()
            if side != shape.size:
                seen = functional.interpolate(
                    seen[:, None], size=(shape.size,) * 2, mode="bilinear", antialias=True
                )[:, 0]
            valid = torch.ones(1, len(path), dtype=torch.bool, device=device)
            relative = torch.from_numpy(level[path]).to(device)
            logits, _ = network(normalise(seen)[None], relative[None], valid)
            total[path] += logits[0].softmax(1).cpu().numpy()
            count[path] += 1
    return total / np.maximum(count, 1)[:, None]


def train_recurrent(
    sources: Sequence[CellSequences],
    shares: Sequence[float] = (1.0,),
    fit_settings: FitSettings | None = None,
    task_settings: SequenceTaskSettings | None = None,
    *,
    shape: RecurrentSettings | None = None,
    start: dict[str, Any] | None = None,
    held_out: CellSequences | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[Network, list[Epoch]]:
    """Train a recurrent network, from nothing or from the weights `start`.

    The number of threads that torch has decides the order of sums, and so the last digits.
    `shares` says how much of each batch comes from each of `sources`. Raises `BadInput` if the
    sources do not show at least two stages.
    """
    fit_settings, shape = fit_settings or FIT, shape or RecurrentSettings()
    network = new_network(len(sources[0].stages), fit_settings, shape, start).to(device)
    task = SequenceTask(sources, shares, held_out, task_settings, shape)
    return network, fit(network, task, fit_settings, checkpoint=checkpoint, progress=progress)


def new_network(
    stages: int, settings: FitSettings, shape: RecurrentSettings, start: dict[str, Any] | None
) -> Network:
    """A network for so many stages with the weights `start`, or drawn by the seed."""
    torch.manual_seed(settings.seed)
    network = network_of(stages, shape)
    if start is not None:
        network.load_state_dict(start)
    return network


def network_of(stages: int, shape: RecurrentSettings) -> Network:
    """A network of that shape, its weights still to be learned or loaded."""
    return recurrent_network(
        stages,
        width=shape.width,
        features=shape.features,
        hidden=shape.hidden,
        members=shape.members,
    )


FIT = FitSettings(epochs=220, learning_rate=2e-3, average=0.995)
