"""How much memory this process has taken."""

import contextlib
import os
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_gb() -> float:
    """The most memory (GB, resident) that this process has held since it started.

    Taken from the kernel's own book-keeping, so no sample is missed. On Linux what a parent
    process held before is not counted, which `ru_maxrss` would.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e6
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Let `peak_gb` count from now on, where the kernel can."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{os.getpid()}/clear_refs").write_text("5")
