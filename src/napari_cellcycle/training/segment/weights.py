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
    import torch

    from napari_cellcycle.models.segment.network import FlowNet

FIRST_SIZES_PX = (10.5, 21.0)
"""Diameters of the nuclei that the network sees first, when it learns from simulation alone."""
WORKING_PX = (18.0, 40.0)
"""Least and greatest cell diameter at which the network is used: small cells are enlarged, large
ones made smaller, all others taken as they are."""
LOGIT_OFFSET = 0.5
"""Added to the cell logit, so that outlines reach as far as those drawn by hand on HeLa 01's
first half; simulated ones agree as well with it as without."""
FLOW_TOLERANCE = 1.5
"""How much larger an error of the flow is let pass than from Cellpose, whose flows are more exact:
at 1, five of 321 nuclei of HeLa 01 are lost."""
HELA, DIC, PSC, SIM = "Fluo-N2DL-HeLa", "DIC-C2DH-HeLa", "PhC-C2DL-PSC", "Fluo-N2DH-SIM"
HALVES = {HELA: range(46), DIC: range(42), PSC: range(50)}
"""Frames of sequence 01 that "half" learns from; the others are for scoring."""
SHARES = {HELA: 0.45, DIC: 0.25, PSC: 0.25, SIM: 0.05}
"""How often each data set is drawn, of what is drawn from recordings."""
REAL = 0.6
"""Share of recordings among all that is drawn."""
Part = Literal["simulated", "half", "without-hela", "without-dic", "without-psc", "all"]
LEFT_OUT = {"without-hela": HELA, "without-dic": DIC, "without-psc": PSC}
SEEDS = (*range(6), *range(100, 260))
"""Seeds of the simulated movies that are learned from."""
EPOCHS: dict[Part, int] = {
    "simulated": 22,
    "half": 30,
    "without-hela": 5,
    "without-dic": 5,
    "without-psc": 5,
    "all": 30,
}
"""Passes of 100 batches of eight crops."""
_MOVIES = "simulated movies, seeds 0 to 5 and 100 to 259, three frames of each"
LICENCE = "BSD-3-Clause; the challenge's conditions of use apply to what was learned from it"


def name_of(part: Part) -> str:
    """Name of the weights of a part; that of "all" is what the plugin ships."""
    return "cellcycle-nuclei" if part == "all" else f"cellcycle-nuclei-{part}"


def train_nuclei(
    folder: Path,
    *,
    data: Path | None = None,
    parts: Sequence[Part] = ("all",),
    start_folder: Path | None = None,
    device: "torch.device | None" = None,
    progress: Progress = silent,
) -> list[Model]:
    """Train the shipped network and store it in `folder`; at most 90 minutes on two cores.

    Parameters
    ----------
    folder
        Where each part is stored under its `name_of`: all but `all`, the shipped one, are for
        measuring.
    start_folder
        Where the simulated one, the start of the others, is taken from if it is there, and
        stored if not; by default it is only stored if it is one of `parts`.
    data
        Folder with the data sets of `SHARES` in its folder `ctc`; needed for all but `simulated`.
    parts
        "simulated": simulated movies only. "half": then also the first half of each sequence, so
        that the second can be scored. "without-...": all of the other data sets. "all": all.
    device
        Where the network learns; by default the CPU, which the shipped weights come from.
    """
    if set(parts) != {"simulated"} and (data is None or not (data / "ctc").is_dir()):
        raise BadInput(
            f"To train on recordings, they are needed, but none were found at {data}; "
            "expected a folder 'ctc' in it; set CELLCYCLE_DATA to where it is."
        )
    simulated = list(simulated_examples(SEEDS, 3, progress=progress))
    with tempfile.TemporaryDirectory() as scratch:
        place = start_folder or (folder if "simulated" in parts else Path(scratch))
        start = _stored(place, progress, simulated, device)
        return [
            start
            if part == "simulated" or data is None
            else _refined(part, start, (simulated, data, folder), progress, device)
            for part in parts
        ]


def _stored(
    folder: Path, progress: Progress, simulated: list[Example], device: "torch.device | None"
) -> Model:
    """The network trained on simulated movies only: found in `folder`, or trained now."""
    import torch

    from napari_cellcycle.models.segment.network import FlowNet

    path = folder / f"{name_of('simulated')}.safetensors"
    if path.is_file():
        return find_model(str(path), "segment")
    torch.manual_seed(0)
    network = FlowNet().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = FitSettings(
        epochs=EPOCHS["simulated"], learning_rate=3e-3, warmup=0.03, average=0.99
    )
    began = time.perf_counter()
    task = SegmentTask(simulated, _by_size(simulated), sizes_px=FIRST_SIZES_PX)
    fit(network, task, settings, progress=progress)
    return _saved("simulated", network, folder, None, time.perf_counter() - began)


def _refined(
    part: Part,
    start: Model,
    given: tuple[list[Example], Path, Path],
    progress: Progress,
    device: "torch.device | None",
) -> Model:
    """Go on from `start` with real frames among the simulated ones."""
    import torch

    from napari_cellcycle.models.segment.network import FlowNet

    simulated, data, folder = given
    real, weights = real_examples(data, part, progress)
    network = FlowNet(tuple(start.card.settings["widths"]))
    network.load_state_dict(start.weights())
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = FitSettings(
        epochs=EPOCHS[part], learning_rate=1.5e-3, warmup=0.05, average=0.99, seed=1
    )
    began = time.perf_counter()
    chances = np.concatenate([REAL * weights, (1 - REAL) * _by_size(simulated)])
    task = SegmentTask([*real, *simulated], chances)
    fit(network, task, settings, progress=progress)
    return _saved(part, network, folder, start.card.name, time.perf_counter() - began)


def real_examples(
    data: Path, part: Part, progress: Progress = silent
) -> tuple[list[Example], np.ndarray]:
    """Frames of recordings that `part` may learn from, and the chance of each; sum 1."""
    examples: list[Example] = []
    weights: list[np.ndarray] = []
    for name, share in SHARES.items():
        if name == LEFT_OUT.get(part) or (part == "half" and name not in HALVES):
            continue
        frames = HALVES[name] if part == "half" else None
        found = list(challenge_examples(data / "ctc" / name / "01", frames, progress=progress))
        examples += found
        weights.append(np.full(len(found), share / len(found)))
    chances = np.concatenate(weights)
    return examples, chances / chances.sum()


def _by_size(examples: Sequence[Example]) -> np.ndarray:
    """Chance of each example to be drawn: more for those of more cells, up to a limit; sum 1."""
    cells = np.array([e.image.size / e.diameter_px**2 for e in examples])
    area = np.minimum(cells, 100.0) + 25.0
    return area / area.sum()


def _saved(
    part: Part, network: "FlowNet", folder: Path, parent: str | None, seconds: float
) -> Model:
    """Store the weights at half precision, with their card."""
    import torch

    sizes = (WORKING_PX[0], WORKING_PX[0]) if part == "simulated" else WORKING_PX
    card = ModelCard(
        name=name_of(part),
        kind="segment",
        architecture="FlowNet: residual U-Net with style vector (Cellpose at half width)",
        description="Nuclei in fluorescence images, cells in phase contrast and DIC, of 8 pixels "
        "and more; 2D, or 3D by planes",
        settings={
            "widths": [16, 32, 64, 128],
            "working_px": list(sizes),
            "logit_offset": LOGIT_OFFSET,
            "flow_tolerance": FLOW_TOLERANCE,
        },
        data=_data_of(part),
        split=_split_of(part),
        command="python -m napari_cellcycle.training.weights cellcycle-nuclei",
        licence=LICENCE,
        parent=parent,
        software={"torch": torch.__version__, "cellpose": version("cellpose")},
        seconds=round(seconds),
    )
    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu()
        for name, tensor in network.state_dict().items()
    }
    return save_model(state, card, folder)


def _data_of(part: Part) -> list[str]:
    """What a part learns from, in words."""
    if part == "simulated":
        return [_MOVIES]
    source = "Cell Tracking Challenge {} 01{} (Ulman 2017, Maska 2023)"
    shown = [name for name in SHARES if name != LEFT_OUT.get(part)]
    if part == "half":
        return [_MOVIES, *(source.format(n, f", frames before {HALVES[n].stop}") for n in HALVES)]
    return [_MOVIES, *(source.format(name, "") for name in shown)]


def _split_of(part: Part) -> str:
    """What a part has not seen, in words."""
    if part == "simulated":
        return "no real image was seen"
    if part == "half":
        return "later frames of the sequences were not seen"
    if part == "all":
        return "everything named was seen; for figures on unseen frames see the half-trained ones"
    return f"{LEFT_OUT[part]} was not seen"
