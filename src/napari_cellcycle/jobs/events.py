"""What is heard of a running job."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

FailureKind = Literal["user", "crash", "memory"]


@dataclass(frozen=True)
class Progress:
    """The job goes on: `done` of `total` parts are over.

    `message` says what is being done now, in words for the user ("Segmenting frame 31 of
    92"); `seconds_left` is None as long as it cannot be told.
    """

    done: int
    total: int
    message: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class Done:
    """The job is over and its result stored in the experiment `folder`.

    `notes` are sentences for the user, such as a fall-back to smaller tiles or to the CPU.
    """

    folder: Path
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Failed:
    """The job ended without its result.

    `text` is one sentence for the user. `kind` says whose turn it is: "user" (something in
    the input or the settings), "memory" (there was not enough), "crash" (an error of the
    program). `details` holds the traceback, or the last words of a child that died.
    """

    text: str
    details: str = ""
    kind: FailureKind = "crash"


@dataclass(frozen=True)
class Stopped:
    """The job was cancelled; the experiment in `folder` is what it was before."""

    folder: Path


Event = Progress | Done | Failed | Stopped
_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Progress, Done, Failed)}


def to_json(event: Progress | Done | Failed) -> dict[str, Any]:
    """Describe an event with what JSON can hold."""
    fields = asdict(event)
    if isinstance(event, Done):
        fields["folder"] = str(event.folder)
    return {"event": type(event).__name__, **fields}


def from_json(described: dict[str, Any]) -> Event:
    """Rebuild an event from what `to_json` gave."""
    fields = dict(described)
    kind = _KINDS[fields.pop("event")]
    if kind is Done:
        fields["folder"] = Path(fields["folder"])
        fields["notes"] = tuple(fields["notes"])
    return kind(**fields)
