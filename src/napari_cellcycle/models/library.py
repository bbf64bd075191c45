"""The library of models: what there is, which is in use, other names, the bin, and the way back.

The user's own models lie in one folder, each as weights with a card of the same name. Which model
of a kind is in use is remembered there, and removed models are kept there, to be brought back.
"""

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from napari_cellcycle.config import ClassifySettings, SegmentSettings, TrackSettings
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.library_uses import read_uses, write_uses
from napari_cellcycle.models.segment.cellpose import VERSION_3, VERSION_4
from napari_cellcycle.models.store import (
    SHIPPED,
    Kind,
    Model,
    ModelCard,
    find_model,
    list_models,
    named_models,
    own_folder,
)

KINDS: tuple[Kind, ...] = get_args(Kind)
_FALLBACK = {
    "segment": SegmentSettings().model,
    "link": TrackSettings().model,
    "stage": ClassifySettings().model,
}
_BIN = "_removed"
"""No model can have this name, so no file of a model is ever taken for it."""
_LONGEST = 64
_OTHERS = frozenset(
    name.casefold() for name in (*VERSION_3, *VERSION_4, "threshold", "none", "cellpose")
)


class NameTaken(BadInput):
    """A model is called that already; `offer` is a name that is free."""

    def __init__(self, text: str, offer: str) -> None:
        super().__init__(f"{text}: choose another name, such as {offer!r}.")
        self.offer = offer


@dataclass(frozen=True)
class Entry:
    """A model of the library; `shipped` came with the package, `used` is what its step takes."""

    model: Model
    shipped: bool
    used: bool


@dataclass(frozen=True)
class Removed:
    """A model in the bin: its card, when it was removed, and the folder that holds it."""

    card: ModelCard
    when: datetime
    place: Path


def list_entries(kind: Kind | None = None, folder: str | Path | None = None) -> list[Entry]:
    """All models there are, the shipped ones first; of one `kind` if it is given."""
    used = {each: default_model(each, folder) for each in KINDS}
    return [
        Entry(model, is_shipped(model), model.card.name == used[model.card.kind])
        for model in list_models(kind, folder)
    ]


def is_shipped(model: Model) -> bool:
    """Whether the model came with the package."""
    return model.path.parent == SHIPPED


def pick_model(name: str, folder: str | Path | None = None) -> Model:
    """The model of that name, whatever it does; `MissingModel` if there is none."""
    found = named_models(name, folder)
    if not found:
        names = ", ".join(model.card.name for model in list_models(folder=folder)) or "none"
        raise MissingModel(f"No model is called {name!r}; there are: {names}; choose one of them.")
    return found[0]


def check_name(name: str, folder: str | Path | None = None) -> None:
    """Raise `BadInput` if no model can be called `name`, `NameTaken` if one is."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > _LONGEST:
        raise BadInput(
            f"{name[:80]!r} cannot be the name of a model: use letters, digits, '-' and '_' only, "
            f"at most {_LONGEST}, such as my-model."
        )
    if name.casefold() in _OTHERS:
        raise NameTaken(f"{name!r} has a meaning of its own", free_name(name, folder))
    if name.casefold() in _taken(folder):
        raise NameTaken(f"A model is called {name!r} already", free_name(name, folder))


def free_name(name: str, folder: str | Path | None = None) -> str:
    """A name like `name` that no model has."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[: _LONGEST - 4] or "model"
    stem = re.sub(r"-\d{1,3}$", "", plain) or plain
    taken = _taken(folder) | _OTHERS
    candidates = (plain, *(f"{stem}-{number}" for number in range(2, 1000)))
    return next(each for each in candidates if each.casefold() not in taken)


def _taken(folder: str | Path | None) -> set[str]:
    known = {model.card.name.casefold() for model in list_models(folder=folder)}
    cards = {path.stem.casefold() for path in own_folder(folder).glob("*.json")}
    return known | cards


def default_model(kind: Kind, folder: str | Path | None = None) -> str:
    """Name of the model of a kind that is in use: the one chosen last, or the shipped one."""
    name = read_uses(folder).used.get(kind)
    if name is None:
        return _FALLBACK[kind]
    found = [model for model in named_models(name, folder) if model.card.kind == kind]
    return found[0].card.name if found else _FALLBACK[kind]


def use_model(model: Model, folder: str | Path | None = None) -> None:
    """Have the step of its kind take this model from now on.

    Raises `BadInput` if no step can run it.
    """
    from napari_cellcycle.models.known import can_be_in_use

    if not can_be_in_use(model.card):
        raise BadInput(
            f"{model.card.name!r} is of a kind ({model.card.architecture}) that no step can run, "
            "so it cannot be in use; choose another model."
        )
    write_uses(read_uses(folder).using(model.card.kind, model.card.name), folder)


def use_instead(model: Model, folder: str | Path | None = None) -> None:
    """Have the step of its kind take a new model, and remember which it took before.

    `roll_back` is the way back. Raises `BadInput` if no step can run it.
    """
    former = default_model(model.card.kind, folder)
    use_model(model, folder)
    write_uses(read_uses(folder).using(model.card.kind, model.card.name, former), folder)


def roll_back(kind: Kind, folder: str | Path | None = None) -> Model:
    """Have the model in use replaced by the former one, which is given.

    Raises `MissingModel` if there is none, or it is not there.
    """
    former = former_of(kind, folder)
    if former is None:
        model = find_model(default_model(kind, folder), kind, folder)
        raise MissingModel(_no_way_back(model.card, folder))
    use_model(former, folder)
    return former


def former_of(kind: Kind, folder: str | Path | None = None) -> Model | None:
    """The model that was in use before the one that is, or else the one that this was taught from.

    None if there was none, or it is not there.
    """
    model = find_model(default_model(kind, folder), kind, folder)
    name = read_uses(folder).former(kind, model.card.name)
    if name is None:
        return parent_of(model.card, folder)
    return next((each for each in named_models(name, folder) if each.card.kind == kind), None)


def _no_way_back(card: ModelCard, folder: str | Path | None) -> str:
    before = read_uses(folder).former(card.kind, card.name)
    name = before or card.parent
    if name is None:
        return (
            f"The model in use, {card.name!r}, was not taught from another, so there is none to go "
            "back to; choose one and use it."
        )
    in_bin = any(name == removed.card.name for removed in list_removed(folder))
    mend = "bring it back from the bin first" if in_bin else "choose another and use it"
    came = "came into use instead of" if before else "was taught from"
    return (
        f"The model in use, {card.name!r}, {came} {name!r}, which is not among your models; {mend}."
    )


def parent_of(card: ModelCard, folder: str | Path | None = None) -> Model | None:
    """The model that another was taught from; None if there was none, or it is not there.

    A model made later under the name of the former one is not taken for it.
    """
    if card.parent is None:
        return None
    for model in named_models(card.parent, folder):
        is_older = is_shipped(model) or _made(model.card) <= _made(card)
        if model.card.kind == card.kind and model.card.name != card.name and is_older:
            return model
    return None


def _made(card: ModelCard) -> datetime:
    return card.created if card.created.tzinfo else card.created.replace(tzinfo=UTC)


def rename_model(model: Model, name: str, folder: str | Path | None = None) -> Model:
    """Call one's own model `name`; what was taught from it, and what is in use, follow.

    Raises `BadInput` for a shipped model or a name that cannot be, `NameTaken`, `CannotWrite`.
    """
    _refuse_shipped(model, "keeps its name")
    check_name(name, folder)
    former = [each for each in model.card.former_names if each != name]
    card = model.card.model_copy(update={"name": name, "former_names": [*former, model.card.name]})
    place = model.path.parent
    with writing_to(place / name):
        renamed = store_files(files_of(model), card, place)
        write_uses(read_uses(folder).renamed(card.kind, model.card.name, name), folder)
        _tell_children(model.card, name, folder)
        delete_files(files_of(model))
    return renamed


def _tell_children(parent: ModelCard, name: str, folder: str | Path | None) -> None:
    for model in list_models(parent.kind, folder):
        found = parent_of(model.card, folder)
        if found and found.card.name == parent.name and not is_shipped(model):
            card = model.card.model_copy(update={"parent": name})
            write_card(card, model.path.with_suffix(".json"))


def remove_model(model: Model, folder: str | Path | None = None) -> Removed:
    """Move one's own model to the bin; if it was in use, the shipped one is again.

    Raises `BadInput` for a shipped model, `CannotWrite` if it cannot be moved.
    """
    _refuse_shipped(model, "cannot be removed")
    when = datetime.now(UTC)
    place = model.path.parent / _BIN / f"{when:%Y%m%d-%H%M%S-%f}-{model.card.name}"
    with writing_to(place):
        place.mkdir(parents=True)
        store_files(files_of(model), model.card, place)
        uses = read_uses(folder)
        write_uses(uses.without(model.card.kind, model.card.name), folder)
        delete_files(files_of(model))
    return Removed(model.card, when, place)


def list_removed(folder: str | Path | None = None) -> list[Removed]:
    """What is in the bin, the last removed first."""
    found = []
    for place in sorted((own_folder(folder) / _BIN).glob("*-*"), reverse=True):
        with suppress(OSError, ValueError):
            path = place / f"{place.name[23:]}.json"
            card = ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
            when = datetime.strptime(place.name[:22], "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
            if path.with_suffix(".safetensors").is_file():
                found.append(Removed(card, when, place))
    return found


def restore_model(
    removed: Removed, folder: str | Path | None = None, name: str | None = None
) -> Model:
    """Bring a model back from the bin, as `name` if that is given.

    Raises `NameTaken` if another has its name by now, `MissingModel` if it is not in the bin.
    """
    name = name or removed.card.name
    check_name(name, folder)
    path = removed.place / f"{removed.card.name}.safetensors"
    if not path.is_file():
        raise MissingModel(f"{removed.card.name!r} is not in the bin any more; nothing was done.")
    former = removed.card.former_names
    if name != removed.card.name:
        former = [*former, removed.card.name]
    card = removed.card.model_copy(update={"name": name, "former_names": former})
    place = own_folder(folder)
    with writing_to(place / name):
        restored = store_files(files_of(Model(removed.card, path)), card, place)
        shutil.rmtree(removed.place)
    return restored


def empty_bin(folder: str | Path | None = None) -> int:
    """Delete what is in the bin for good; gives how many models that were."""
    removed = list_removed(folder)
    place = own_folder(folder) / _BIN
    with writing_to(place):
        if place.is_dir():
            shutil.rmtree(place)
    return len(removed)


def files_of(model: Model) -> list[Path]:
    """Weights, card, and what else of the same name was stored with them (learning curves)."""
    return sorted(
        path
        for path in model.path.parent.glob(f"{model.path.stem}.*")
        if path.is_file() and path.suffix not in (".training", ".part", ".cellmodel")
    )


def store_files(files: list[Path], card: ModelCard, folder: Path) -> Model:
    """Have the files of a model in `folder` too, under the name of `card`, which is written last.

    Until then there is no such model, so that no moment knows half of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = next(path.stem for path in files if path.suffix == ".safetensors")
    for path in files:
        target = folder / f"{card.name}{path.name.removeprefix(stem)}"
        if target.name != f"{card.name}.json":
            _place(path, target)
    write_card(card, folder / f"{card.name}.json")
    return Model(card, folder / f"{card.name}.safetensors")


def write_card(card: ModelCard, path: Path) -> None:
    """Replace the file of a card, whole or not at all."""
    replace_file(path, card.model_dump_json(indent=2) + "\n")


def delete_files(files: list[Path]) -> None:
    """Delete the files of a model, its card first: without that there is no such model."""
    for path in sorted(files, key=lambda path: path.suffix != ".json"):
        path.unlink(missing_ok=True)


def _place(source: Path, target: Path) -> None:
    """Have a file at `target` too; whole or not at all, and without a second copy if possible."""
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        try:
            os.link(source, draft)
        except OSError:  # file systems without links
            shutil.copy2(source, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _refuse_shipped(model: Model, why: str) -> None:
    if is_shipped(model):
        raise BadInput(
            f"{model.card.name!r} came with the package and {why}; choose a model of your own."
        )
