"""Errors whose text is meant for the person at the screen."""


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
