"""What the C library does with the memory of arrays that are no longer needed."""

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


@cache
def keep_freed_memory() -> None:
    """Have this process keep up to 1 GB of freed memory for its next arrays.

    By default glibc gives memory of arrays over 32 MB back to the system at once, which then has
    to clear each page anew: a network on the processor spends a third of its time on that. Once
    for a process; nothing happens with other C libraries.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
