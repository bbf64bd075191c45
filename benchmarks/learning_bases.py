"""Base models that never saw the data that they are to learn: found in a folder, or trained short.

What other benchmarks train into the same folder at length is taken before what is trained here.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.models.store import find_model, save_model
from napari_cellcycle.training.fit import FitSettings

MASK_SEEDS, MASK_EPOCHS = range(300, 312), 2
LINK_MOVIES = (("varied", 9000), ("varied", 9001), ("varied", 9002), ("dense", 9100))
LINK_EPOCHS = 3
STAGE_SEEDS, STAGE_EPOCHS = range(1000, 1030), 30
WITHHELD = ("metaphase", "telophase")


@dataclass(frozen=True)
class Base:
    """A model by the path of its weights, and in words what it learned from."""

    path: str
    recipe: str


def mask_base(folder: Path) -> Base:
    """A segmentation that has seen no image of DIC."""
    cached = folder / "cellcycle-nuclei-without-dic.safetensors"
    if cached.is_file():
        return Base(str(cached), "all data sets but DIC, as `segmentation.py --train` trains it")
    path = folder / "learning-masks.safetensors"
    if not path.is_file():
        _train_masks(folder, path.stem)
    return Base(
        str(path),
        f"FlowNet, {len(MASK_SEEDS)} simulated movies, {MASK_EPOCHS} epochs of 100 batches",
    )


def link_base(folder: Path) -> Base:
    """A simple linker that has seen no cell of PSC."""
    cached = folder / "simple-PSC-other.safetensors"
    if cached.is_file():
        return Base(str(cached), "`simple`, all but PSC, as `tracking.py --train` trains it")
    path = folder / "learning-links.safetensors"
    if not path.is_file():
        _train_links(folder, path.stem)
    names = ", ".join(f"{kind} {seed}" for kind, seed in LINK_MOVIES)
    return Base(str(path), f"`simple`, simulated movies ({names}), {LINK_EPOCHS} epochs")


def stage_base(folder: Path) -> Base:
    """The shipped model, which has seen no movie of the settings that it is tried on."""
    return Base("rnn", "the shipped `rnn`")


def stage_base_without(folder: Path) -> Base:
    """A model of single images that has seen no recording, and two of the stages nowhere."""
    path = folder / f"learning-stages-without-{'-'.join(WITHHELD)}.safetensors"
    if not path.is_file():
        _train_stages(folder, path.stem)
    return Base(
        str(path),
        f"`frame`, {len(STAGE_SEEDS)} simulated movies without {' and '.join(WITHHELD)}, "
        f"{STAGE_EPOCHS} epochs",
    )


def _train_masks(folder: Path, name: str) -> None:
    import torch

    from napari_cellcycle.models.segment.network import FlowNet
    from napari_cellcycle.training.fit import fit
    from napari_cellcycle.training.segment.examples import simulated_examples
    from napari_cellcycle.training.segment.flow import SegmentTask

    torch.manual_seed(0)
    examples = list(simulated_examples(MASK_SEEDS, 3))
    network = FlowNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = FitSettings(epochs=MASK_EPOCHS, learning_rate=3e-3, warmup=0.03, average=0.97)
    fit(network, SegmentTask(examples, np.ones(len(examples))), settings)
    _save(network.state_dict(), "cellcycle-nuclei", "segment", folder, name)


def _train_links(folder: Path, name: str) -> None:
    from napari_cellcycle.progress import silent
    from napari_cellcycle.training.link import simple
    from napari_cellcycle.training.link.presets import PRESETS, Lesson
    from napari_cellcycle.training.link.weights import simulated

    learned = [(simulated(kind, 2, seed), 1.0) for kind, seed in LINK_MOVIES]
    settings = simple.SETTINGS.model_copy(update={"epochs": LINK_EPOCHS})
    found = PRESETS["simple"].train(Lesson(learned, settings=settings), silent)
    _save(found.state, "simple", "link", folder, name)


def _train_stages(folder: Path, name: str) -> None:
    from napari_cellcycle.data.stages import H2B
    from napari_cellcycle.training.stage.crop_examples import simulated_examples
    from napari_cellcycle.training.stage.frame import FIT, train_network

    examples = simulated_examples(STAGE_SEEDS)
    withheld = [H2B.names.index(name) for name in WITHHELD]
    examples = examples.subset(~np.isin(examples.code, withheld))
    settings = FIT.model_copy(update={"epochs": STAGE_EPOCHS})
    network, _ = train_network(None, examples, settings, levels=False)
    _save(network.state_dict(), "frame", "stage", folder, name)


def _save(state: dict, like: str, kind: str, folder: Path, name: str) -> None:
    """Store weights with the card of a shipped model, as far as it is true of these."""
    card = find_model(like, kind).card  # type: ignore[arg-type]
    changes = {"name": name, "data": [], "metrics": {}, "split": "see benchmarks/learning.py"}
    save_model(state, card.model_copy(update=changes), folder)
