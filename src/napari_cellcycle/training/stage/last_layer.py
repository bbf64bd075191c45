"""Teach the last layer of a frame network: on everything, and in turn without each part of it.

All other layers stay as they are, so every view of a crop is looked at once, and what the network
sees in it is what is learned from. That is quick enough to do several times over, so that a model
which has learned from all examples is judged by others, on cells that these have not seen
(cross-validation; Stone 1974).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.frame import FrameNetwork
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.frame import StageTaskSettings, chances_of, macro_f1
from napari_cellcycle.training.stage.turns import ViewSettings, views

VIEWS, SIMULATED_VIEWS = 12, 4
"""Random views of each crop, and of each simulated one, that are learned from."""
_AT_ONCE = 128
NO_PART = -1
"""Part of what is learned from in every turn."""
State = dict[str, torch.Tensor]


class LastLayers(NamedTuple):
    """Weights of the network after learning from everything, and without each part in turn."""

    whole: State
    apart: tuple[State, ...]


class Heads(nn.Module):
    """The last layer of a network, several times over: logits (heads, n, S) of (heads, n, F)."""

    def __init__(self, count: int, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.head_weight = nn.Parameter(weight.repeat(count, 1, 1))
        self.head_bias = nn.Parameter(bias.repeat(count, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Each head's logits of its own features."""
        return torch.baddbmm(self.head_bias[:, None], features, self.head_weight.mT)


Batch = tuple[torch.Tensor, torch.Tensor]


class LastLayerTask:
    """Batches of what a network sees in views of crops, one for each head: a `Task` for `fit`.

    Head 0 learns from all of `own`, head p + 1 not from the rows of part p; each also learns from
    `simulated` ones. Both are drawn as for the whole network (see `StageTask`). The score is the
    mean F1 of what each part is told by the head that has not seen it.

    Parameters
    ----------
    own, simulated
        Examples with their features (views, n, F), the first of which are those of the crop as it
        is. No simulated ones: None.
    part
        Part of each of `own`, (n,), or `NO_PART`.
    """

    def __init__(
        self,
        own: tuple[Examples, torch.Tensor],
        simulated: tuple[Examples, torch.Tensor] | None,
        part: np.ndarray,
        dropout: float,
        settings: StageTaskSettings,
    ) -> None:
        self._own, self._simulated, self._part = own, simulated, part
        self._dropout, self._settings = dropout, settings
        share = 1.0 if simulated is None else settings.real_share
        self._count = round(share * settings.batch_size)
        rows = [np.arange(len(part)), *(np.flatnonzero(part != one) for one in parts_of(part))]
        self._rows = [(one, chances_of(own[0].subset(one), settings)) for one in rows]
        if simulated is not None:
            self._chances = chances_of(simulated[0], settings)

    def __len__(self) -> int:
        return self._settings.batches

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Features (heads, n, F) and soft targets (heads, n, S)."""
        stages = len(self._own[0].stages)
        for _ in range(len(self)):
            seen, code = [], []
            for rows, chances in self._rows:
                drawn = rows[rng.choice(len(rows), self._count, p=chances)]
                parts = [_drawn(self._own, drawn, rng)]
                if self._simulated is not None:
                    left = self._settings.batch_size - self._count
                    drawn = rng.choice(len(self._chances), left, p=self._chances)
                    parts.append(_drawn(self._simulated, drawn, rng))
                seen.append(torch.cat([one for one, _ in parts]))
                code.append(torch.cat([one for _, one in parts]))
            target = functional.one_hot(torch.stack(code), stages).float()
            target += self._settings.smoothing * (1 / stages - target)
            yield functional.dropout(torch.stack(seen), self._dropout), target

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Cross-entropy with soft targets."""
        seen, target = (part.to(device_of(network)) for part in batch)
        return functional.cross_entropy(network(seen).flatten(0, 1), target.flatten(0, 1))

    def score(self, network: nn.Module) -> float | None:
        """Macro-F1 of each part, told by the head that has not learned from it."""
        if len(self._rows) == 1:
            return None
        examples, seen = self._own
        plain = seen[:1].to(device_of(network)).expand(len(self._rows), -1, -1)
        told = network(plain).argmax(2).cpu().numpy()
        known = self._part != NO_PART
        code = told[self._part[known] + 1, np.flatnonzero(known)]
        return macro_f1(examples.code[known], code, len(examples.stages))


def parts_of(part: np.ndarray) -> range:
    """Numbers of the parts."""
    return range(int(part.max(initial=NO_PART)) + 1)


def train_last_layer(
    start: State,
    network: FrameNetwork,
    own: Examples,
    simulated: Examples | None,
    part: np.ndarray,
    fit_settings: FitSettings,
    task_settings: StageTaskSettings,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> tuple[LastLayers, list[Epoch]]:
    """Weights after learning from `own` crops, and without each `part` of them (see the task).

    `network` is one that fits the weights `start`.
    """
    network.load_state_dict(start)
    network.eval()
    generator = torch.Generator().manual_seed(fit_settings.seed)
    seen = _looked_at(network, own, VIEWS, generator, progress)
    others = None
    if simulated is not None:
        others = simulated, _looked_at(network, simulated, SIMULATED_VIEWS, generator, progress)
    dropout = float(network.head[0].p)  # type: ignore[arg-type]
    task = LastLayerTask((own, seen), others, part, dropout, task_settings)
    count = 1 + len(parts_of(part))
    heads = Heads(count, start["head.1.weight"], start["head.1.bias"]).to(device_of(network))
    history = fit(heads, task, fit_settings, checkpoint=checkpoint, progress=progress)
    return last_layers(start, heads.state_dict()), history


def last_layers(start: State, heads: State) -> LastLayers:
    """The weights of whole networks from those of `Heads`."""
    every = [
        {**start, "head.1.weight": weight.cpu().clone(), "head.1.bias": bias.cpu().clone()}
        for weight, bias in zip(heads["head_weight"], heads["head_bias"], strict=True)
    ]
    return LastLayers(every[0], tuple(every[1:]))


def _drawn(of: tuple[Examples, torch.Tensor], rows: np.ndarray, rng: np.random.Generator) -> Batch:
    """A view of each of some rows, any but the first, and their stages."""
    examples, seen = of
    view = rng.integers(1, len(seen), len(rows))
    return seen[view, rows], torch.from_numpy(examples.code[rows])


def _looked_at(
    network: FrameNetwork,
    examples: Examples,
    count: int,
    generator: torch.Generator,
    progress: Progress,
) -> torch.Tensor:
    """What the network sees in crops as they are and in random views of them: (1 + count, n, F)."""
    images, plain = (torch.from_numpy(e) for e in (examples.images, examples.windows()))
    device, found = device_of(network), []
    for number in track_progress(range(count + 1), count + 1, progress, "Looking at cells"):
        seen = []
        for part in (images if number else plain).split(_AT_ONCE):
            shown = views(part, ViewSettings(), generator) if number else part
            with torch.inference_mode():
                seen.append(network.features(shown.to(device)).cpu())
        found.append(torch.cat(seen))
    return torch.stack(found).clone()
