"""The published recurrent network that follows the cell in the centre of its crops."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

import numpy as np
import torch
from torch import nn

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.sights import Sight, Unit, flat_crops
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model

SIZE = 96
"""Side of the network's input in pixels, as published."""
HIDDEN = 4096
"""Width of the layer before the last, as published; it holds nearly all weights."""
WARM_UP = 3
"""How often the first frame of a cell is looked at."""
States = tuple[torch.Tensor, ...]


class ConvGru(nn.Module):
    """Gated recurrent unit of 3 x 3 convolutions, over maps instead of numbers."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(inputs + hidden, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(inputs + hidden, hidden, 3, padding=1)

    def forward(self, maps: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """The next state (n, hidden, y, x)."""
        gates = torch.sigmoid(self.gates(torch.cat([maps, state], dim=1)))
        reset, update = gates.split(self.hidden, dim=1)
        new = torch.tanh(self.candidate(torch.cat([maps, reset * state], dim=1)))
        return (1 - update) * state + update * new


class Told(NamedTuple):
    """Logits of stages (..., S), and logits of the centre cell on black (..., size, size)."""

    stages: torch.Tensor
    centre: torch.Tensor


class PaperNetwork(nn.Module):
    """Crops over time to stages, and to the centre cell alone on a black ground.

    Three convolutions look at a crop, three convolutional recurrent units remember, a decoder
    draws the centre cell and a classifier tells its stage, both from the last unit's map. It
    sees the past, never the future. The defaults are the published sizes; smaller ones are for
    trying things out. `weak` networks give probabilities by softmax, as those that learn from
    transcripts have to; others by one sigmoid a stage.
    """

    def __init__(
        self,
        stages: int = 6,
        hidden: int = HIDDEN,
        width: int = 8,
        size: int = SIZE,
        weak: bool = False,
    ) -> None:
        super().__init__()
        if size % 16:
            raise BadInput(f"A crop of {size} pixels was asked for; choose a multiple of 16.")
        w, self.size, self.weak = width, size, weak
        self.backbone = nn.Sequential(
            *_looks(1, w), *_looks(w, 2 * w), *_looks(2 * w, 4 * w), nn.MaxPool2d(2)
        )
        self._channels = (4 * w, 8 * w, 16 * w)
        inputs = (4 * w, *self._channels)
        self.memory = nn.ModuleList(map(ConvGru, inputs, self._channels))
        self.pool = nn.MaxPool2d(2)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(16 * w, 8 * w, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(8 * w, 4 * w, 3, stride=2, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * w, 1, 3, stride=2, padding=1, output_padding=1),
        )
        self.maps = nn.Sequential(
            *_looks(16 * w, 32 * w), *_looks(32 * w, 64 * w), nn.MaxPool2d(2), nn.Flatten()
        )
        flat = 64 * w * (size // 16) ** 2
        self.classifier = nn.Sequential(
            nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, stages)
        )

    def start(self, n: int, like: torch.Tensor) -> States:
        """States of `n` cells that nothing is known of: zero."""
        sides = [self.size // 2, self.size // 4, self.size // 8]
        return tuple(
            like.new_zeros(n, channels, side, side)
            for channels, side in zip(self._channels, sides, strict=True)
        )

    def remember(self, looks: torch.Tensor, states: States) -> States:
        """The next states, from what the backbone sees in a frame (n, channels, y, x)."""
        following: list[torch.Tensor] = []
        for unit, state in zip(self.memory, states, strict=True):
            looks = unit(self.pool(following[-1]) if following else looks, state)
            following.append(looks)
        return tuple(following)

    def tell(self, last: torch.Tensor) -> Told:
        """Stages and centre cells from maps of the last unit (n, channels, y, x)."""
        return Told(self.classifier(self.maps(last)), self.decoder(last)[:, 0])

    def forward(self, images: torch.Tensor, valid: torch.Tensor | None = None) -> Told:
        """Stages (b, t, S) and centre cells (b, t, y, x) of crops (b, t, size, size).

        Crops are in parts of the brightest value so far (`in_parts`). Only the `valid` (b, t)
        ones are looked at, the others get zeros; each sequence begins at its first column.
        """
        b, t = images.shape[:2]
        if valid is None:
            valid = torch.ones(b, t, dtype=torch.bool, device=images.device)
        seen = self.backbone(images[valid][:, None])
        looks = seen.new_zeros(b, t, *seen.shape[1:])
        looks[valid] = seen
        states, last = self.start(b, looks), []
        for time in range(t):
            for _ in range(WARM_UP if time == 0 else 1):
                states = self.remember(looks[:, time], states)
            last.append(states[-1])
        told = self.tell(torch.stack(last, 1)[valid])
        stages = told.stages.new_zeros(b, t, told.stages.shape[1])
        centre = told.centre.new_zeros(b, t, self.size, self.size)
        stages[valid], centre[valid] = told.stages, told.centre
        return Told(stages, centre)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities (..., S) that add up to one."""
        if self.weak:
            return logits.softmax(-1)
        scores = torch.sigmoid(logits)
        return scores / scores.sum(-1, keepdim=True).clamp_min(1e-12)


def _looks(before: int, after: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, padding=1), nn.ReLU()


def in_parts(
    images: torch.Tensor, brightest: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (b, t, y, x) in parts of the brightest value of their cell so far, (b, t).

    `brightest` (b,) is that of earlier frames. The publication divides by the brightest value
    of the whole sequence, which nobody knows while a movie runs.
    """
    images = images.clamp_min(0)
    most = images.amax((2, 3))
    if brightest is not None:
        most = torch.maximum(most, brightest[:, None])
    most = most.cummax(1).values
    return images / most.clamp_min(1e-6)[..., None, None], most


class _Held:
    """What is remembered of the cells that may still go on: their rows, states and brightness."""

    def __init__(self, network: PaperNetwork, parent: np.ndarray, like: torch.Tensor) -> None:
        self.parent, self.network, self.like = parent, network, like
        self.coming = np.bincount(parent[parent >= 0], minlength=len(parent))
        self.rows = np.empty(0, np.int64)
        self.states: States = (*network.start(0, like), like.new_zeros(0))

    def of_parents(self, rows: np.ndarray) -> States:
        """States and brightness of the parents of cells, zero where there is none."""
        parent = self.parent[rows]
        has = torch.as_tensor(np.flatnonzero(parent >= 0), device=self.like.device)
        place = np.searchsorted(self.rows, parent[parent >= 0])
        chosen = torch.as_tensor(place, device=self.like.device)
        result = []
        for state in self.states:
            own = state.new_zeros(len(rows), *state.shape[1:])
            own[has] = state[chosen]
            result.append(own)
        return tuple(result)

    def keep(self, rows: np.ndarray, states: States) -> None:
        """Hold the states of `rows`; let go of cells that nobody follows any more."""
        parent = self.parent[rows]
        np.subtract.at(self.coming, parent[parent >= 0], 1)
        together = np.concatenate([self.rows, rows])
        order = np.argsort(together, kind="stable")
        order = order[self.coming[together[order]] > 0]
        chosen = torch.as_tensor(order, device=self.like.device)
        pairs = zip(self.states, states, strict=True)
        self.states = tuple(torch.cat([old, new])[chosen] for old, new in pairs)
        self.rows = together[order]


class PaperRecurrentModel:
    """The published network, ready for use on a movie: a `StageModel`.

    Frames go by one at a time, and each cell goes on from what its parent left, mothers into
    daughters. Only what cells remember that still go on is held: half a megabyte each.
    """

    reach = 0

    def __init__(
        self,
        network: PaperNetwork,
        stages: StageSet = H2B,
        device: torch.device | None = None,
        side: float = SIZE,
        unit: Unit = "pixels",
    ) -> None:
        self.stages, self.side, self.unit = stages, side, unit
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "PaperRecurrentModel":
        """Build the network that a model card describes and load its weights."""
        settings, stages = model.card.settings, stages_of(model.card)
        try:
            sizes = {name: int(settings[name]) for name in ("hidden", "width", "size")}
            network = PaperNetwork(len(stages), **sizes, weak=bool(settings["weak"]))
            network.load_state_dict(model.weights())
            side, unit = float(settings["side"]), settings["unit"]
            if unit not in get_args(Unit):
                raise ValueError(f"unit {unit!r}")
        except (KeyError, TypeError, ValueError, RuntimeError, BadInput) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a published recurrent network with the settings 'stages', 'hidden', "
                "'width', 'size', 'weak', 'side' and 'unit'; get the model again."
            ) from error
        return cls(network, stages, device, side, unit)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame, from its past."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight, _, told in self.follow(sights, parent, batch_size):
            result[sight.rows] = self.network.probabilities(told.stages).cpu().numpy()
        return result

    def follow(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> Iterator[tuple[Sight, torch.Tensor, Told]]:
        """Each frame with its crops (m, size, size) and what the network tells of them."""
        like = torch.zeros((), device=self.device)
        held = _Held(self.network, parent, like)
        with torch.inference_mode():
            for sight in sights:
                parts = []
                for start in range(0, len(sight.rows), min(batch_size, 64)):
                    chosen = slice(start, start + min(batch_size, 64))
                    before = held.of_parents(sight.rows[chosen])
                    is_new = torch.as_tensor(parent[sight.rows[chosen]] < 0, device=self.device)
                    parts.append(self._look(self.crops(sight, chosen), before, is_new))
                images, stages, centre, *states = (
                    torch.cat(values) for values in zip(*parts, strict=True)
                )
                held.keep(sight.rows, tuple(states))
                yield sight, images, Told(stages, centre)

    def _look(
        self, images: torch.Tensor, before: States, is_new: torch.Tensor
    ) -> Sequence[torch.Tensor]:
        """Crops in parts of their brightest, stages, centre cells, then states and brightness."""
        network = self.network
        seen, most = in_parts(images[:, None], before[-1])
        looks = network.backbone(seen)
        states = before[:-1]
        if is_new.any():
            fresh = tuple(state[is_new] for state in states)
            for _ in range(WARM_UP - 1):
                fresh = network.remember(looks[is_new], fresh)
            for state, own in zip(states, fresh, strict=True):
                state[is_new] = own
        states = network.remember(looks, states)
        return (seen[:, 0], *network.tell(states[-1]), *states, most[:, 0])

    def crops(self, sight: Sight, chosen: slice = slice(None)) -> torch.Tensor:
        """Crops (m, size, size) of some cells of a frame, as the network gets them."""
        seen = flat_crops(sight, self.side, self.network.size, self.unit, chosen)
        return torch.from_numpy(seen).to(self.device)

    def centres(self, sight: Sight) -> tuple[np.ndarray, np.ndarray]:
        """Crops of a frame's cells (m, size, size), and the centre cells drawn from them alone.

        As if each cell were seen for the first time; `follow` draws them with their past.
        """
        nobody = np.full(int(sight.rows.max(initial=-1)) + 1, -1)
        for _, images, told in self.follow([sight], nobody):
            return images.cpu().numpy(), torch.sigmoid(told.centre).cpu().numpy()
        raise AssertionError("one frame gives one answer")
