"""Train the embedding of `paper` link models: crops of one cell near each other, others far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.features.paper import PATCH, PaperCells, cell_crops
from napari_cellcycle.models.link.paper.metric import LOSSES, Embedder, embed, precision_at_1
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.link.recordings import Recording

LossName = Literal["multi-similarity", "circle", "triplet"]
PER_CELL, PER_BATCH = 4, 32
TRUNK_SHARE = 0.1
"""Learning rate of the trunk, as a share of that of the embedding layer."""


@dataclass(frozen=True)
class Crops:
    """Crops (n, [Z,] Y, X) of cells, their `ids` (n,) over all recordings, and their `frame`."""

    crops: np.ndarray
    ids: np.ndarray
    frame: np.ndarray

    def part(self, rows: np.ndarray) -> "Crops":
        """Some of the crops."""
        return Crops(self.crops[rows], self.ids[rows], self.frame[rows])


def canvas_of(measured: Sequence[PaperCells]) -> tuple[int, ...]:
    """The largest box of all recordings, axis by axis; that of a patch for markers."""
    if measured[0].mode == "markers":
        return (PATCH, PATCH)
    sides = [(cells.box[:, 1] - cells.box[:, 0]).max(0) for cells in measured if len(cells.table)]
    return tuple(np.max(sides, axis=0).tolist())


def crops_of(
    recordings: Sequence[Recording],
    measured: Sequence[PaperCells],
    tracks: Sequence[np.ndarray],
    canvas: tuple[int, ...],
) -> Crops:
    """The crops of all cells with a known track (> 0); ids count on from movie to movie."""
    crops, ids, frames = [], [], []
    offset = 0
    for recording, cells, track in zip(recordings, measured, tracks, strict=True):
        movie: Movie | None = recording.movie
        assert movie is not None, "checked when it was measured"
        starts = np.searchsorted(cells.frame, np.arange(len(recording.labels) + 1))
        for time in range(len(recording.labels)):
            rows = slice(int(starts[time]), int(starts[time + 1]))
            mask = recording.labels.frame(time)
            seen = cell_crops(movie.frame(time), mask, cells, rows, canvas)
            known = track[rows] > 0
            crops.append(seen[known])
            ids.append(track[rows][known] + offset)
            frames.append(np.full(int(known.sum()), time))
        offset += int(track.max(initial=0))
    return Crops(np.concatenate(crops), np.concatenate(ids), np.concatenate(frames))


def split_by_id(
    ids: np.ndarray, rng: np.random.Generator, share: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows kept aside, with no cell in both.

    Cells are taken in random order until their crops are `share` of all.
    """
    cells, count = np.unique(ids, return_counts=True)
    order = rng.permutation(len(cells))
    before = np.cumsum(count[order]) - count[order]
    learned = np.isin(ids, cells[order[before < share * len(ids)]])
    return np.flatnonzero(learned), np.flatnonzero(~learned)


def split_by_frame(frame: np.ndarray, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the first `share` of the frames, and of the later ones."""
    early = frame < share * (frame.max(initial=0) + 1)
    return np.flatnonzero(early), np.flatnonzero(~early)


def consecutive_rows(
    ids: np.ndarray, frame: np.ndarray, rng: np.random.Generator, m: int = PER_CELL
) -> Iterator[np.ndarray]:
    """For each cell, in random order, `m` rows that follow each other around a random one.

    A cell seen less often gives rows drawn with replacement.
    """
    order = np.lexsort((frame, ids))
    cells, start, count = np.unique(ids[order], return_index=True, return_counts=True)
    for cell in rng.permutation(len(cells)):
        own = order[start[cell] : start[cell] + count[cell]]
        if len(own) < m:
            yield rng.choice(own, m)
            continue
        centre = int(rng.integers(len(own)))
        first = min(max(centre - m // 2, 0), len(own) - m)
        yield own[first : first + m]


class MetricTask:
    """Batches of 8 cells with 4 consecutive crops each; an epoch is as long as the crops."""

    def __init__(
        self, learned: Crops, held_out: Crops, loss: LossName, device: torch.device
    ) -> None:
        self._learned, self._held_out, self._device = learned, held_out, device
        self._loss = LOSSES[loss]

    def __len__(self) -> int:
        return max(1, len(self._learned.ids) // PER_BATCH)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Draw crops; cells are shuffled anew whenever all were seen."""
        waiting: list[np.ndarray] = []
        for _ in range(len(self)):
            while len(waiting) < PER_BATCH // PER_CELL:
                waiting += consecutive_rows(self._learned.ids, self._learned.frame, rng)
            rows = np.concatenate(waiting[: PER_BATCH // PER_CELL])
            del waiting[: PER_BATCH // PER_CELL]
            crops = torch.from_numpy(self._learned.crops[rows]).to(self._device)
            yield crops, torch.from_numpy(self._learned.ids[rows]).to(self._device)

    def loss(self, network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The chosen loss of one batch."""
        crops, ids = batch
        return self._loss(network(crops), ids)

    def score(self, network: nn.Module) -> float | None:
        """Share of crops kept aside whose nearest one is of the same cell, mean over cells."""
        if not len(self._held_out.ids):
            return None
        found = embed(network, self._held_out.crops, self._device)
        return precision_at_1(found, self._held_out.ids)


def train_metric(
    crops: Crops,
    settings: FitSettings,
    *,
    ndim: int,
    width: int = 64,
    loss: LossName = "multi-similarity",
    split: Literal["ids", "frames"] = "ids",
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[Embedder, list[Epoch]]:
    """Train an embedding network; the weights that do best on crops kept aside are returned.

    Adam; `settings.learning_rate` is that of the embedding layer, the trunk learns a tenth as
    fast.
    """
    device = device or torch.device("cpu")
    torch.manual_seed(settings.seed)
    network = Embedder(ndim, width).to(device)
    rng = np.random.default_rng(settings.seed)
    parts = split_by_id(crops.ids, rng) if split == "ids" else split_by_frame(crops.frame)
    task = MetricTask(crops.part(parts[0]), crops.part(parts[1]), loss, device)

    def optimiser(_: nn.Module) -> torch.optim.Optimizer:
        slow, fast = network.trunk.parameters(), network.embedder.parameters()
        rate = settings.learning_rate
        groups = [{"params": slow, "lr": TRUNK_SHARE * rate}, {"params": fast, "lr": rate}]
        return torch.optim.Adam(groups, weight_decay=settings.weight_decay)

    history = fit(network, task, settings, optimiser=optimiser, progress=progress)
    return network, history
