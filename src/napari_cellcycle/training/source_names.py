"""Names by which the sources of a training are told apart."""

from collections.abc import Sequence
from pathlib import Path


def told_apart(places: Sequence[str | Path]) -> list[str]:
    """A name for each place: its own, after those of the folders above where others share it.

    The same place has the same name wherever it is given; different places never do.
    """
    parts = [Path(place).expanduser().resolve().parts for place in places]
    return [_shortest(own, set(parts) - {own}) for own in parts]


def _shortest(own: tuple[str, ...], others: set[tuple[str, ...]]) -> str:
    taken = 1
    while taken < len(own) and any(other[-taken:] == own[-taken:] for other in others):
        taken += 1
    return Path(*own[-taken:]).as_posix()
