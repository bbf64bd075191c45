"""Kinds of cells, told from what is measured of each and around it: the default classifier.

For cells that are sorted into kinds and not followed over time, in images of one or more colours.
"""

from collections.abc import Iterable

import numpy as np
import torch

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.kind_traits import traits_of
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.models.rank_net import RankNet, tell
from napari_cellcycle.models.stage.model import KINDS, stages_of
from napari_cellcycle.models.store import Model


class KindModel:
    """A trained classifier with what it takes to use it on a movie: a `StageModel`.

    `diameter` is that of the usual nucleus it learned from, in pixels: images are expected at
    that magnification.
    """

    reach = 0

    def __init__(self, network: RankNet, stages: StageSet, diameter: float) -> None:
        self.network, self.stages, self.diameter = network.eval(), stages, diameter

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "KindModel":
        """Build the network that a model card describes and load its weights.

        Raises `MissingModel` if they do not fit each other.
        """
        stages, known = stages_of(model.card), model.card.settings
        try:
            sizes = (int(known[name]) for name in ("traits", "members", "hidden"))
            network = RankNet(len(stages), *sizes)
            network.load_state_dict(model.weights())
            diameter = float(known["diameter"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The weights in {model.path} do not fit their card; expected a network of "
                f"{KINDS}; get the model again."
            ) from error
        return cls(network.to(device or torch.device("cpu")), stages, diameter)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 64
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame by itself.

        Raises `BadInput` for volumes.
        """
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            if sight.image.ndim == 3:
                raise BadInput(
                    "Kinds of cells are told in flat images, but this movie is of volumes; choose "
                    "another stage model, or project the movie first."
                )
            found = self.at(sight.colours, sight.mask, sight.labels, sight.centres_px)
            result[sight.rows] = found
        return result

    def at(
        self, image: np.ndarray, masks: np.ndarray, labels: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Probabilities (n, K) of the cells whose values in `masks` (Y, X) are `labels` (n,).

        `image` is (Y, X) or (C, Y, X). A cell without a mask counts as a disc at its place, of
        `places` (n, 2), in pixels.
        """
        return tell(self.network, traits_of(image, masks, labels, places, self.diameter))
