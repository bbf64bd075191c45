"""How long a frame takes here: the shipped network on a frame of nuclei, for a second or so."""

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

SIDE_PX = 256
_SPACING_PX, _DIAMETER_PX = 40, 20.0
_MOST_FRAMES = 50


def frame_of_nuclei(side: int = SIDE_PX) -> np.ndarray:
    """A noisy frame (side, side), uint16, with a bright nucleus every 40 pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    frame = np.zeros((side, side))
    places = np.arange(_SPACING_PX // 2, side, _SPACING_PX)
    for row in places:
        for column in places:
            distance = np.hypot(y - row, x - column) / (_DIAMETER_PX / 2)
            frame += np.exp(-(distance**4))
    return (1000 * frame + rng.poisson(200, frame.shape)).astype(np.uint16)


def seconds_per_frame(device: "torch.device | str", seconds: float = 1.0) -> float:
    """Median time in which the shipped network segments a frame, measured for about `seconds`.

    One frame goes before that is not timed. Raises whatever the model or the device does.
    """
    import torch

    from napari_cellcycle.config import SegmentSettings
    from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
    from napari_cellcycle.models.store import find_model

    settings = SegmentSettings(diameter=_DIAMETER_PX)
    model = FlowSegmenter(find_model("cellcycle-nuclei", "segment"), torch.device(device))
    frame = frame_of_nuclei()
    times: list[float] = []
    model(frame, (1.0, 1.0), settings)
    ends = time.perf_counter() + seconds
    while not times or (time.perf_counter() < ends and len(times) < _MOST_FRAMES):
        began = time.perf_counter()
        model(frame, (1.0, 1.0), settings)
        times.append(time.perf_counter() - began)
    return float(np.median(times))
