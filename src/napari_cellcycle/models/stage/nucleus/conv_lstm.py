"""The published recurrent network for nuclei: an encoder of volumes, then a ConvLSTM."""

import torch
from torch import nn

from napari_cellcycle.models.stage.nucleus.networks import PaperStep

HIDDEN = 64


class ConvLstmNetwork(nn.Module):
    """Encodes each frame alike, averages over depth, and reads the maps in the order of time.

    Takes samples (n, T, z, y, x), one frame a channel, and gives logits (n, classes).
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.encoder = nn.Sequential(PaperStep(1, 16), PaperStep(16, 32))
        self.gates = nn.Conv2d(32 + HIDDEN, 4 * HIDDEN, 3, padding=1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(HIDDEN, classes))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of samples (n, T, z, y, x)."""
        n, times = samples.shape[:2]
        maps = self.encoder(samples.flatten(0, 1)[:, None]).mean(2)
        maps = maps.unflatten(0, (n, times))
        hidden = cell = maps.new_zeros(n, HIDDEN, *maps.shape[-2:])
        for time in range(times):
            gates = self.gates(torch.cat([maps[:, time], hidden], dim=1))
            let_in, forget, let_out, new = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + let_in.sigmoid() * new.tanh()
            hidden = let_out.sigmoid() * cell.tanh()
        return self.head(hidden.mean((2, 3)))
