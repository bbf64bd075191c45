"""A trained network of the nucleus family, used on movies, samples or arrays."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from napari_cellcycle.data.stages import NUCLEUS, StageSet
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset
from napari_cellcycle.models.stage.nucleus.samples import cut, scaled
from napari_cellcycle.models.store import Model


class NucleusModel:
    """Tells the state of nuclei from windows of several frames: a `StageModel`.

    `views` (1 to 8) mirrored images of each sample are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        preset: NucleusPreset,
        stages: StageSet = NUCLEUS,
        device: torch.device | None = None,
        views: int = 1,
    ) -> None:
        self.preset, self.stages, self.views = preset, stages, views
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @property
    def reach(self) -> int:
        """Frames before and after a cell's own that are looked at."""
        return self.preset.reach

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "NucleusModel":
        """Build the network that a model card describes and load its weights."""
        settings, stages = model.card.settings, stages_of(model.card)
        try:
            preset = NucleusPreset.model_validate(settings["preset"])
            network = build(preset, len(stages))
            network.load_state_dict(model.weights())
        except (KeyError, TypeError, ValueError, ValidationError, RuntimeError) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a nucleus network with the settings 'stages' and 'preset'; "
                "get the model again."
            ) from error
        return cls(network, preset, stages, device, int(settings.get("views", 1)))

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell from the frames around its own."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            result[sight.rows] = self.look(sight, batch_size)
        return result

    def look(self, sight: Sight, batch_size: int = 256) -> np.ndarray:
        """Probabilities (m, S) of the cells of one frame."""
        middle = len(sight.images) // 2
        images = [sight.images[middle + offset] for offset in self.preset.frames]
        mask = sight.mask if self.preset.mask else np.zeros((0,) * len(sight.pixel_size), int)
        results = [np.zeros((0, len(self.stages)), np.float32)]
        for start in range(0, len(sight.rows), batch_size):
            part = slice(start, start + batch_size)
            place = (sight.labels[part], sight.centres_px[part], sight.diameter_px)
            results.append(self.predict(cut(images, mask, *place, self.preset), batch_size))
        return np.concatenate(results)

    def predict(self, samples: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Probabilities (n, S) of samples (n, C, z, y, x) as `cut` gives them, in any brightness.

        The channels are the frames of the preset and, last, the mask if it sees one.
        """
        if samples.ndim != 5 or samples.shape[1] != self.preset.channels:
            raise BadInput(
                f"The samples have shape {samples.shape}, but expected are (n, "
                f"{self.preset.channels}, z, y, x), with the channels "
                f"{', '.join(channel_names(self.preset))}; cut them so."
            )
        results = [np.zeros((0, len(self.stages)), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(samples), batch_size):
                batch = scaled(samples[start : start + batch_size], self.preset)
                seen = torch.from_numpy(batch).to(self.device)
                told = [self.network(_mirrored(seen, v)).softmax(1) for v in range(self.views)]
                results.append(torch.stack(told).mean(0).cpu().numpy())
        return np.concatenate(results)


def channel_names(preset: NucleusPreset) -> tuple[str, ...]:
    """What each channel of a sample shows: t-1, t, t+1, mask and so on."""
    frames = ["t" if offset == 0 else f"t{offset:+d}" for offset in preset.frames]
    return (*frames, "mask") if preset.mask else tuple(frames)


def _mirrored(samples: torch.Tensor, view: int) -> torch.Tensor:
    """One of the eight mirror images along z, y and x; 0 is the sample itself."""
    axes = [axis for bit, axis in ((1, 4), (2, 3), (4, 2)) if view & bit]
    return samples.flip(axes) if axes else samples


def card_settings(preset: NucleusPreset, stages: StageSet, views: int = 1) -> dict[str, Any]:
    """What the card of a nucleus model has to hold for `NucleusModel.open`."""
    from napari_cellcycle.io.provenance import stages_to_json

    return {
        "stages": stages_to_json(stages),
        "preset": preset.model_dump(mode="json"),
        "views": views,
    }


def states(names: Iterable[str]) -> StageSet:
    """The nucleus states of these names, in their usual order: with or without death."""
    kept = set(names)
    return StageSet(
        NUCLEUS.name,
        tuple(stage for stage in NUCLEUS.stages if stage.name in kept),
        frozenset(pair for pair in NUCLEUS.successions if set(pair) <= kept),
        first=NUCLEUS.first & kept,
        last=NUCLEUS.last & kept,
    )
