"""Numbers in the names of frames, and the frames that are missing between them."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from pathlib import Path


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """The number by which the names of files differ, or `None` if they differ otherwise.

    Of `c1_t007.tif`, `c1_t008.tif` it is 7 and 8. Files are in ascending order.
    """
    place = _place(files)
    if place is None:
        return None
    numbers = [int(_parts(path)[place]) for path in files]
    rising = all(one < other for one, other in pairwise(numbers))
    return numbers if rising else None


def missing_frames(files: Sequence[Path], step: int | None = None) -> list[str]:
    """Names of the files that are not there, if from first to last there is one every `step`.

    Without `step` it is the largest that fits all numbers, so that every second frame, or every
    tenth, has no holes.
    """
    numbers, place = frame_numbers(files), _place(files)
    if numbers is None or place is None or len(numbers) < 2:
        return []
    step = step or gcd(*(number - numbers[0] for number in numbers))
    absent = sorted(set(range(numbers[0], numbers[-1], step)) - set(numbers))
    parts = _parts(files[0])
    digits = len(parts[place])
    return [
        "".join([*parts[:place], f"{number:0{digits}d}", *parts[place + 1 :]]) for number in absent
    ]


def _parts(path: Path) -> list[str]:
    """A file's name in pieces: texts at even places, numbers at odd ones."""
    return re.split(r"(\d+)", path.name)


def _place(files: Sequence[Path]) -> int | None:
    """Which piece of the names differs, if only one does and it is a number."""
    pieces = list(map(_parts, files))
    if len({len(parts) for parts in pieces}) != 1:
        return None
    columns = list(zip(*pieces, strict=True))
    values = [set(map(int, column)) if n % 2 else set(column) for n, column in enumerate(columns)]
    differing = [n for n, value in enumerate(values) if len(value) > 1]
    return differing[0] if len(differing) == 1 and differing[0] % 2 else None
