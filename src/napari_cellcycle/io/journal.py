"""The journal of an experiment: every edit, appended to a file as it is made.

`journal.jsonl` has a line for each edit, undo and redo. A line is written with one call and is
complete once its line break is there, so a crash loses at most the edit that was being made. Only
one process writes to a journal; a lock says so to others.
"""

import base64
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from napari_cellcycle.data.changes import Change, Marks, Pixels, Rows, Values
from napari_cellcycle.data.history import Edit
from napari_cellcycle.errors import BadInput, CannotWrite

NAME = "journal.jsonl"
LOCK = "journal.lock"
_BINARY = getattr(os, "O_BINARY", 0)
"""Windows would write line breaks of its own."""


@dataclass(frozen=True)
class Entry:
    """One line: an edit that was made, or that the last one was taken back or done again."""

    kind: Literal["edit", "undo", "redo"]
    edit: Edit | None = None


class InUse(CannotWrite):
    """Another window corrects the same experiment."""


class Journal:
    """Appends to the journal in an experiment folder, which no one else does meanwhile.

    What cannot be written, as the disk is full, is kept and written with the next entry; until
    then `append` raises `CannotWrite`, and `pending` tells how many entries are waiting.
    """

    def __init__(
        self, folder: str | Path, name: str = NAME, instead_of: "Journal | None" = None
    ) -> None:
        """Open or begin a journal; `instead_of` another of this process, which goes on to hold it.

        Raises `InUse` if somebody else corrects the experiment, `CannotWrite` if the disk refuses.
        """
        self.folder = Path(folder).expanduser()
        self.path = self.folder / name
        if instead_of is not None and instead_of.holds(self.folder):
            self._lock: FileLock = instead_of._lock
            self._lock.acquire()
        else:
            self._lock = _locked(self.folder)
        self._pending: list[bytes] = []
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
            self._end = _complete(self._file)
            os.ftruncate(self._file, self._end)
            self._written = sum(1 for _ in _lines(self.path))
        except OSError as error:
            self._lock.release()
            raise CannotWrite(
                f"The journal {self.path} cannot be written ({error.strerror}): make the folder "
                "writable, or save the experiment elsewhere."
            ) from error

    @property
    def pending(self) -> int:
        """Number of entries that are not on disk yet."""
        return len(self._pending)

    @property
    def count(self) -> int:
        """Number of entries, those that are not on disk yet included."""
        return self._written + len(self._pending)

    def holds(self, folder: Path) -> bool:
        """Whether it lies in `folder`, which was not moved or removed meanwhile."""
        return self.folder.resolve() == folder.resolve() and self._is_there()

    def append(self, entry: Entry) -> None:
        """Write an entry, and those that could not be written before.

        Raises `CannotWrite` if the disk is full or the folder is gone; nothing is lost by that.
        """
        self._pending.append(_to_line(entry))
        self.flush()

    def flush(self) -> None:
        """Write what is waiting. Raises `CannotWrite` as `append` does."""
        self._check_there()
        data = b"".join(self._pending)
        try:
            os.lseek(self._file, self._end, os.SEEK_SET)
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise CannotWrite(
                f"The last {len(self._pending)} corrections are not on disk yet ({error.strerror}):"
                f" free some room for {self.folder}, or save the experiment elsewhere; they are "
                "kept until then."
            ) from error
        self._end += len(data)
        self._written += len(self._pending)
        self._pending.clear()

    def close(self) -> None:
        """Write what is waiting, as far as that is possible, for good, and let others write."""
        if self._file < 0:
            return
        with suppress(CannotWrite):
            self.flush()
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        self._lock.release()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            return False

    def _check_there(self) -> None:
        if not self._is_there():
            raise CannotWrite(
                f"The folder {self.folder} was moved or removed, so corrections are not on disk "
                "any more: save the experiment elsewhere; nothing is lost until you close it."
            )


def write_journal(path: Path, entries: Iterable[Entry]) -> None:
    """Write a whole journal at once, where there is none. Raises `OSError` if the disk refuses."""
    with path.open("xb") as file:
        for entry in entries:
            file.write(_to_line(entry))


def is_complete(path: Path, entries: int) -> bool:
    """Whether a journal has so many entries at least."""
    return sum(1 for _ in _lines(path)) >= entries


def read_journal(path: str | Path) -> list[Entry]:
    """All complete entries of a journal; empty where there is none.

    A last line that was never finished is left out. Raises `BadInput` if another is damaged.
    """
    entries = []
    for number, line in enumerate(_lines(Path(path)), start=1):
        try:
            entries.append(_from_line(line))
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise BadInput(
                f"Line {number} of {path} is damaged ({type(error).__name__}): restore that file "
                "from a copy, or remove it to go back to what was saved last."
            ) from error
    return entries


def not_in_use(folder: str | Path) -> None:
    """Raise `InUse` if an experiment there is being corrected by somebody."""
    folder = Path(folder).expanduser()
    if folder.is_dir():
        _locked(folder).release()


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InUse(
            f"{folder.name} is being corrected in another window: close it there, or save this one "
            "under another name before you correct it."
        ) from error
    except OSError as error:
        raise CannotWrite(
            f"The folder {folder} cannot be written to ({error.strerror}): corrections would not "
            "be kept; save the experiment elsewhere."
        ) from error
    return lock


def _lines(path: Path) -> Iterator[bytes]:
    """The complete lines of a file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _complete(file: int) -> int:
    """Length of a file up to and with its last line break."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


# -------------------------------------------------------------------- one line


def _to_line(entry: Entry) -> bytes:
    edit = entry.edit
    if edit is None:
        return json.dumps({"do": entry.kind}).encode() + b"\n"
    told = {
        "do": entry.kind,
        "operation": edit.operation,
        "arguments": _simple(edit.arguments),
        "words": edit.words,
        "consequences": list(edit.consequences),
        "author": edit.author,
        "model": edit.model,
        "time": edit.time.isoformat(),
        "changes": [_change_to_json(change) for change in edit.changes],
    }
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _from_line(line: bytes) -> Entry:
    told = json.loads(line)
    if told["do"] in ("undo", "redo"):
        return Entry(told["do"])
    if told["do"] != "edit":
        raise ValueError(f"unknown entry {told['do']!r}")
    edit = Edit(
        told["operation"],
        told["arguments"],
        told["words"],
        tuple(_change_from_json(change) for change in told["changes"]),
        tuple(told["consequences"]),
        told["author"],
        told["model"],
        datetime.fromisoformat(told["time"]),
    )
    return Entry("edit", edit)


def _change_to_json(change: Change) -> dict[str, Any]:
    if isinstance(change, Values):
        return {
            "values": change.column,
            "cells": change.cells.tolist(),
            "before": _array_to_json(change.before),
            "after": _array_to_json(change.after),
        }
    if isinstance(change, Rows):
        table = {name: _array_to_json(values) for name, values in change.table.items()}
        return {"rows": "came" if change.came else "went", "table": table}
    if isinstance(change, Pixels):
        return {
            "pixels": change.frame,
            "corner": list(change.corner),
            "before": _array_to_json(_compact(change.before)),
            "after": _array_to_json(_compact(change.after)),
        }
    added, removed = (_simple(sorted(entries)) for entries in (change.added, change.removed))
    return {"marks": change.mark, "added": added, "removed": removed}


def _change_from_json(told: dict[str, Any]) -> Change:
    if "values" in told:
        cells = np.array(told["cells"], np.int64)
        before, after = (_array_from_json(told[name]) for name in ("before", "after"))
        return Values(told["values"], cells, before, after)
    if "rows" in told:
        table = {name: _array_from_json(values) for name, values in told["table"].items()}
        return Rows(told["rows"] == "came", table)
    if "pixels" in told:
        before, after = (
            _array_from_json(told[name]).astype(np.int32) for name in ("before", "after")
        )
        return Pixels(int(told["pixels"]), tuple(told["corner"]), before, after)
    added, removed = (frozenset(map(tuple, told[name])) for name in ("added", "removed"))
    return Marks(told["marks"], added, removed)


def _compact(masks: np.ndarray) -> np.ndarray:
    """Masks as the smallest whole numbers that hold them."""
    least, most = int(masks.min(initial=0)), int(masks.max(initial=0))
    return masks if least < 0 else masks.astype(np.min_scalar_type(most))


def _array_to_json(values: np.ndarray) -> Any:
    """A list of texts, or the bytes of numbers with their type and shape, compressed."""
    if values.dtype == object:
        return _simple(values.tolist())
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 1)).decode()
    return {"type": values.dtype.str, "shape": list(values.shape), "data": data}


def _array_from_json(told: Any) -> np.ndarray:
    if isinstance(told, list):
        return np.array(told, object)
    data = zlib.decompress(base64.b64decode(told["data"]))
    return np.frombuffer(data, np.dtype(told["type"])).reshape(told["shape"]).copy()


def are_masks(value: Any) -> bool:
    """Whether an argument of an edit is masks, which its changes hold as well."""
    return isinstance(value, np.ndarray) and value.ndim > 1


def _simple(value: Any) -> Any:
    """What JSON can hold of a value; masks are left out, as the changes have them."""
    if isinstance(value, Mapping):
        return {str(k): _simple(v) for k, v in value.items() if not are_masks(v)}
    if isinstance(value, list | tuple | set | frozenset):
        return [_simple(part) for part in value if not are_masks(part)]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
