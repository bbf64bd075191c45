"""Query models as segmenters: a map of an image, points on it, and masks grown from them."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.errors import BadInput, MissingModel, OutOfMemory, is_out_of_memory
from napari_cellcycle.features.colours import COLOURS, colours_last, lit_colours, working_size
from napari_cellcycle.models.segment.dynamics import tidy
from napari_cellcycle.models.segment.normalise import resize
from napari_cellcycle.models.segment.query.points import (
    Points,
    components_of,
    masks_from,
    points_of,
)
from napari_cellcycle.models.segment.query.prepare import prepared
from napari_cellcycle.models.segment.tiles import tiles_of
from napari_cellcycle.models.store import Model, ModelCard

if TYPE_CHECKING:
    import torch

DEFAULT, PAPER = "coordinate queries", "coordinate queries, as published"
"""The `architecture` on the cards of query models."""
MARGIN_PX = 24
"""By how much images are mirrored at their edges, in pixels of the default network."""
_LEAST_TILE = 128


@dataclass(frozen=True)
class Search:
    """How points are found on a map; lengths in pixels of the map.

    `components` takes the middles of connected parts above the threshold instead of maxima.
    """

    threshold: float = 0.95
    smoothing: float = 2.0
    radius: float = 12.0
    components: bool = False

    def __call__(self, values: np.ndarray) -> Points:
        """Points of a map (Y, X)."""
        if self.components:
            return components_of(values, self.threshold)
        return points_of(values, self.threshold, self.smoothing, self.radius)


class QueryModel(Protocol):
    """A segmenter that also shows what it makes of an image before cells are cut out.

    `channels` is the number of channels that it looks at: with 3, images may be (C, Y, X).
    `search` is how points are found unless somebody moves a slider.
    """

    name: str
    channels: int
    search: Search

    def probability_map(self, image: np.ndarray, diameter_px: float | None = None) -> np.ndarray:
        """Map (y, x) of values 0 to 1 that points are found on; smaller than the image."""

    def points(self, image: np.ndarray, diameter_px: float | None = None) -> Points:
        """Points of cells in pixels of the image, the surest first."""

    def cells(
        self, image: np.ndarray, diameter_px: float | None = None
    ) -> tuple[Points, np.ndarray]:
        """Points in pixels of the image, and masks (Y, X): number i has the value i + 1."""

    def __call__(
        self, image: np.ndarray, pixel_size: tuple[float, ...], settings: SegmentSettings
    ) -> np.ndarray:
        """Masks (Y, X) of an image (Y, X) or (C, Y, X), int32."""

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """None: cells are looked for at the size that was learned, unless another is given."""


def open_query_model(model: Model, device: "torch.device") -> "QueryModel":
    """The query model that a card describes.

    Raises `MissingModel` if its weights do not fit the card.
    """
    kinds: dict[str, type[QuerySegmenter] | type[PaperQuerySegmenter]] = {
        DEFAULT: QuerySegmenter,
        PAPER: PaperQuerySegmenter,
    }
    kind = kinds.get(model.card.architecture)
    if kind is None:
        raise MissingModel(
            f"The model {model.card.name!r} is of a kind that this version does not know "
            f"({model.card.architecture!r}); install a newer version."
        )
    try:
        network = kind.network_of(model.card)
        network.load_state_dict(model.weights())
        return kind(model.card, network, device)
    except (KeyError, TypeError, RuntimeError) as error:
        raise MissingModel(
            f"The weights in {model.path} do not fit their card; expected a network of "
            f"{model.card.architecture}; get the model again."
        ) from error


def in_image(points: Points, map_shape: tuple[int, ...], image_shape: tuple[int, ...]) -> Points:
    """Points of a map in pixels of the image (..., Y, X) that the map was made of."""
    ratio = np.array(image_shape[-2:]) / map_shape[-2:]
    places = np.clip((points.places + 0.5) * ratio - 0.5, 0, np.array(image_shape[-2:]) - 1)
    boxes = None
    if points.boxes is not None:
        boxes = np.rint(points.boxes * np.tile(ratio, 2)).astype(np.int64)
    return Points(places, points.scores, boxes)


class _Base:
    """What both query models share."""

    channels = COLOURS

    def __init__(self, card: ModelCard, network: Any, device: "torch.device") -> None:
        self.name = card.name
        self.device = device
        self.search = Search(**card.settings.get("search", {}))
        self.level = float(card.settings.get("level", 0.5))
        self._network = network.eval().to(device)

    def query_maps(
        self,
        image: np.ndarray,
        diameter_px: float | None = None,
        settings: SegmentSettings | None = None,
    ) -> np.ndarray:
        """Chances of being in a cell, and what points are found on: (2, y, x), 0 to 1."""
        raise NotImplementedError

    def probability_map(self, image: np.ndarray, diameter_px: float | None = None) -> np.ndarray:
        """Map (y, x) of values 0 to 1 that points are found on; smaller than the image."""
        return np.asarray(self.query_maps(image, diameter_px)[1])

    def points(self, image: np.ndarray, diameter_px: float | None = None) -> Points:
        """Points of cells in pixels of the image, the surest first."""
        values = self.probability_map(image, diameter_px)
        return in_image(self.search(values), values.shape, image.shape)

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """None: cells are looked for at the size that was learned, unless another is given."""
        return None

    def __call__(
        self, image: np.ndarray, pixel_size: tuple[float, ...], settings: SegmentSettings
    ) -> np.ndarray:
        """Masks (Y, X) of an image (Y, X) or (C, Y, X), int32, numbered from the surest on.

        `settings.cell_threshold` moves both what counts as a point and how far masks reach.
        """
        if len(pixel_size) != 2:
            raise BadInput(
                f"The model {self.name!r} finds cells in flat images, and this one is a volume "
                f"{image.shape}; project it, or choose another model."
            )
        diameter_px = settings.diameter / pixel_size[-1] if settings.diameter else None
        _, masks = self.cells(image, diameter_px, settings)
        return self._tidied(masks, settings, diameter_px)

    def cells(
        self,
        image: np.ndarray,
        diameter_px: float | None = None,
        settings: SegmentSettings | None = None,
    ) -> tuple[Points, np.ndarray]:
        """Points in pixels of the image, and masks (Y, X): number i has the value i + 1."""
        shape = image.shape[-2:]
        if min(shape) < 2 or image.min() == image.max():
            return Points(np.zeros((0, 2)), np.zeros(0)), np.zeros(shape, np.int32)
        settings = settings or SegmentSettings()
        maps = self.query_maps(image, diameter_px, settings)
        found = in_image(_wished(self.search, settings)(maps[1]), maps.shape, shape)
        large = resize(maps.transpose(1, 2, 0), shape)
        level = _moved(self.level, settings.cell_threshold)
        return found, masks_from(large[..., 0], large[..., 1], found, level)

    def _tidied(
        self, masks: np.ndarray, settings: SegmentSettings, diameter_px: float | None
    ) -> np.ndarray:
        """Masks in one piece, without those far smaller than cells are, numbered anew."""
        sizes = np.bincount(masks.ravel())[1:]
        if not sizes.any():
            return masks
        usual = diameter_px or 2 * math.sqrt(float(np.median(sizes[sizes > 0])) / math.pi)
        return tidy(masks, math.pi / 4 * (settings.min_diameter * usual) ** 2)


class PaperQuerySegmenter(_Base):
    """The published network: one answer a point, on 224 x 224 points of the squeezed image."""

    @staticmethod
    def network_of(card: ModelCard) -> Any:
        """The network that a card describes, with random weights."""
        from napari_cellcycle.models.segment.query.paper import PaperQueryNet

        return PaperQueryNet()

    def query_maps(
        self,
        image: np.ndarray,
        diameter_px: float | None = None,
        settings: SegmentSettings | None = None,
    ) -> np.ndarray:
        """Chances of being in a nucleus, twice: (2, 224, 224). The diameter does not matter."""
        from napari_cellcycle.models.segment.query.paper import probabilities, squeezed

        colours = squeezed(lit_colours(colours_last(image, COLOURS)))
        return np.stack([probabilities(self._network, colours)] * 2)


class QuerySegmenter(_Base):
    """The default network, at the size of cells that it learned, in tiles where need be."""

    def __init__(self, card: ModelCard, network: Any, device: "torch.device") -> None:
        super().__init__(card, network, device)
        self.channels = int(card.settings["channels"])
        self.scale = float(card.settings["scale"])
        self.diameter_px = float(card.settings["diameter_px"])
        self._tile = 1 << 16

    @staticmethod
    def network_of(card: ModelCard) -> Any:
        """The network that a card describes, with random weights."""
        from napari_cellcycle.models.segment.query.network import QueryNet

        known = card.settings
        return QueryNet(int(known["channels"]), tuple(known["widths"]), int(known["features"]))

    def query_maps(
        self,
        image: np.ndarray,
        diameter_px: float | None = None,
        settings: SegmentSettings | None = None,
    ) -> np.ndarray:
        """Chances of being in a cell, and depth in it: (2, y, x) at the working size.

        `diameter_px` are the cells' pixels in the image; without it, those that were learned.
        The image is mirrored at its edges, so that a nucleus which the edge cuts looks like half
        of one and not like a shred.
        """
        scale = self.scale * self.diameter_px / (diameter_px or self.diameter_px)
        size = working_size(image.shape, scale)
        margin = min(MARGIN_PX, *size)
        edges = ((0, 0), (margin, margin), (margin, margin))
        values = prepared(image, self.channels, size).transpose(2, 0, 1)
        values = np.pad(values, edges, mode="symmetric")
        settings = settings or SegmentSettings()
        while True:
            tile = min(settings.tile, self._tile)
            try:
                maps = tiles_of(
                    values, self._compute, tile, settings.batch_size, self._network.stride
                )
                return maps[:, margin:-margin, margin:-margin]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._take_less(min(tile, max(size)))

    def _compute(self, batch: np.ndarray) -> np.ndarray:
        """Maps (N, 2, Y, X) of prepared images (N, C, Y, X)."""
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device)
            encoded = self._network.encode(images.contiguous(memory_format=torch.channels_last))
            shape = (batch.shape[2], batch.shape[3])
            return self._network.ask_grid(encoded, shape).sigmoid().float().cpu().numpy()

    def _take_less(self, tile: int) -> None:
        """Halve the tile, or go to the CPU; raise if nothing is left to try."""
        import torch

        if tile > _LEAST_TILE:
            self._tile = max(_LEAST_TILE, tile // 2)
            what = f"tiles of {self._tile} pixels"
        elif self.device.type != "cpu":
            self.device = torch.device("cpu")
            self._network.to(self.device)
            self._tile = 1 << 16
            what = "the processor instead of the graphics card"
        else:
            raise OutOfMemory(
                "There is no memory left to segment even small tiles; expected about 1 GB free; "
                "close other programs and start again."
            )
        warnings.warn(f"Memory ran out, so segmentation went on with {what}.", stacklevel=1)


def _wished(search: Search, settings: SegmentSettings) -> Search:
    """How points are found, with what the settings say of it instead of the model."""
    threshold = settings.point_threshold
    if threshold is None:
        threshold = _moved(search.threshold, settings.cell_threshold)
    smoothing, radius = settings.point_smoothing, settings.point_radius
    return replace(
        search,
        threshold=threshold,
        smoothing=search.smoothing if smoothing is None else smoothing,
        radius=radius or search.radius,
    )


def _moved(share: float, logit: float) -> float:
    """A chance, after adding to its logit."""
    if not 0 < share < 1:
        return share
    return 1 / (1 + math.exp(-math.log(share / (1 - share)) - logit))
