"""Open a link model by name, whatever it is made of."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.models.link.simple import SimpleLinker
from napari_cellcycle.models.store import Model, find_model

if TYPE_CHECKING:
    from napari_cellcycle.models.link.graph_linker import GraphLinker
    from napari_cellcycle.models.link.paper.linker import PaperLinker

Linker: TypeAlias = Union[SimpleLinker, "GraphLinker"]
AnyLinker: TypeAlias = Union[SimpleLinker, "GraphLinker", "PaperLinker"]
"""The paper's linker comes with candidates and rules of its own."""
GRAPH, PERCEPTRONS, PAPER = "graph network", "perceptrons", "paper"
"""How the `architecture` on the card of each kind of model begins."""


def open_linker(model: "AnyLinker | str | Path", device: str = "auto") -> "AnyLinker":
    """The link model itself, or the one of that name or file, on a device if it can use one.

    Raises `MissingModel` if there is none or it cannot be used.
    """
    if not isinstance(model, str | Path):
        return model
    return linker_of(find_model(str(model), "link"), device)


def linker_of(model: Model, device: str = "auto") -> "AnyLinker":
    """A stored link model, ready for use."""
    kind = model.card.architecture
    if kind.startswith(GRAPH):
        from napari_cellcycle.models.device import choose_device
        from napari_cellcycle.models.link.graph_linker import GraphLinker

        return GraphLinker.open(model, choose_device(device))
    if kind.startswith(PERCEPTRONS):
        return SimpleLinker.open(model)
    if kind.startswith(PAPER):
        from napari_cellcycle.models.link.paper.linker import PaperLinker

        return PaperLinker.open(model, device)
    raise MissingModel(
        f"The link model {model.card.name!r} is of a kind that this version does not know "
        f"({kind!r}); choose 'cellcycle-links' or 'simple', or install a newer version."
    )
