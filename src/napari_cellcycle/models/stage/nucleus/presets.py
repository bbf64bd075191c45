"""What each network of the family looks at: frames, mask, window, scaling."""

from typing import Literal

from pydantic import Field

from napari_cellcycle.config import Settings


class NucleusPreset(Settings):
    """A network and what its samples are made of.

    Samples have one channel for each of `frames`, then one with the mask where `mask` says so.
    """

    network: Literal["cnn", "convlstm", "nucleus"] = Field("nucleus", description="Kind of network")
    frames: tuple[int, ...] = Field(
        (-1, 0, 1), description="Frames that are seen, counted from the cell's own"
    )
    mask: bool = Field(True, description="The cell's own mask is seen as a channel of its own")
    size: tuple[int, int, int] = Field(
        (16, 32, 32), description="Samples along z, y and x; a 2D movie has one along z"
    )
    side: float = Field(
        2.2, ge=0, description="Side of the window in median diameters; 0: one voxel a sample"
    )
    cubic_in: Literal["micrometres", "voxels"] = Field(
        "micrometres", description="Whether the window is a cube in micrometres or in voxels"
    )
    scaling: Literal["robust", "joint", "own"] = Field(
        "robust",
        description="Brightness is scaled over all frames together (robust: by percentiles, "
        "joint: from the least to the greatest value), or each frame by its own extremes",
    )
    width: int = Field(16, ge=4, description="Channels of the first layer of 'nucleus'")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of features dropped in training")
    norm_before_pool: bool = Field(
        False, description="Normalise before pooling; the publication does so after it"
    )

    @property
    def reach(self) -> int:
        """Frames before and after the cell's own that have to be at hand."""
        return max(abs(offset) for offset in self.frames)

    @property
    def channels(self) -> int:
        """Channels of a sample."""
        return len(self.frames) + self.mask


_VOXELS = {"cubic_in": "voxels", "side": 0.0}

PRESETS: dict[str, NucleusPreset] = {
    "nucleus": NucleusPreset(dropout=0.1),
    "cnn": NucleusPreset(
        network="cnn",
        frames=(0,),
        mask=False,
        size=(64, 64, 64),
        side=2.0,
        cubic_in="voxels",
        scaling="own",
    ),
    "3ncnn": NucleusPreset(
        network="cnn",
        mask=False,
        size=(64, 64, 64),
        side=2.0,
        cubic_in="voxels",
        scaling="own",
    ),
    "4ncnn": NucleusPreset(
        network="cnn", size=(32, 32, 32), scaling="joint", dropout=0.1, **_VOXELS
    ),
    "convlstm": NucleusPreset(
        network="convlstm",
        mask=False,
        size=(32, 32, 32),
        scaling="own",
        dropout=0.5,
        **_VOXELS,
    ),
}
"""Ours, and the published ones: `cnn`, `3ncnn`, `4ncnn` and `convlstm`."""
