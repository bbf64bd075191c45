"""Open a link model by name, whatever it is made of."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.models.link.simple import SimpleLinker
from napari_cellcycle.models.store import Model, find_model

if TYPE_CHECKING:
    from napari_cellcycle.models.link.graph_linker import GraphLinker

Linker: TypeAlias = Union[SimpleLinker, "GraphLinker"]
GRAPH, PERCEPTRONS = "graph network", "perceptrons"
"""How the `architecture` on the card of each kind of model begins."""


def open_linker(model: "Linker | str | Path", device: str = "auto") -> "Linker":
    """The link model itself, or the one of that name or file, on a device if it can use one.

    Raises `MissingModel` if there is none or it cannot be used.
    """
    if not isinstance(model, str | Path):
        return model
    return linker_of(find_model(str(model), "link"), device)


def linker_of(model: Model, device: str = "auto") -> "Linker":
    """A stored link model, ready for use."""
    kind = model.card.architecture
    if kind.startswith(GRAPH):
        from napari_cellcycle.models.device import choose_device
        from napari_cellcycle.models.link.graph_linker import GraphLinker

        return GraphLinker.open(model, choose_device(device))
    if kind.startswith(PERCEPTRONS):
        return SimpleLinker.open(model)
    raise MissingModel(
        f"The link model {model.card.name!r} is of a kind that this version does not know "
        f"({kind!r}); choose 'cellcycle-links' or 'simple', or install a newer version."
    )
