"""A movie that is open, the results for it, and what they differ in from a truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_cellcycle.widgets.layers import ResultLayers
from napari_cellcycle.widgets.movies import axes_of
from napari_cellcycle.widgets.result import Result, size_of
from napari_cellcycle.widgets.teach_carry import carry_rounds
from napari_cellcycle.widgets.workplace import Workplace

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.mask_comparison import MaskComparison
    from napari_cellcycle.evaluation.tracking import TrackingComparison

_MAX_UNDO = 20
_MOST_KEPT = 2_000_000_000


@dataclass(frozen=True)
class Compared:
    """What the tracks, or the masks, of a result differ in from the truth in a folder.

    `of_masks` is the same as `comparison` if masks were compared.
    """

    result: Result
    truth: Path
    comparison: "TrackingComparison | MaskComparison"
    of_masks: "MaskComparison | None" = None


class Recording:
    """A movie layer and the results for it, with those that undo and redo can bring back."""

    def __init__(self, layer: Image, viewer: Any) -> None:
        self.layer = layer
        self.layers = ResultLayers(viewer, layer)
        self.workplace = Workplace(layer.name)
        self.result: Result | None = None
        self.saved_in: Path | None = None
        self.compared: Compared | None = None
        self.undone: list[Result | None] = []
        self.former: list[Result | None] = []

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions: 2 or 3."""
        if self.result is not None:
            return self.result.experiment.movie.ndim
        return 3 if "Z" in axes_of(self.layer) else 2

    @property
    def cell_side_px(self) -> float:
        """Rough diameter of the cells in pixels of y and x."""
        return self.layers.cell_side_px

    def replace(self, result: Result | None) -> None:
        """Make `result` the present one; the former can be brought back."""
        for dropped in self.undone:
            self._discard(dropped)
        self.undone = []
        if self.result is not None and self.result.editor is not None:
            self.result.editor.forget_undone()
        if self.result is not None and result is not None:
            carry_rounds(self.result.folder, result.folder)
        self.former.append(self.result)
        self.result = result
        while len(self.former) > _MAX_UNDO or size_of(self.former[1:]) > _MOST_KEPT:
            self._discard(self.former.pop(0))

    def step_back(self) -> None:
        """Go back to the result before the present one, which can be brought back."""
        self.undone.append(self.result)
        self.result = self.former.pop()

    def step_forward(self) -> None:
        """Go back to the result that was left last."""
        self.former.append(self.result)
        self.result = self.undone.pop()

    def _discard(self, result: Result | None) -> None:
        kept = [r for r in (self.result, *self.former, *self.undone) if r]
        if result is not None and all(result is not r for r in kept):
            result.close()
            if all(result.folder != r.folder for r in kept):
                self.workplace.discard(result.folder)

    def catch_up(self) -> None:
        """Have the layers show what was corrected while another movie was chosen."""
        if self.result is not None:
            self.layers.catch_up(self.result.display)

    def close(self) -> None:
        """Let go of the viewer, and finish writing down what was corrected."""
        self.layers.close()
        for result in (self.result, *self.former, *self.undone):
            if result is not None:
                result.close()
