"""The `rnn` model: the stage of a cell from small images of it over its whole life.

A light descendant of the centre-cell-focus network of Jose et al. (2024): a small residual
encoder looks at every crop, a decoder draws the centre cell alone (which teaches the encoder
whom to look at, and weighs what it pools), and gated recurrent units carry what was seen forward
and backward in time, from mothers to both daughters and back.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.sights import Sight, Unit, flat_crops
from napari_cellcycle.models.stage.frame import Block, normalise
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.ensemble import RecurrentEnsemble

SIZE = 48
"""Side of a crop in pixels, unless the card says otherwise; the network takes any from 24 on."""
SIDE = 1.6
"""Side of the window around a cell, in median cell diameters of the movie."""
SMALLEST = 24
"""Least side of a crop that the network can look at, in pixels."""


class Seen(NamedTuple):
    """What the encoder makes of crops: features (n, F), and the centre cell (n, 1, y, x)."""

    features: torch.Tensor
    centre: torch.Tensor


class Eye(nn.Module):
    """Looks at single crops (n, size, size): features, and logits of the centre cell's mask."""

    def __init__(self, width: int = 16, features: int = 96) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        for before, after in pairwise(widths):
            blocks += [Block(before, before, 1), Block(before, after, 2)]
        self.blocks = nn.Sequential(*blocks, Block(widths[-1], widths[-1], 1))
        self.draw = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in ((widths[2], widths[1]), (widths[1], widths[0]))
        )
        self.last = nn.Conv2d(width, 1, 3, padding=1)
        self.join = nn.Linear(3 * widths[-1], features)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, crops: torch.Tensor) -> Seen:
        """Features (n, F) of normalised crops (n, size, size), and the centre cell's logits."""
        maps = self.blocks(self.stem(crops[:, None]))
        drawn = maps
        for layer, size in zip(self.draw, _sizes(crops.shape[-2:]), strict=True):
            drawn = functional.interpolate(drawn, size=size, mode="bilinear", align_corners=False)
            drawn = functional.relu(layer(drawn))
        centre = self.last(drawn)
        focus = functional.adaptive_avg_pool2d(centre.sigmoid(), maps.shape[-2:]) + 1e-3
        own = (maps * focus).sum((2, 3)) / focus.sum((2, 3))
        pooled = torch.cat([own, maps.mean((2, 3)), maps.amax((2, 3))], dim=1)
        return Seen(functional.relu(self.join(pooled)), centre)


def _sizes(size: torch.Size) -> list[tuple[int, int]]:
    """Sizes of the maps on the way back up: a quarter, then half of the crop."""
    y, x = int(size[0]), int(size[1])
    return [(-(-y // 4), -(-x // 4)), (-(-y // 2), -(-x // 2))]


class RecurrentNetwork(nn.Module):
    """Crops over time (b, t, size, size) to logits of their stages (b, t, S).

    Two layers of gated recurrent units, each forward and backward in time. What the eye sees
    goes to the head past them as well, so that a crop alone is told from its looks.
    """

    def __init__(self, stages: int = 7, width: int = 16, features: int = 96, hidden: int = 64):
        super().__init__()
        self.eye = Eye(width, features)
        self.dropout = nn.Dropout(0.2)
        self.layers = nn.ModuleList(
            nn.GRU(inputs, hidden, batch_first=True, bidirectional=True)
            for inputs in (features + 1, 2 * hidden)
        )
        self.head = nn.Linear(2 * hidden + features, stages)

    def forward(
        self, images: torch.Tensor, level: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (b, t, S) and the drawn centre cells (b, t, y, x) of normalised crops.

        `level` (b, t) is how bright each crop is against the others (`levels`); `valid` (b, t)
        marks crops that exist: each sequence begins at its first column and is padded at the end.
        """
        b, t = images.shape[:2]
        seen = self._seen(images.flatten(0, 1), valid.flatten())
        features = seen.features.view(b, t, -1)
        states = torch.cat([features, level[..., None]], dim=2)
        lengths = valid.sum(1).cpu()
        for layer in self.layers:
            packed = nn.utils.rnn.pack_padded_sequence(
                self.dropout(states), lengths, batch_first=True, enforce_sorted=False
            )
            states = nn.utils.rnn.pad_packed_sequence(
                layer(packed)[0], batch_first=True, total_length=t
            )[0]
        logits = self.head(self.dropout(torch.cat([states, features], dim=2)))
        return logits, seen.centre.view(b, t, *seen.centre.shape[-2:])

    def _seen(self, crops: torch.Tensor, there: torch.Tensor) -> Seen:
        """What the eye sees of crops; those that are not `there` (n,) are passed over.

        Not so while batch norms learn, as all crops count in their statistics.
        """
        if there.all() or any(m.training for m in self.eye.modules() if _is_norm(m)):
            return self.eye(crops)
        own = self.eye(crops[there])
        blank = (torch.zeros(len(crops), *part.shape[1:], device=part.device) for part in own)
        return Seen(*(b.index_put((there,), part) for b, part in zip(blank, own, strict=True)))

    def follow(
        self, features: torch.Tensor, parent: np.ndarray, frames: list[np.ndarray]
    ) -> torch.Tensor:
        """Logits (n, S) of cells whose features (n, F + 1) were seen, along their lineages.

        Forward in time daughters go on from the state of their mother; backward a mother goes
        on from the mean of her daughters' states. Along a single path this is what `forward`
        computes. `parent` (n,) holds rows, -1 for none; `frames` the rows of each frame in
        the order of time.
        """
        states = features
        for layer in self.layers:
            assert isinstance(layer, nn.GRU)
            cells = [_cell(layer, direction) for direction in ("", "_reverse")]
            ahead = _forward(cells[0], states, parent, frames)
            back = _backward(cells[1], states, parent, frames)
            states = torch.cat([ahead, back], dim=1)
        return self.head(torch.cat([states, features[:, :-1]], dim=1))


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d)


def _cell(layer: nn.GRU, direction: str) -> nn.GRUCell:
    """One step of one direction of a recurrent layer, with its own weights."""
    cell = nn.GRUCell(layer.input_size, layer.hidden_size, device=layer.weight_ih_l0.device)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(layer, f"{name}_l0{direction}"))
    return cell


def _forward(
    cell: nn.GRUCell, inputs: torch.Tensor, parent: np.ndarray, frames: list[np.ndarray]
) -> torch.Tensor:
    states = inputs.new_zeros(len(inputs) + 1, cell.hidden_size)
    for rows in frames:
        # The last row stays zero: it is where cells without a parent begin.
        states[torch.as_tensor(rows)] = cell(inputs[rows], states[parent[rows]])
    return states[:-1]


def _backward(
    cell: nn.GRUCell, inputs: torch.Tensor, parent: np.ndarray, frames: list[np.ndarray]
) -> torch.Tensor:
    states = inputs.new_zeros(len(inputs), cell.hidden_size)
    coming = inputs.new_zeros(len(inputs), cell.hidden_size)
    children = np.maximum(np.bincount(parent[parent >= 0], minlength=len(inputs)), 1)
    share = torch.as_tensor(1 / children, dtype=inputs.dtype, device=inputs.device)
    for rows in reversed(frames):
        states[torch.as_tensor(rows)] = cell(inputs[rows], coming[rows] * share[rows, None])
        born = rows[parent[rows] >= 0]
        if len(born):
            coming.index_add_(0, torch.as_tensor(parent[born], device=inputs.device), states[born])
    return states


def levels(images: torch.Tensor) -> torch.Tensor:
    """How bright the middle of each crop (n, y, x) is above its background: log, (n,)."""
    size = images.shape[-1]
    edge = size // 4
    inner = images[:, edge : size - edge, edge : size - edge].flatten(1)
    high = torch.kthvalue(inner, 1 + int(0.9 * (inner.shape[1] - 1)), dim=1).values
    outer = images[:, ::2, ::2].flatten(1)
    low = torch.kthvalue(outer, 1 + int(0.05 * (outer.shape[1] - 1)), dim=1).values
    return (high - low).clamp_min(1e-6).log()


class RecurrentModel:
    """A trained recurrent network with what it takes to use it on a movie: a `StageModel`.

    Of a movie, frames are looked at one after the other and only their features are kept (97
    numbers a cell, more of an ensemble); the memory runs over windows of `window` frames with
    `context` more on either side, so that what is held does not grow with the length of the movie.
    """

    reach = 0
    unit: Unit = "diameters"
    window, context = 192, 48

    def __init__(
        self,
        network: "RecurrentNetwork | RecurrentEnsemble",
        stages: StageSet = H2B,
        device: torch.device | None = None,
        side: float = SIDE,
        size: int = SIZE,
    ) -> None:
        self.stages, self.side, self.size = stages, side, size
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "RecurrentModel":
        """Build the network that a model card describes and load its weights."""
        from napari_cellcycle.models.stage.ensemble import recurrent_network

        settings, stages = model.card.settings, stages_of(model.card)
        try:
            shape = {name: int(settings[name]) for name in ("width", "features", "hidden")}
            members = int(settings.get("members", 1))
            network = recurrent_network(len(stages), **shape, members=members)
            network.load_state_dict(model.weights())
            side, size = float(settings["side"]), int(settings["size"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a recurrent network with the settings 'stages', 'width', 'features', "
                "'hidden', 'side' and 'size'; get the model again."
            ) from error
        return cls(network, stages, device, side, size)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame, from its past and its future."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        held: list[tuple[np.ndarray, torch.Tensor]] = []
        told = first = 0
        with torch.inference_mode():
            for sight in sights:
                held.append((sight.rows, self.look(sight, batch_size)))
                if len(held) - told == self.window + self.context:
                    self._tell(held, told, told + self.window, parent, result)
                    told += self.window
                    first = max(told - self.context, 0)
                    held, told = held[first:], told - first
            self._tell(held, told, len(held), parent, result)
        return result

    def look(self, sight: Sight, batch_size: int = 256) -> torch.Tensor:
        """Features of the cells of one frame, (m, M F + 1): the last is how bright they are."""
        found = []
        for start in range(0, len(sight.rows), batch_size):
            images = self.crops(sight, slice(start, start + batch_size))
            features = self.network.eye(normalise(images)).features
            found.append(torch.cat([features, levels(images)[:, None]], dim=1))
        return torch.cat(found)

    def crops(self, sight: Sight, chosen: slice = slice(None)) -> torch.Tensor:
        """Crops (m, size, size) of some cells of a frame, as the network gets them."""
        seen = flat_crops(sight, self.side, self.size, chosen=chosen)
        return torch.from_numpy(seen).to(self.device)

    def centres(self, sight: Sight) -> tuple[np.ndarray, np.ndarray]:
        """Crops of a frame's cells (m, size, size), and the centre cells drawn from them.

        The second array is how sure the network is that a pixel belongs to the centre cell,
        times the crop: the cell on black, as the network sees it.
        """
        with torch.inference_mode():
            images = self.crops(sight)
            drawn = self.network.eye(normalise(images)).centre.sigmoid()
            drawn = functional.interpolate(drawn, size=images.shape[-2:], mode="bilinear")[:, 0]
        return images.cpu().numpy(), (images * drawn).cpu().numpy()

    def _tell(
        self,
        held: list[tuple[np.ndarray, torch.Tensor]],
        begin: int,
        end: int,
        parent: np.ndarray,
        result: np.ndarray,
    ) -> None:
        """Fill in the probabilities of the held frames from `begin` to `end`."""
        if not held:
            return
        rows = np.concatenate([r for r, _ in held])
        features = torch.cat([f for _, f in held])
        features[:, -1] -= features[:, -1].median()
        place = np.full(len(parent) + 1, -1, np.int64)
        place[rows] = np.arange(len(rows))
        ends = np.cumsum([len(r) for r, _ in held])
        frames = np.split(np.arange(len(rows)), ends[:-1])
        logits = self.network.follow(features, place[parent[rows]], frames)
        wanted = np.concatenate(frames[begin:end]) if end > begin else np.empty(0, np.int64)
        result[rows[wanted]] = logits[wanted].softmax(1).cpu().numpy()
