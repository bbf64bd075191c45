"""What every stage model is, and how one is opened by name."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.io.provenance import stages_from_json
from napari_cellcycle.models.store import Model, ModelCard, find_model


@runtime_checkable
class StageModel(Protocol):
    """A model that tells the stage of every cell of a movie.

    `stages` are those it knows, `reach` the number of frames before and after a cell's own that
    it looks at.
    """

    @property
    def stages(self) -> StageSet:
        """The stages that it tells."""

    @property
    def reach(self) -> int:
        """Frames before and after that each sight has to hold."""

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of the n cells, float32.

        `sights` come in the order of time; `parent` (n,) is the row of each cell's parent, -1
        where it has none, so that models with a memory can follow mothers into daughters.
        """


FRAME, RECURRENT, PAPER, RESNET, CLASSIFIER, NUCLEUS, MEASURED, KINDS = (
    "napari_cellcycle.models.stage.frame.FrameNetwork",
    "recurrent network",
    "paper recurrent network",
    "resnet",
    "crop classifier",
    "nucleus",
    "measured crops",
    "kinds of cells",
)
"""How the `architecture` on the card of each kind of stage model begins."""
OPENERS = {
    FRAME: ("frame", "FrameModel"),
    RECURRENT: ("recurrent", "RecurrentModel"),
    PAPER: ("paper_rnn", "PaperRecurrentModel"),
    RESNET: ("resnet", "ResNetModel"),
    CLASSIFIER: ("cell_classifier", "CropClassifier"),
    NUCLEUS: ("nucleus.model", "NucleusModel"),
    MEASURED: ("measured", "MeasuredModel"),
    KINDS: ("kinds", "KindModel"),
}
"""Module and class that open each kind of stage model; loaded when needed, as they need torch."""


def open_stage_model(model: StageModel | str | Path, device: str = "auto") -> StageModel:
    """The stage model itself, or the one of that name or file, on a device if it can use one.

    Raises `MissingModel` if there is none or it cannot be used.
    """
    if not isinstance(model, str | Path):
        return model
    from napari_cellcycle.models.device import choose_device

    return stage_model_of(find_model(str(model), "stage"), choose_device(device))


def stage_model_of(model: Model, device: Any) -> StageModel:
    """A stored stage model, ready for use on a torch `device`."""
    module, name = opener_of(model.card)
    opener = getattr(import_module(f"napari_cellcycle.models.stage.{module}"), name)
    opened: StageModel = opener.open(model, device)
    return opened


def opener_of(card: ModelCard) -> tuple[str, str]:
    """Module and class that open a stage model of this card, without loading them.

    Raises `MissingModel` if it is of a kind that cannot tell the stages of tracked cells.
    """
    kind = card.architecture
    if kind in OPENERS:
        return OPENERS[kind]
    raise MissingModel(
        f"The stage model {card.name!r} is of a kind that cannot tell the stages of tracked "
        f"cells here ({kind!r}); choose another one, such as 'rnn', or install a newer version."
    )


def stages_of(card: ModelCard) -> StageSet:
    """The stages that a model card names: a whole set, or the names of the usual one.

    Raises `MissingModel` if the card holds neither.
    """
    named = card.settings.get("stages")
    if isinstance(named, dict):
        try:
            return stages_from_json(named)
        except (KeyError, TypeError, ValueError) as error:
            raise MissingModel(
                f"The stages on the card of {card.name!r} cannot be read ({error}); expected "
                "names, durations and successions; get the model again."
            ) from error
    if named is not None and tuple(named) == H2B.names:
        return H2B
    raise MissingModel(
        f"The card of {card.name!r} names no stages that are known here; expected a set of "
        f"stages or {', '.join(H2B.names)}; get the model again."
    )
