"""Masks that a person drew before there were tracks, among what was confirmed.

A cell that is not tracked yet has no id, so its mask is known by its frame and label: by the kind
"mask in frame 12" and the number of its label.
"""

import re
from collections.abc import Iterable

import numpy as np

_KIND = re.compile(r"mask in frame (\d+)")


def drawn(frame: int, labels: Iterable[int]) -> list[tuple[str, int]]:
    """Confirmations that say that a person drew these masks of a frame."""
    return [(f"mask in frame {frame}", int(label)) for label in labels]


def drawn_masks(confirmed: Iterable[tuple[str, int]]) -> dict[int, np.ndarray]:
    """The labels of the masks that were drawn in each frame in which any was, both ascending."""
    found: dict[int, list[int]] = {}
    for kind, label in confirmed:
        if match := _KIND.fullmatch(kind):
            found.setdefault(int(match[1]), []).append(label)
    return {frame: np.array(sorted(found[frame]), np.int64) for frame in sorted(found)}
