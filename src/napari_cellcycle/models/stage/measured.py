"""The `measured` model: the stage of a cell from what is measured of one small image of it."""

from collections.abc import Iterable

import numpy as np
import torch

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.crop_traits import crop_traits
from napari_cellcycle.features.crops import crops
from napari_cellcycle.features.sights import Sight, flat_crops
from napari_cellcycle.models.rank_net import RankNet, tell
from napari_cellcycle.models.stage.frame import WINDOW
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model

SIZE = 66
"""Side of the measured crops in pixels."""


class MeasuredModel:
    """Networks that judge measured crops, with what it takes to use them: a `StageModel`.

    Crops are as wide as those of the `frame` model, and finer. `channels` are how many of the image
    are measured.
    """

    reach = 0

    def __init__(self, network: RankNet, stages: StageSet = H2B, channels: int = 1) -> None:
        self.stages, self.channels = stages, channels
        self.network = network.eval()

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "MeasuredModel":
        """Build the networks that a model card describes and load their weights."""
        settings, stages = model.card.settings, stages_of(model.card)
        try:
            sizes = (int(settings[name]) for name in ("traits", "members", "hidden"))
            linear = bool(settings.get("linear", False))  # models of before have none
            network = RankNet(len(stages), *sizes, linear=linear)
            channels = int(settings["channels"])
            network.load_state_dict(model.weights())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected networks with the settings 'stages', 'traits', 'members', 'hidden' and "
                "'channels'; get the model again."
            ) from error
        return cls(network.to(device or torch.device("cpu")), stages, channels)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame by itself.

        Raises `MissingModel` if the model measures several channels: those of crops alone are
        seen together.
        """
        if self.channels > 1:
            raise MissingModel(
                f"This model measures {self.channels} channels of a crop, but of a movie one "
                "channel is seen; train one with a single --channel."
            )
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            for start in range(0, len(sight.rows), batch_size):
                chosen = slice(start, start + batch_size)
                seen = flat_crops(sight, WINDOW, SIZE, chosen=chosen)
                result[sight.rows[chosen]] = tell(self.network, crop_traits(seen))
        return result

    def tell(self, images: np.ndarray, diameter_px: float, batch_size: int = 256) -> np.ndarray:
        """Probabilities (n, S) of crops in colour (n, Y, X, colours), a cell in their middle.

        `diameter_px` is the usual diameter of these cells. Raises `MissingModel` if there are
        fewer colours than the model measures.
        """
        if images.shape[-1] < self.channels:
            raise MissingModel(
                f"This model measures {self.channels} channels, but these crops have "
                f"{images.shape[-1]}; choose another model."
            )
        middle, side = (np.array(images.shape[1:3]) - 1)[None] / 2, WINDOW * diameter_px
        cut = [
            [crops(image[..., i], middle, side, SIZE)[0] for i in range(self.channels)]
            for image in images
        ]
        return tell(self.network, crop_traits(np.array(cut).reshape(-1, self.channels, SIZE, SIZE)))
