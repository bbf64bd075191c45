"""Train the `rnn` stage model on sequences of which only the order of stages is known."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.flat_start import flat_start
from napari_cellcycle.training.stage.recurrent import (
    FIT,
    Network,
    RecurrentSettings,
    SequenceBatch,
    SequenceTask,
    SequenceTaskSettings,
    new_network,
    tell,
    window_of,
)
from napari_cellcycle.training.stage.sequences import UNKNOWN, CellSequences
from napari_cellcycle.training.stage.weak import Aligner

ANEW = (0.6, 0.8)
"""Shares of the epochs after which the network lays out the stages anew."""


class Layout(nn.Module):
    """Stages (n,) as they are laid out now, and by what: a part of a network while it learns.

    So a checkpoint keeps them, and the averages of the `aligner`.
    """

    code: torch.Tensor
    epochs: torch.Tensor

    def __init__(self, aligner: Aligner, crops: int) -> None:
        super().__init__()
        self.aligner = aligner
        self.register_buffer("code", torch.full((crops,), UNKNOWN))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def take(self, chances: np.ndarray) -> None:
        """Take the likeliest stages by chances (n, S), which are 0 for crops on no path."""
        code = np.where(chances.any(axis=1), chances.argmax(axis=1), UNKNOWN)
        self.code.copy_(torch.from_numpy(code))


class OrderTask(SequenceTask):
    """Learn stages of which only the order is known: a `Task` for `fit`.

    The network is told stages as `flat_start` lays them out, or as it does so itself if it can
    tell stages already (`able`); and as it lays them out anew after the epochs `anew`, which is
    Viterbi training. The stages of `sequences` are not looked at.
    """

    def __init__(
        self,
        sequences: CellSequences,
        network: Network,
        layout: Layout,
        anew: set[int],
        *,
        able: bool,
        held_out: CellSequences | None = None,
        settings: SequenceTaskSettings | None = None,
        shape: RecurrentSettings | None = None,
        progress: Progress = silent,
    ) -> None:
        super().__init__([sequences], [1.0], held_out, settings, shape, told=False)
        self.network, self.layout, self.anew, self.able = network, layout, anew, able
        self.sequences, self.progress = sequences, progress

    def batches(self, rng: np.random.Generator) -> Iterator[SequenceBatch]:
        """The batches of one epoch, with stages as they are laid out by now."""
        if bool((self.layout.code == UNKNOWN).all()):
            if self.able:
                self._lay(self.network.eval())
                self.network.train()
            else:
                window = window_of(self.sequences, self.shape)
                chances = flat_start(self.sequences, self.layout.aligner, window, self.progress)
                self.layout.take(chances)
        self.tell_stages(self.layout.code.cpu().numpy())
        yield from super().batches(rng)

    def score(self, network: nn.Module) -> float | None:
        """Macro-F1 of the held-out frames; stages are laid out anew where it is time."""
        self.layout.epochs += 1
        if int(self.layout.epochs) in self.anew:
            self._lay(network)
        return super().score(network)

    def _lay(self, network: nn.Module) -> None:
        chances = np.maximum(tell(network, self.sequences, self.shape, self.progress), 1e-4)
        aligner = self.layout.aligner
        scores = aligner.held_back(np.log(chances))
        self.layout.take(aligner.lay(self.sequences, scores))


def train_by_order(
    sequences: CellSequences,
    aligner: Aligner,
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
    """Train a recurrent network on the order of stages alone, which `aligner` knows.

    The arguments are those of `train_recurrent`. Raises `BadInput` if a sequence has no room for
    its transcript.
    """
    fit_settings, shape = fit_settings or FIT, shape or RecurrentSettings()
    network = new_network(len(sequences.stages), fit_settings, shape, start)
    layout = Layout(aligner, len(sequences.images))
    network.add_module("layout", layout)
    network.to(device)
    task = OrderTask(
        sequences,
        network,
        layout,
        {round(share * fit_settings.epochs) for share in ANEW},
        able=start is not None,
        held_out=held_out,
        settings=task_settings,
        shape=shape,
        progress=progress,
    )
    try:
        history = fit(network, task, fit_settings, checkpoint=checkpoint, progress=progress)
    finally:
        del network.layout
    return network, history
