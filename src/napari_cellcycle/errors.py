"""Errors whose text is meant for the person at the screen."""

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
