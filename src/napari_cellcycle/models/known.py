"""Which kinds of models this version knows, and which of them a step can run."""

from napari_cellcycle.models.link.open import GRAPH, PERCEPTRONS
from napari_cellcycle.models.link.open import PAPER as PAPER_LINKS
from napari_cellcycle.models.segment.query.model import DEFAULT, PAPER
from napari_cellcycle.models.stage import model as stage
from napari_cellcycle.models.store import ModelCard


def is_known(card: ModelCard) -> bool:
    """Whether this version can run a model of this kind.

    Raises `MissingModel` if it tells stages that cannot be read.
    """
    if card.kind == "stage":
        stage.stages_of(card)
    return can_be_in_use(card)


def can_be_in_use(card: ModelCard) -> bool:
    """Whether the step that the model is for can run it."""
    named = card.architecture
    if card.kind == "segment":
        return named.startswith("FlowNet") or named in (DEFAULT, PAPER)
    if card.kind == "link":
        return named.startswith((GRAPH, PERCEPTRONS, PAPER_LINKS))
    return named in stage.OPENERS
