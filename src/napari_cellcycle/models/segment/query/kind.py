"""What kind of cell lies at a point: the default classifier of coordinate queries.

It sees each cell twice: a near view that shows its fibres, and a far one of its neighbourhood. Of
the image's colours it takes the first, a marker, and the last, the nuclei; between them stands how
fibrous the marker is, measured before the image is reduced. A plane of each view says where its
nucleus is and another where the others are, so that the network knows whose fibres it looks at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellcycle.models.resnet import Block
from napari_cellcycle.models.segment.query.prepare import COLOURS, colours_last, working_size

NEAR, FAR = 112, 64
"""Sides of the two views in their pixels."""
NEAR_DIAMETER_PX = 28.3
"""Diameter of the usual nucleus in the near view."""
WIDTH = 12
"""Feature maps to begin with."""
AWAY = 3
"""How much coarser the far view is than the near one."""
MARGIN = 1.5
"""How much wider than the views crops are cut, to be turned."""
OWN, OTHER = 255, 128
_FIBRES = 12.0
PLANES = COLOURS + 3


@dataclass(frozen=True)
class KindCrops:
    """Views of n cells, uint8, wide enough to be turned.

    `near` and `far` (n, side, side, 4) hold marker, fibres, nuclei and the masks: `OWN` on the
    cell's own nucleus, `OTHER` on others. `low` and `high` (n,) are the range of the marker in
    the whole image.
    """

    near: np.ndarray
    far: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self) -> int:
        return len(self.near)

    def subset(self, chosen: np.ndarray) -> "KindCrops":
        """Return the cells picked by an index or boolean array."""
        return KindCrops(self.near[chosen], self.far[chosen], self.low[chosen], self.high[chosen])


def joined(parts: Sequence[KindCrops]) -> KindCrops:
    """All cells of several images."""
    return KindCrops(
        np.concatenate([part.near for part in parts]),
        np.concatenate([part.far for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
    )


def kind_crops(
    image: np.ndarray, masks: np.ndarray, labels: np.ndarray, places: np.ndarray, scale: float
) -> KindCrops:
    """Views of the cells at `places` (n, 2), in pixels (y, x), whose values in `masks` are given.

    `image` is (Y, X) or (C, Y, X), `scale` the pixels of the near view per pixel of the image.
    Beyond the border lies nothing.
    """
    import cv2

    colours = _with_fibres(_bytes(colours_last(image, COLOURS)), 1 / scale)
    low, high = np.percentile(colours[::4, ::4, 0], [1, 99.9])
    views = []
    for side, reduced in ((NEAR, scale), (FAR, scale / AWAY)):
        size = working_size(masks.shape, reduced)
        small = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_AREA)
        ratio = np.array(size) / masks.shape
        owner = cv2.resize(
            masks.astype(np.float32), size[::-1], interpolation=cv2.INTER_NEAREST
        ).astype(np.int32)
        seen, whose = _cut(small, owner, (places + 0.5) * ratio - 0.5, round(side * MARGIN))
        own = whose == np.reshape(labels, (-1, 1, 1))
        code = np.where(own & (whose > 0), OWN, np.where(whose > 0, OTHER, 0)).astype(np.uint8)
        views.append(np.concatenate([seen, code[..., None]], -1))
    count = len(places)
    return KindCrops(views[0], views[1], np.full(count, low / 255), np.full(count, high / 255))


class KindNet(nn.Module):
    """Logits (n, K) of two views of each cell, from small residual trunks, one a view."""

    def __init__(self, kinds: int = 2, width: int = WIDTH, dropout: float = 0.4) -> None:
        super().__init__()
        self.near = _Trunk(width, 3)
        self.far = _Trunk(width, 2)
        self.kinds = kinds
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.near.features + self.far.features, kinds)
        )

    def forward(self, near: Tensor, far: Tensor) -> Tensor:
        """Logits (n, K) of planes (n, `PLANES`, side, side), see `planes_of`."""
        return self.head(torch.cat([self.near(near), self.far(far)], 1))


class _Trunk(nn.Module):
    """Means, over the view and over the cell's own nucleus, and maxima of what is seen."""

    def __init__(self, width: int, halvings: int) -> None:
        super().__init__()
        widths = [width * 2**n for n in range(halvings + 1)]
        self.stem = nn.Sequential(
            nn.Conv2d(PLANES, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        for before, after in pairwise(widths):
            blocks += [Block(2, before, after, 2), Block(2, after, after, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.features = 3 * widths[-1]

    def forward(self, planes: Tensor) -> Tensor:
        """Features (n, F) of planes (n, `PLANES`, side, side)."""
        maps = self.blocks(self.stem(planes))
        own = functional.adaptive_avg_pool2d(planes[:, -2:-1], maps.shape[2:])
        weight = own / own.sum((2, 3), keepdim=True).clamp_min(1e-3)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), (maps * weight).sum((2, 3))], 1)


def planes_of(view: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """What the network takes of views (n, 4, y, x) of values 0 to 1: (n, `PLANES`, y, x).

    Square roots of the colours, which raise what is dim; the first colour once more, within the
    range that it has in the image; the own nucleus; the others.
    """
    colours, code = view[:, :COLOURS], view[:, COLOURS:]
    first = colours[:, :1]
    span = (high - low).clamp_min(0.02)[:, None, None, None]
    relative = ((first - low[:, None, None, None]) / span).clamp(0, 1.5).sqrt()
    any_, own = (code * 255 / OTHER).clamp(0, 1), ((code * 255 - OTHER) / (OWN - OTHER)).clamp(0, 1)
    return torch.cat([colours.clamp_min(0).sqrt(), relative, own, any_ - own], 1)


def seen_at(view: Tensor, matrix: Tensor, side: int) -> Tensor:
    """Views (n, 4, side, side) turned, mirrored and scaled by `matrix` (n, 2, 2), zeros beyond."""
    share = side / view.shape[-1]
    theta = torch.cat([matrix * share, torch.zeros(len(view), 2, 1, device=view.device)], 2)
    grid = functional.affine_grid(theta, [len(view), 1, side, side], align_corners=False)
    return functional.grid_sample(view, grid, align_corners=False)


def as_floats(crops: KindCrops, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Near and far views (n, 4, y, x) of values 0 to 1, and the range of the marker."""
    near, far = (
        torch.from_numpy(np.ascontiguousarray(view)).to(device).permute(0, 3, 1, 2).float() / 255
        for view in (crops.near, crops.far)
    )
    low, high = (
        torch.from_numpy(np.asarray(end, np.float32)).to(device) for end in (crops.low, crops.high)
    )
    return near, far, low, high


def tell(network: KindNet, crops: KindCrops, turns: int = 8, batch_size: int = 64) -> np.ndarray:
    """Probabilities (n, K), float32: the mean of the logits over `turns` turned views each.

    Every other view is mirrored.
    """
    device = next(network.parameters()).device
    found = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch_size):
            near, far, low, high = as_floats(
                crops.subset(np.arange(start, min(start + batch_size, len(crops)))), device
            )
            total = torch.zeros((), device=device)
            for turn in range(turns):
                matrix = turned(
                    torch.full((len(near),), 2 * np.pi * turn / turns, device=device), turn % 2 == 1
                )
                views = (
                    planes_of(seen_at(view, matrix, side), low, high)
                    for view, side in ((near, NEAR), (far, FAR))
                )
                total = total + network(*views)
            found.append((total / turns).softmax(1).cpu().numpy())
    return np.concatenate([np.zeros((0, network.kinds), np.float32), *found])


def with_company(chances: np.ndarray, image: np.ndarray, share: float) -> np.ndarray:
    """Probabilities (n, K) that take the other cells of the same image into account.

    `share` of the mean logits of the others, of all with the same number in `image` (n,), is added
    to those of each cell: how an image was stained, and what grows in it, is common to its cells.
    """
    if share == 0 or not len(chances):
        return chances
    logits = np.log(np.maximum(chances, 1e-6))
    number = np.unique(image, return_inverse=True)[1]
    count = np.bincount(number)[number][:, None]
    total = np.stack([np.bincount(number, column)[number] for column in logits.T], 1)
    logits = logits + share * (total - logits) / np.maximum(count - 1, 1)
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float32)


def turned(angle: Tensor, mirrored: bool | Tensor = False) -> Tensor:
    """Matrices (n, 2, 2) of turns by `angle` (n,), after mirroring where asked for."""
    flip = torch.where(torch.as_tensor(mirrored, device=angle.device), -1.0, 1.0).expand(len(angle))
    rows = torch.stack([angle.cos() * flip, -angle.sin(), angle.sin() * flip, angle.cos()], 1)
    return rows.view(-1, 2, 2)


def _bytes(colours: np.ndarray) -> np.ndarray:
    """Colours as bytes; other kinds of numbers from 0 to their 99.99th percentile."""
    if colours.dtype == np.uint8:
        return colours
    high = max(float(np.percentile(colours[::2, ::2], 99.99)), 1e-6)
    return np.clip(255 * (colours.astype(np.float32) / high), 0, 255).astype(np.uint8)


def _with_fibres(colours: np.ndarray, width_px: float) -> np.ndarray:
    """Bytes (Y, X, 3) whose second plane is the local contrast of the first, finer than a width."""
    import cv2

    marker = colours[..., 0].astype(np.float32)
    fine = marker - cv2.GaussianBlur(marker, (0, 0), width_px)
    power = cv2.GaussianBlur(fine * fine, (0, 0), 1.25 * width_px)
    fibres = np.clip(_FIBRES * np.sqrt(power), 0, 255).astype(np.uint8)
    return np.stack([colours[..., 0], fibres, colours[..., -1]], -1)


def _cut(
    image: np.ndarray, masks: np.ndarray, places: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, side, side[, C]) of an image and its masks, zeros beyond the border."""
    half = side // 2
    start = np.rint(places).astype(np.int64).reshape(-1, 2)
    start = np.clip(start, 0, np.array(masks.shape) - 1)
    reach = np.arange(side)
    y, x = (start[:, :1] + reach)[:, :, None], (start[:, 1:] + reach)[:, None, :]
    edge = (half, side - half)
    return np.pad(image, (edge, edge, (0, 0)))[y, x], np.pad(masks, (edge, edge))[y, x]
