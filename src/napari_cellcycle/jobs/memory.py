"""How much memory a job may take, and the watch that keeps it to that."""

import threading
from collections.abc import Callable
from pathlib import Path

import psutil

SHARE = 0.75
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """Bytes of memory that programs may use here, a container's limit included."""
    limits = [psutil.virtual_memory().total]
    for path in map(Path, _CGROUP_LIMITS):
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def memory_cap(memory_gb: float | None) -> int:
    """Most bytes a job may take: `memory_gb` (1 GB = 10^9 bytes), or three quarters of all."""
    return int(memory_gb * 1e9) if memory_gb else int(SHARE * machine_memory())


def used_memory() -> int:
    """Bytes of memory that are this process's own (files mapped from disk not counted)."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


def too_much_memory(cap: int | None = None) -> str:
    """Sentence for the user about a step that ran out of memory."""
    found = "The memory ran out"
    if cap is not None:
        found = f"The step needed more than the {cap / 1e9:.1f} GB of memory it may take"
    return (
        f"{found}; choose smaller tiles and a smaller batch size, a smaller piece of the movie, "
        "or let jobs take more memory."
    )


def watch_memory(
    cap: int, exceeded: Callable[[], None], over: threading.Event, every: float = 0.1
) -> threading.Thread:
    """Call `exceeded` once if this process takes more than `cap` bytes before `over` is set."""

    def watch() -> None:
        while not over.wait(every):
            if used_memory() > cap:
                exceeded()
                return

    thread = threading.Thread(target=watch, name="memory watch", daemon=True)
    thread.start()
    return thread
