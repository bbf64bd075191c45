"""Errors whose text is meant for the person at the screen."""

import mmap
from dataclasses import dataclass
from typing import Any


class UserError(Exception):
    """Something the user can mend.

    The text is shown as it is, in the viewer and on the command line: one sentence that
    says what was found, what was expected and what to do now.
    """


class BadInput(UserError):
    """A file, a folder or a layer that cannot be what it should be."""


class CannotWrite(UserError):
    """A result could not be stored; what was there before is untouched."""


class MissingModel(UserError):
    """A model that is not installed, cannot be read or does not fit its step."""


class OutOfMemory(UserError):
    """The machine or its graphics card has no room left for the step, even in small tiles."""


_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "defaultcpuallocator",
)
_UNSAID = ("without exception set", "without setting an exception", "can't start new thread")
"""How errors read that come from want of memory, and that mostly do."""
_ENOUGH = 256_000_000
"""Bytes that a machine which is not short of memory gives at any time."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what caused it, says that machine or graphics card has no memory left.

    What fails without a reason, as compiled code may, counts where no memory is to be had.
    """
    if isinstance(error, MemoryError):
        return True
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    if isinstance(error, SystemError | RuntimeError | OSError | ImportError):
        if any(sign in text for sign in _NO_MEMORY):
            return True
        if any(sign in text for sign in _UNSAID) and _is_memory_short():
            return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


def _is_memory_short() -> bool:
    """Whether the system refuses more; what this process has freed and kept does not count."""
    private = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
    try:
        mmap.mmap(-1, _ENOUGH, **({"flags": private} if private else {})).close()
    except (OSError, MemoryError):
        return True
    return False


class JobDied(UserError):
    """The child process that ran a step ended without an answer."""


@dataclass(frozen=True)
class Fix:
    """Something to do instead: what it does in words, and the operation with its arguments."""

    words: str
    operation: str
    arguments: dict[str, Any]


class Refused(UserError):
    """A correction that is not possible, with what could be done instead."""

    def __init__(self, text: str, *fixes: Fix) -> None:
        super().__init__(text)
        self.fixes = fixes
