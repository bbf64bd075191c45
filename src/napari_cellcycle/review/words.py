"""Numbers in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_cellcycle.review.scene import Scene


def percent(share: float) -> str:
    """A share, such as "52 %"."""
    return f"{100 * share:.0f} %"


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence, one after the other."""
    return "; ".join(parts)


def times(logarithm: float, more: str, less: str) -> str:
    """A ratio, such as "1.8 times larger"."""
    return f"{np.exp(abs(logarithm)):.1f} times {more if logarithm > 0 else less}"


def moved(scene: "Scene", diameters: float) -> str:
    """A distance in micrometres and pixels."""
    length = diameters * scene.norms.unit
    return f"{length:.1f} µm ({length / scene.facts.pixel_size[-1]:.0f} px)"


def frames(count: int) -> str:
    """So many frames."""
    return f"{count} frame" if count == 1 else f"{count} frames"


def only(first: int, last: int) -> str:
    """From which frame to which, and in no other."""
    return f"in frame {first} only" if first == last else f"in frames {first} to {last} only"
