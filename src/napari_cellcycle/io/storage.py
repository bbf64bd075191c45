"""Files and folders that appear whole or not at all."""

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cellcycle.errors import CannotWrite

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or choose another disk",
    errno.EDQUOT: "your quota on that disk is used up; free some space, or choose another disk",
    errno.EFBIG: "the disk takes no file of that size; choose another disk",
    errno.EACCES: "writing there is not allowed; choose another folder, or change its permissions",
    errno.EPERM: "writing there is not allowed; choose another folder, or change its permissions",
    errno.EROFS: "that disk is read-only; choose another folder",
    errno.ENOTDIR: "part of the path is a file, not a folder; choose another name",
    errno.EEXIST: "a file of that name is in the way; choose another name",
}

EVERYTHING = r"(?s:.*)"
"""For `replaced_folder`: whatever is there may go, as the user has said."""

NOTHING = r"(?!)"
"""For `replaced_folder`: only an empty folder may be there."""

_LEFT_BY_SYSTEMS = r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini"
"""Files that an operating system puts into any folder that somebody looks at."""


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into a sentence.

    Raises
    ------
    CannotWrite
        On any `OSError`; says what could not be written, why, and what to do.
    """
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise CannotWrite(
            f"{path} could not be written, and what was there before is untouched: {reason}."
        ) from error


def replace_file(path: Path, text: str) -> None:
    """Write a text file so that at any moment either the former or the new one is there."""
    with replaced_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Offer an empty file beside `path` that takes its place if the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def replaced_folder(folder: Path, own: str) -> Iterator[Path]:
    """Offer an empty folder beside `folder` that takes its place if the block ends well.

    What `folder` held before is gone afterwards; after an error it is as it was. `own` is a
    regular expression that matches the whole name of each entry that may go: what an earlier
    call has written, `EVERYTHING` or `NOTHING`.

    Raises
    ------
    CannotWrite
        `folder` is a file, or holds an entry of another name.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links as they are
    refuse_foreign(folder, own)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        draft.chmod(0o777 & ~_umask())
        yield draft
        if folder.exists():
            former = draft.with_suffix(".old")
            folder.replace(former)
            try:
                draft.replace(folder)
            except BaseException:
                former.replace(folder)
                raise
            shutil.rmtree(former, ignore_errors=True)
        else:
            draft.replace(folder)
    except BaseException:
        remove_unfinished(draft)
        raise
    sync_folder(folder.parent)


def refuse_foreign(folder: Path, own: str) -> None:
    """Raise `CannotWrite` where `replaced_folder` would, before work is done in vain."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CannotWrite(
            f"{folder} is a file, but a folder is to be made there, and nothing was written: "
            "choose another name."
        )
    may_go = re.compile(f"(?:{_LEFT_BY_SYSTEMS})|(?:{own})")
    foreign = [path.name for path in folder.iterdir() if not may_go.fullmatch(path.name)]
    if foreign:
        raise CannotWrite(
            f"{folder} already holds other files, such as {min(foreign)}, and nothing was written: "
            "choose a new or empty folder."
        )


def remove_unfinished(path: Path) -> None:
    """Remove the file or folder that a writer left when it failed; none there is fine.

    A writer with threads of its own may still be at it: the error of one thread is told while
    others finish their files, and bring the folder back. So it is removed until it stays away.
    """
    started = seen = time.monotonic()
    while seen + 0.2 > (now := time.monotonic()) and now < started + 5:
        if path.exists():
            seen = now
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                path.unlink()
        time.sleep(0.02)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` outlive a power failure, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_files(folder: Path, since: float = 0.0) -> None:
    """Make a file, or files below a `folder`, changed after `since` outlive a power failure."""
    places = [folder, *folder.rglob("*")]
    files = [p for p in places if p.is_file() and p.stat().st_mtime >= since]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_sync_file, files))


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
