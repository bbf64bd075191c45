"""What a `paper` link model is: kept in its card, enough to build and use it again."""

from typing import Literal

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.features.paper import LEARNED, Mode, node_columns


class PaperSettings(Settings):
    """The published choices; what differs from them is said field by field."""

    ndim: Literal[2, 3] = Field(2, description="2 for images, 3 for volumes")
    mode: Mode = Field("masks", description="Whole masks, or points with a patch around each")
    features: Literal["basic", "full"] = Field(
        "basic", description="Hand-made features alone, or a learned embedding as well"
    )
    window: int = Field(10, ge=2, description="Frames of a graph in training")
    reach: float = Field(2.0, gt=0, description="Reach of links, in sides of the largest box")
    threshold: float = Field(0.5, ge=0, le=1, description="Links above this are kept")
    smallest_px: int = Field(
        20, ge=0, description="Pieces of masks below this many pixels are left out; 0: none"
    )
    inference: Literal["whole", "windows"] = Field(
        "whole",
        description="The whole movie as one graph (published), or overlapping windows as long "
        "as in training, so that features are scaled as they were learned (mended)",
    )
    canvas: tuple[int, ...] = Field((), description="Pixels that the embedding network sees")
    width: int = Field(64, ge=1, description="Channels of the first stage of that network")

    @property
    def hand(self) -> int:
        """Number of hand-made features."""
        return len(node_columns(self.ndim, self.mode))

    @property
    def learned(self) -> int:
        """Number of learned features."""
        return LEARNED if self.features == "full" else 0
