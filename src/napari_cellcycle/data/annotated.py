"""An image with the masks that a segmentation model learns from or is scored on."""

from dataclasses import dataclass

import numpy as np

UNKNOWN = -1
"""Value of pixels where a cell may be, or not: nothing is learned or scored there."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """One image with masks of its cells.

    Parameters
    ----------
    image
        (Y, X) or (C, Y, X), any kind of number.
    masks
        (Y, X), int32: 0 is background, `UNKNOWN` where nobody knows, and each cell has a number
        of its own above 0.
    group
        The sequence, experiment or folder that it comes from. Images of a group are alike, so
        what is kept aside for scoring should come from other groups or from another time.
    name
        What tells it from the others of its group, such as "t012".
    """

    image: np.ndarray
    masks: np.ndarray
    group: str
    name: str

    @property
    def known(self) -> np.ndarray:
        """Whether the truth of each pixel is known, bool (Y, X)."""
        return np.asarray(self.masks != UNKNOWN)

    @property
    def cells(self) -> np.ndarray:
        """Masks without the unknown, int32 (Y, X)."""
        return np.maximum(self.masks, 0)
