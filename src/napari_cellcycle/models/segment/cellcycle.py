"""The shipped segmenter: a narrow flow network, worked at a fixed nucleus size."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.errors import MissingModel, OutOfMemory, is_out_of_memory
from napari_cellcycle.models.device import faster_products
from napari_cellcycle.models.freed_memory import keep_freed_memory
from napari_cellcycle.models.segment.diameter import guess_diameter
from napari_cellcycle.models.segment.dynamics import Rules, drop_odd, masks_of, tidy
from napari_cellcycle.models.segment.normalise import Levels, compress, resize, stretch
from napari_cellcycle.models.segment.planes import stitch, trim
from napari_cellcycle.models.segment.tiles import tiles_of
from napari_cellcycle.models.store import Model

if TYPE_CHECKING:
    import torch


GUESSES_PX = (8.0, 13.0, 22.0, 36.0, 60.0, 100.0)
"""Diameters, in pixels, that are tried where none is given."""
_LEAST_TILE = 128
_PLANES_ACROSS = 4


class FlowSegmenter:
    """Segments with a `FlowNet`; a volume plane by plane, its masks joined over planes.

    Parameters
    ----------
    model
        Weights and card; its settings hold `widths`, `working_px` (the least and the greatest
        cell diameter in pixels at which the network works), `logit_offset` (added to the cell
        logit) and `flow_tolerance` (by which the threshold of the flow's error is multiplied).
    device
        Where the network runs. Falls back to the CPU when memory does not suffice.
    """

    def __init__(self, model: Model, device: "torch.device") -> None:

        import torch

        from napari_cellcycle.models.segment.network import FlowNet

        self.name = model.card.name
        self.takes_levels = True
        self.device = device
        try:
            least, most = model.card.settings["working_px"]
            self.working_px = (float(least), float(most))
            self.logit_offset = float(model.card.settings.get("logit_offset", 0.0))
            self.flow_tolerance = float(model.card.settings.get("flow_tolerance", 1.0))
            network: FlowNet = FlowNet(tuple(model.card.settings["widths"]))
            network.load_state_dict(model.weights())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The segmentation model {model.path} does not fit its card "
                f"({type(error).__name__}); get the model again."
            ) from error
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network.eval().to(device)
        keep_freed_memory()
        self._tile = 1 << 16
        self._batch = 1 << 16
        self._last: tuple[int, np.ndarray] | None = None
        self._remembers = False

    def remember(self) -> None:
        """Keep what the network said of the last image, for whoever changes thresholds only."""
        self._remembers = True

    def __call__(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: Levels | None = None,
    ) -> np.ndarray:
        """Masks of one image ([Z,] Y, X), int32, numbered 1, 2, ...

        `levels` are those of the whole that the image is a piece of.
        """
        if image.min() == image.max():
            return np.zeros(image.shape, np.int32)
        diameter = settings.diameter or self.find_diameter([image], pixel_size, settings)
        diameter_px = diameter / pixel_size[-1] if diameter else self.working_px[0]
        values = stretch(image, levels=levels)
        if image.ndim == 2:
            return self._segment(values, diameter_px, settings)
        planes = np.stack([self._segment(p, diameter_px, settings, offset=0.0) for p in values])
        across = diameter_px * pixel_size[-1] / pixel_size[0]
        least_planes = 2 if across > _PLANES_ACROSS and len(planes) > 2 else 1
        volume = trim(stitch(planes, least_planes), values, round(across / 4))
        least = math.pi / 6 * (settings.min_diameter * diameter_px) ** 2
        return tidy(volume, least * settings.min_diameter * across)

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """Typical cell diameter in micrometres over `images`; None if they show no cells.

        `GUESSES_PX` are tried; see `guess_diameter`.
        """
        found = guess_diameter(
            images, GUESSES_PX, lambda values, size: self._segment(values, size, settings)
        )
        return found * pixel_size[-1] if found else None

    def _segment(
        self,
        values: np.ndarray,
        diameter_px: float,
        settings: SegmentSettings,
        offset: float | None = None,
    ) -> np.ndarray:
        """Masks (Y, X) of a stretched image whose cells measure `diameter_px`.

        `offset` takes the place of the model's logit offset: planes of volumes are seen blurred,
        and their outlines reach far enough without one.

        The image is mirrored at its edges, so that nuclei which the edge cuts look whole and
        their flow has somewhere to lead to.
        """
        margin = min(math.ceil(0.7 * diameter_px), *values.shape)
        values = np.pad(values, margin, mode="symmetric")
        smallest, largest = self.working_px
        scale = min(max(diameter_px, smallest), largest) / diameter_px
        height, width = (max(8, round(side * scale)) for side in values.shape)
        maps = self._maps(compress(resize(values, (height, width))), settings)
        maps = resize(maps.transpose(1, 2, 0), values.shape[:2]).transpose(2, 0, 1)
        least = math.pi / 4 * (settings.min_diameter * diameter_px) ** 2
        offset = self.logit_offset if offset is None else offset
        most_error = self.flow_tolerance * settings.flow_threshold
        rules = Rules(settings.cell_threshold - offset, most_error)
        masks = masks_of(maps[:2], maps[2], rules, diameter_px)
        masks = drop_odd(masks, maps[:2], rules, diameter_px)
        return tidy(masks[margin:-margin, margin:-margin], least)

    def _maps(self, image: np.ndarray, settings: SegmentSettings) -> np.ndarray:
        """Network output (3, Y, X) of an image at the working size; less at once if need be."""
        if not self._remembers:
            return self._fresh_maps(image, settings)
        key = hash((image.shape, image.tobytes()))
        if self._last is None or self._last[0] != key:
            self._last = (key, self._fresh_maps(image, settings))
        return self._last[1].copy()

    def _fresh_maps(self, image: np.ndarray, settings: SegmentSettings) -> np.ndarray:
        while True:
            tile, batch = min(settings.tile, self._tile), min(settings.batch_size, self._batch)
            try:
                return tiles_of(image, self._compute, tile, batch, self._network.stride)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._take_less(tile, batch, max(image.shape))

    def _compute(self, batch: np.ndarray) -> np.ndarray:
        """Maps (N, 3, Y, X) of images (N, 1, Y, X)."""
        import torch

        with torch.inference_mode(), faster_products(self.device):
            images = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
            return self._network(images).float().cpu().numpy()

    def _take_less(self, tile: int, batch: int, largest: int) -> None:
        """Halve what is computed at once, or go to the CPU; raise if nothing is left to try."""
        import torch

        tile = min(tile, largest)
        if batch > 1:
            self._batch = batch // 2
            what = f"{self._batch} tiles at once"
        elif tile > _LEAST_TILE:
            self._tile = max(_LEAST_TILE, tile // 2)
            what = f"tiles of {self._tile} pixels"
        elif self.device.type != "cpu":
            self.device = torch.device("cpu")
            self._network.to(self.device)
            self._tile = self._batch = 1 << 16
            what = "the processor instead of the graphics card"
        else:
            raise OutOfMemory(
                "There is no memory left to segment even small tiles; expected about 1 GB free; "
                "close other programs and start again."
            )
        warnings.warn(f"Memory ran out, so segmentation went on with {what}.", stacklevel=1)
