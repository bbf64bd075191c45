"""Looking into a file of weights before it is trusted: what its header claims must be there.

The safetensors format: eight bytes with the length of the header, the header (JSON: name of each
tensor to `dtype`, `shape` and `data_offsets`), then the numbers, without gaps or overlaps.
"""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from napari_cellcycle.errors import BadInput

_LONGEST_HEADER = 10_000_000
_MOST_TENSORS = 10_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16,
    "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


def check_weights(path: Path, called: str) -> None:
    """Raise `BadInput`, about the file `called` so, unless it is a sound safetensors file.

    The numbers themselves are not read.
    """
    size = path.stat().st_size
    header, start = _header(path, size, called)
    header.pop("__metadata__", None)
    if not header or len(header) > _MOST_TENSORS:
        raise _unsound(called, f"it names {len(header):,} arrays")
    spans = sorted(_span(name, about, size - start, called) for name, about in header.items())
    ends = [(0, 0), *spans, (size - start, size - start)]
    if any(first[1] != second[0] for first, second in pairwise(ends)):
        raise _unsound(called, "its arrays overlap, or leave gaps")


def _header(path: Path, size: int, called: str) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise _unsound(called, "its header is longer than the file, or than any could be")
        text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise _unsound(called, "its header cannot be read")
    return header, 8 + length


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _span(name: str, about: Any, room: int, called: str) -> tuple[int, int]:
    """Where the numbers of an array begin and end."""
    try:
        bits, shape, (begin, end) = _BITS[about["dtype"]], about["shape"], about["data_offsets"]
        numbers = [begin, end, *shape]
    except (KeyError, TypeError, ValueError) as error:
        raise _unsound(called, f"it does not tell what the array {name[:80]!r} is") from error
    if any(type(number) is not int or number < 0 for number in numbers):
        raise _unsound(called, f"the array {name[:80]!r} has a size or place that cannot be")
    if end > room:
        raise _unsound(called, f"the array {name[:80]!r} would lie outside of the file")
    if (end - begin) * 8 != math.prod(shape) * bits:
        raise _unsound(called, f"the array {name[:80]!r} is not as large as it says")
    return begin, end


def _unsound(called: str, why: str) -> BadInput:
    return BadInput(
        f"The weights in {called} are damaged or no safetensors file ({why}), so nothing was taken "
        "over: get the file again."
    )
