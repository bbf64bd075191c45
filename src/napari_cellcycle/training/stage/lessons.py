"""Cells cut as a preset wants them, with the names of the groups that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.stage.model import FRAME, MEASURED
from napari_cellcycle.progress import Progress
from napari_cellcycle.training.stage import nucleus_examples, sequences
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.nucleus_sources import open_nuclei
from napari_cellcycle.training.stage.sequences import CellSequences
from napari_cellcycle.training.stage.sources import (
    StageSource,
    colour_examples,
    cut_sequences,
    examples_of,
)

if TYPE_CHECKING:
    from napari_cellcycle.training.stage.preset import StagePreset


@dataclass(frozen=True)
class Cells:
    """Cells of one or several sources, cut as a preset wants them.

    `data` are `CellSequences`, `Examples` or `NucleusExamples`, whose `group` counts the groups
    that `names` (groups,) names; `counts` how many cells and frames each source gave.
    """

    data: Any
    names: np.ndarray
    counts: tuple[int, ...]

    @property
    def code(self) -> np.ndarray:
        """Stage of each cell and frame, -1 where it is not known."""
        return np.asarray(self.data.code)

    @property
    def scored(self) -> bool:
        """Whether the stage of any cell is known."""
        return bool((self.code >= 0).any())

    def only(self, groups: np.ndarray) -> "Cells":
        """The cells of these groups."""
        group = np.asarray(self.data.group)
        kept = self.data.subset(np.isin(group, groups))
        number = np.searchsorted(groups, kept.group)
        return replace(self, data=replace(kept, group=number), names=self.names[groups])

    def without(self, groups: np.ndarray) -> "Cells":
        """The cells of all other groups."""
        return self.only(np.setdiff1d(np.arange(len(self.names)), groups))


def cells_of(
    sources: Sequence[StageSource],
    preset: "StagePreset",
    stages: StageSet,
    channel: str | None,
    by_order: bool,
    progress: Progress,
) -> Cells:
    """Cut the cells of all sources; names of groups begin with that of their source."""
    parts = [_cut(source, preset, stages, channel, by_order, progress) for source in sources]
    names = [
        f"{source.name}: {name}"
        for source, (_, found) in zip(sources, parts, strict=True)
        for name in found.tolist()
    ]
    data = _joined([data for data, _ in parts], [len(found) for _, found in parts])
    counts = tuple(len(data.code) for data, _ in parts)
    return Cells(data, np.array(names), counts)


def _cut(
    source: StageSource,
    preset: "StagePreset",
    stages: StageSet,
    channel: str | None,
    by_order: bool,
    progress: Progress,
) -> tuple[Any, np.ndarray]:
    if preset.food == "nuclei":
        wanted = preset.extra["preset"]
        return open_nuclei(
            source.place, wanted, channel=channel, trust_all=source.trust_all, progress=progress
        )
    if preset.food == "colour crops":
        return colour_examples(source, stages, progress)
    colourful = source.crops is not None and source.crops.images.ndim == 4
    if colourful and preset.architecture not in (FRAME, MEASURED):
        raise BadInput(
            "Models of this preset look at one channel, but several are asked for: name one with "
            "--channel, or choose --preset frame or measured."
        )
    found, names = cut_sequences(
        source, stages, *preset.window, order_alone=by_order, progress=progress
    )
    return (examples_of(found) if preset.food == "crops" else found), names


def _joined(parts: list[Any], groups: list[int]) -> Any:
    """All parts in one, groups numbered on."""
    first = np.cumsum([0, *groups])
    if isinstance(parts[0], CellSequences):
        joined = sequences.join(parts)
        number = [part.group + start for part, start in zip(parts, first, strict=False)]
        return replace(joined, group=np.concatenate(number))
    moved = [replace(part, group=part.group + n) for part, n in zip(parts, first, strict=False)]
    if not isinstance(parts[0], Examples):
        return nucleus_examples.join(moved)
    return Examples(
        np.concatenate([part.images for part in moved]),
        np.concatenate([part.code for part in moved]),
        np.concatenate([part.group for part in moved]),
        moved[0].stages,
    )


def row_groups(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Group and stage of each cell and frame, both (n,)."""
    if not isinstance(data, CellSequences):
        return np.asarray(data.group), np.asarray(data.code)
    group = np.zeros(len(data.images), np.int64)
    for path, number in zip(data.paths, data.group, strict=True):
        group[path] = number
    return group, data.code
