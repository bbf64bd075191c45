"""One model in one file, NAME.cellmodel: a zip archive of its card and its weights, no more.

Files from elsewhere are not trusted: nothing in them is run, and nothing is written before all of
it was looked at.
"""

import json
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from napari_cellcycle.errors import BadInput, CannotWrite, MissingModel
from napari_cellcycle.io.storage import sync_folder, writing_to
from napari_cellcycle.models.known import is_known
from napari_cellcycle.models.library import (
    KINDS,
    NameTaken,
    check_name,
    free_name,
    write_card,
)
from napari_cellcycle.models.library_cards import lineage
from napari_cellcycle.models.library_weights import check_weights
from napari_cellcycle.models.store import Model, ModelCard, own_folder

SUFFIX = ".cellmodel"
_WEIGHTS, _CARD = ".safetensors", ".json"
_MOST_WEIGHTS, _MOST_CARD = 2_000_000_000, 4_000_000
_MOST_RATIO = 20
"""Weights hardly shrink when they are packed; what shrinks more is not weights."""
_SMALL = 1_000_000
_PIECE = 1 << 20
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib")
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
"""What unpacking may raise; NotImplementedError is a RuntimeError."""


def export_model(
    model: Model, path: Path, folder: str | Path | None = None, *, overwrite: bool = False
) -> Path:
    """Write a model to one file and give its path, which ends in .cellmodel.

    `path` may be a folder. The card in it names all models that this one goes back to, as far as
    they are known.

    Raises `BadInput` if the weights are damaged or a file is in the way, `CannotWrite`.
    """
    name = model.card.name
    path = path / name if path.is_dir() else path
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    if path.exists() and not overwrite:
        raise BadInput(f"{path} exists already: choose another name.")
    check_weights(model.path, model.path.name)
    card = model.card.model_copy(update={"history": lineage(model.card, folder)})
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                    archive.writestr(f"{name}{_CARD}", card.model_dump_json(indent=2) + "\n")
                    archive.write(model.path, f"{name}{_WEIGHTS}")
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        sync_folder(path.parent)
    return path


def import_model(path: Path, folder: str | Path | None = None, name: str | None = None) -> Model:
    """Take over a model from a .cellmodel file, as `name` if that is given.

    Raises
    ------
    BadInput
        The file is something else, or anything in it is not as it should be.
    NameTaken
        Another model has that name; `offer` is a free one.
    CannotWrite
        It cannot be stored; what was there before is untouched.
    """
    with _opened(path) as archive:
        card_member, weights_member = _members(archive, path)
        card = _card(_read(archive, card_member, path), path)
        if name is None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", card.name):
            name = free_name(card.name, folder)
        name = name or card.name
        check_name(name, folder)
        if name != card.name:
            former = [*card.former_names, card.name]
            card = card.model_copy(update={"name": name, "former_names": former})
        return _taken_over(archive, weights_member, card, path, own_folder(folder))


def _taken_over(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, card: ModelCard, path: Path, folder: Path
) -> Model:
    target = folder / f"{card.name}{_WEIGHTS}"
    with writing_to(target):
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, member.file_size)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=folder)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                _copy(archive, member, file, path)
                file.flush()
                os.fsync(file.fileno())
            check_weights(draft, path.name)
            draft.chmod(0o644)
            draft.replace(target)
            write_card(card, target.with_suffix(_CARD))
        except BaseException:
            draft.unlink(missing_ok=True)
            if not target.with_suffix(_CARD).exists():
                target.unlink(missing_ok=True)
            raise
    return Model(card, target)


def _opened(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise BadInput(f"{path} is not there, or is no file; choose a file ending in {SUFFIX}.")
    if path.stat().st_size > _MOST_WEIGHTS + _MOST_CARD:
        raise _refused(path, "is larger than 2 GB, and no model of ours is")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise BadInput(
            f"{path.name} is no exported model, or only part of one; expected a file that 'Export' "
            f"made, ending in {SUFFIX}: get it again."
        ) from error


def _members(archive: zipfile.ZipFile, path: Path) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo]:
    """The card and the weights; `BadInput` if anything about the contents is odd."""
    members = archive.infolist()
    for member in members[:100]:
        _check_member(member, path)
    by_suffix = {PurePosixPath(member.filename).suffix: member for member in members}
    stems = {PurePosixPath(member.filename).stem for member in members}
    if len(members) != 2 or by_suffix.keys() != {_CARD, _WEIGHTS} or len(stems) != 1:
        names = ", ".join(repr(member.filename[:80]) for member in members[:3]) or "nothing"
        more = f" and {len(members) - 3} more" if len(members) > 3 else ""
        raise _refused(path, f"holds {names}{more} instead of one card (.json) and its weights")
    card, weights = by_suffix[_CARD], by_suffix[_WEIGHTS]
    for member, most in ((card, _MOST_CARD), (weights, _MOST_WEIGHTS)):
        _check_size(member, most, path)
    return card, weights


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    name = getattr(member, "orig_filename", member.filename)
    shown = repr(name[:80])
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refused(path, f"holds a link ({shown}), which could lead anywhere")
    if re.match(r"[/\\]|[A-Za-z]:", name):
        raise _refused(path, f"holds {shown}, which is to be written to a fixed place")
    if ".." in re.split(r"[/\\]", name):
        raise _refused(path, f"holds {shown}, which leads out of the folder of models")
    if Path(name).suffix.lower() in _PICKLES:
        raise _refused(path, f"holds a pickle ({shown}), which could run a program")
    if re.search(r"[/\\\0]", name) or member.is_dir():
        raise _refused(path, f"holds {shown}, which is to be written to another folder")
    if member.flag_bits & _ENCRYPTED:
        raise _refused(path, f"is encrypted ({shown})")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(path, f"is packed in a way that models are not ({shown})")


def _check_size(member: zipfile.ZipInfo, most: int, path: Path) -> None:
    shown, size = repr(member.filename[:80]), member.file_size
    if size > most:
        told = f"{size / 1e6:,.0f} MB" if size < 1e13 else "more than 10,000,000 MB"
        raise _refused(path, f"says that {shown} takes {told}, and {most / 1e6:,.0f} MB is most")
    if size > _SMALL and size > _MOST_RATIO * max(member.compress_size, 1):
        raise _refused(
            path,
            f"says that {shown} grows to {size / max(member.compress_size, 1):,.0f} times its size "
            "when it is unpacked, which weights never do",
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        with archive.open(member) as source:
            return source.read(_MOST_CARD)
    except _DAMAGED as error:
        raise _damaged(path) from error


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Any, path: Path) -> None:
    """Unpack piece by piece, never more than was declared."""
    left = member.file_size
    try:
        source = archive.open(member)
    except _DAMAGED as error:
        raise _damaged(path) from error
    with source:
        while True:
            try:
                piece = source.read(_PIECE)
            except _DAMAGED as error:
                raise _damaged(path) from error
            if not piece:
                break
            left -= len(piece)
            if left < 0:
                raise _damaged(path)
            file.write(piece)
    if left:
        raise _damaged(path)


def _card(text: bytes, path: Path) -> ModelCard:
    """The card; `BadInput` if it is none, or tells of something that this version cannot run."""
    try:
        described = json.loads(text.decode("utf-8"))
        kind, architecture = described["kind"], described["architecture"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _refused(path, "holds a card that cannot be read or is none of a model") from error
    if kind not in KINDS:
        raise _refused(
            path,
            f"is for a step {str(kind)[:80]!r} that this version does not know "
            f"({', '.join(KINDS)}); a newer version may",
        )
    unknown = sorted(described.keys() - ModelCard.model_fields.keys())
    if unknown:
        raise _refused(
            path, f"holds a card with {unknown[0][:80]!r}, which only a newer version may know"
        )
    try:
        card = ModelCard.model_validate(described)
    except (ValidationError, RecursionError) as error:
        where = ""
        with suppress(AttributeError, IndexError):
            first = error.errors()[0]  # type: ignore[union-attr]
            where = f" ({'.'.join(map(str, first['loc']))[:80]}: {first['msg'].lower()})"
        raise _refused(path, f"holds a card that is none of a model{where}") from error
    try:
        known = is_known(card)
    except MissingModel as error:
        raise _refused(path, "holds a card whose stages cannot be read") from error
    if not known:
        raise _refused(
            path,
            f"is of a kind that this version does not know ({str(architecture)[:80]!r}); a newer "
            "version may",
        )
    return card


def _damaged(path: Path) -> BadInput:
    return _refused(path, "is damaged, and can only be unpacked in part")


def _refused(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path.name} {why}; nothing was taken over: ask for a file that 'Export' made."
    )


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + 1_000_000 > free:
        raise CannotWrite(
            f"The model takes {size / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free in "
            f"{folder}: free some space, or choose another model folder in the preferences."
        )


__all__ = ["SUFFIX", "NameTaken", "export_model", "import_model"]
