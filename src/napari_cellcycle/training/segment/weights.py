"""How the shipped segmentation network learns."""

import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import Model, ModelCard, find_model, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import FitSettings, fit
from napari_cellcycle.training.segment.examples import (
    Example,
    challenge_examples,
    simulated_examples,
)
from napari_cellcycle.training.segment.flow import SegmentTask

if TYPE_CHECKING:
    from napari_cellcycle.models.segment.network import FlowNet

WORKING_PX = 18.0
"""Nucleus diameter, in pixels, at which the network is used: a little larger, which parts
touching nuclei better, and small enough to be fast."""
LOGIT_OFFSET = 0.75
"""Added to the cell logit, so that outlines reach as far as those drawn by hand on HeLa 01's
first half; simulated ones agree as well with it as without."""
Part = Literal["simulated", "half", "all"]
NAMES: dict[Part, str] = {
    "simulated": "cellcycle-nuclei-simulated",
    "half": "cellcycle-nuclei-half",
    "all": "cellcycle-nuclei",
}
SEEDS = (*range(6), *range(100, 260))
"""Seeds of the simulated movies that are learned from."""
FIRST_HALF = range(46)
"""Frames of HeLa 01 that "half" learns from; the other 46 are for scoring."""
EPOCHS: dict[Part, int] = {"simulated": 22, "half": 8, "all": 10}
"""Passes of 100 batches of eight crops."""
_MOVIES = "simulated movies, seeds 0 to 5 and 100 to 259, three frames of each"
_HELA = "Cell Tracking Challenge Fluo-N2DL-HeLa 01, silver truth (Ulman 2017, Maska 2023)"
DATA: dict[Part, list[str]] = {
    "simulated": [_MOVIES],
    "half": [_MOVIES, f"{_HELA}, frames 0 to 45"],
    "all": [_MOVIES, f"{_HELA}, all 92 frames", "Cell Tracking Challenge Fluo-N2DH-SIM 01"],
}
LICENCE = "BSD-3-Clause; the challenge's conditions of use apply to what was learned from it"
SPLITS: dict[Part, str] = {
    "simulated": "no real image was seen",
    "half": "frames 46 to 91 of Fluo-N2DL-HeLa 01 were not seen",
    "all": "everything named was seen; for figures on unseen frames see the half-trained network",
}


def train_nuclei(
    folder: Path,
    *,
    data: Path | None = None,
    parts: Sequence[Part] = ("all",),
    start_folder: Path | None = None,
    progress: Progress = silent,
) -> list[Model]:
    """Train the shipped network and store it in `folder`; about 45 minutes on two cores.

    Parameters
    ----------
    folder
        Where each part is stored under its name in `NAMES`: `simulated` and `half` are for
        measuring, `all` is the shipped one.
    start_folder
        Where the simulated one, the start of the others, is taken from if it is there, and
        stored if not; by default it is only stored if it is one of `parts`.
    data
        Folder with `ctc/Fluo-N2DL-HeLa` and `ctc/Fluo-N2DH-SIM`; needed for `half` and `all`.
    parts
        "simulated": simulated movies only. "half": then also the first half of HeLa 01, so that
        the second half can be scored. "all": then also all of HeLa 01 and SIM 01.
    """
    if set(parts) != {"simulated"} and (data is None or not (data / "ctc").is_dir()):
        raise BadInput(
            f"To train on recordings, they are needed, but none were found at {data}; "
            "expected a folder 'ctc' in it; set CELLCYCLE_DATA to where it is."
        )
    simulated = list(simulated_examples(SEEDS, 3, progress=progress))
    with tempfile.TemporaryDirectory() as scratch:
        place = start_folder or (folder if "simulated" in parts else Path(scratch))
        start = _stored(place, progress, simulated)
        return [
            start
            if part == "simulated" or data is None
            else _refined(part, start, (simulated, data, folder), progress)
            for part in parts
        ]


def _stored(folder: Path, progress: Progress, simulated: list[Example]) -> Model:
    """The network trained on simulated movies only: found in `folder`, or trained now."""
    import torch

    from napari_cellcycle.models.segment.network import FlowNet

    path = folder / f"{NAMES['simulated']}.safetensors"
    if path.is_file():
        return find_model(str(path), "segment")
    torch.manual_seed(0)
    network = FlowNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = FitSettings(
        epochs=EPOCHS["simulated"], learning_rate=3e-3, warmup=0.03, average=0.99
    )
    began = time.perf_counter()
    fit(network, SegmentTask(simulated, _by_size(simulated)), settings, progress=progress)
    return _saved("simulated", network, folder, None, time.perf_counter() - began)


def _refined(
    part: Part, start: Model, given: tuple[list[Example], Path, Path], progress: Progress
) -> Model:
    """Go on from `start` with real frames among the simulated ones, half of the draws each."""
    import torch

    from napari_cellcycle.models.segment.network import FlowNet

    simulated, data, folder = given
    real = real_examples(data, part, progress)
    network = FlowNet(tuple(start.card.settings["widths"]))
    network.load_state_dict(start.weights())
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = np.concatenate([_by_size(real), _by_size(simulated)])
    settings = FitSettings(
        epochs=EPOCHS[part], learning_rate=1.5e-3, warmup=0.05, average=0.99, seed=1
    )
    began = time.perf_counter()
    fit(network, SegmentTask([*real, *simulated], weights), settings, progress=progress)
    return _saved(part, network, folder, start.card.name, time.perf_counter() - began)


def real_examples(data: Path, part: Part, progress: Progress = silent) -> list[Example]:
    """Frames of recordings that `part` may learn from."""
    hela, sim = data / "ctc" / "Fluo-N2DL-HeLa" / "01", data / "ctc" / "Fluo-N2DH-SIM" / "01"
    if part == "half":
        return list(challenge_examples(hela, FIRST_HALF, progress=progress))
    return [
        *challenge_examples(hela, progress=progress),
        *challenge_examples(sim, progress=progress),
    ]


def _by_size(examples: Sequence[Example]) -> np.ndarray:
    """Chance of each example to be drawn: more for larger ones, up to a limit; sum 1."""
    area = np.array([min(example.image.size, 40_000) + 10_000 for example in examples], float)
    return area / area.sum()


def _saved(
    part: Part, network: "FlowNet", folder: Path, parent: str | None, seconds: float
) -> Model:
    """Store the weights at half precision, with their card."""
    import torch

    card = ModelCard(
        name=NAMES[part],
        kind="segment",
        architecture="FlowNet: residual U-Net with style vector (Cellpose at half width)",
        description="Nuclei in fluorescence images, of about 8 to 80 pixels; 2D, or 3D by planes",
        settings={
            "widths": [16, 32, 64, 128],
            "diameter_px": WORKING_PX,
            "logit_offset": LOGIT_OFFSET,
        },
        data=DATA[part],
        split=SPLITS[part],
        command="python -m napari_cellcycle.training.weights cellcycle-nuclei",
        licence=LICENCE,
        parent=parent,
        software={"torch": torch.__version__, "cellpose": version("cellpose")},
        seconds=round(seconds),
    )
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    return save_model(state, card, folder)
