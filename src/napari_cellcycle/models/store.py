"""Models on disk: weights as safetensors, and a card that says where they come from."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_cellcycle.errors import CannotWrite, MissingModel

if TYPE_CHECKING:
    import torch

Kind = Literal["segment", "link", "stage"]
SHIPPED = Path(__file__).parent.parent / "weights"
_MOST_BYTES = 2_000_000_000


class Ancestor(BaseModel):
    """A model that another was taught from, as far as the other's card tells."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    created: datetime | None = None
    data: list[str] = Field(default_factory=list)


class ModelCard(BaseModel):
    """What a model is, what it was trained on and how well it does.

    `settings` holds what the network needs to be built again; `metrics` figures measured on
    data that took no part in training or selection. `examples` is how much it learned from, of
    each kind ("frames", "cells", "links", "divisions", names of stages). It was taught from the
    model `parent`; `history` names that one, the one before it and so on, for when they are not
    at hand. Experiments may know it by one of its `former_names`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    architecture: str
    description: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    data: list[str] = Field(default_factory=list)
    split: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)
    command: str = ""
    licence: str = ""
    examples: dict[str, int] = Field(default_factory=dict)
    parent: str | None = None
    history: list[Ancestor] = Field(default_factory=list)
    former_names: list[str] = Field(default_factory=list)
    software: dict[str, str] = Field(default_factory=dict)
    seconds: float | None = None
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Model:
    """A model that can be loaded: its card and its weight file."""

    card: ModelCard
    path: Path

    def weights(self) -> "dict[str, torch.Tensor]":
        """Load the tensors, by name, on the CPU and as float32."""
        from safetensors.torch import load_file

        try:
            tensors = load_file(self.path)
        except Exception as error:
            raise MissingModel(
                f"The weights in {self.path} cannot be read ({error}); "
                "expected a complete safetensors file; get the file again."
            ) from error
        return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def own_folder(folder: str | Path | None = None) -> Path:
    """Where the user's own models live: `folder`, or the usual place of this system."""
    if folder:
        return Path(folder).expanduser()
    return Path(platformdirs.user_data_dir("napari-cellcycle", appauthor=False)) / "models"


def list_models(kind: Kind | None = None, folder: str | Path | None = None) -> list[Model]:
    """Every model found, the shipped ones first; of one `kind` if it is given.

    Files whose card cannot be read are left out.
    """
    found = []
    for place in (SHIPPED, own_folder(folder)):
        for path in sorted(place.glob("*.safetensors")):
            try:
                model = _open(path)
            except MissingModel:
                continue
            if kind in (None, model.card.kind):
                found.append(model)
    return found


def named_models(name: str, folder: str | Path | None = None) -> list[Model]:
    """Models of that name; if there are none, those that had it before they were renamed."""
    found = list_models(folder=folder)
    named = [model for model in found if model.card.name == name]
    return named or [model for model in found if name in model.card.former_names]


def find_model(name: str, kind: Kind, folder: str | Path | None = None) -> Model:
    """The model called `name`, or stored in the file `name`, that does `kind`.

    A name that the model had before it was renamed will do. Raises `MissingModel`, naming the
    models there are, if it is not there or does another job.
    """
    path = Path(name).expanduser()
    model = None
    if path.suffix == ".safetensors":
        model = _open(path)
    else:
        named = named_models(name, folder)
        model = next((m for m in named if m.card.kind == kind), named[0] if named else None)
    if model is None:
        names = ", ".join(m.card.name for m in list_models(kind, folder)) or "none"
        raise MissingModel(
            f"No model called {name!r} was found; there are: {names}; "
            "choose one of them, or give the path of a .safetensors file."
        )
    if model.card.kind != kind:
        raise MissingModel(
            f"The model {name!r} is for the step {model.card.kind!r}, but one for {kind!r} is "
            f"needed; there are: {', '.join(m.card.name for m in list_models(kind, folder))}."
        )
    return model


def save_model(state: "dict[str, torch.Tensor]", card: ModelCard, folder: str | Path) -> Model:
    """Store weights and card as `folder`/NAME.safetensors and .json; replaces both or neither."""
    from safetensors.torch import save

    path = Path(folder).expanduser() / f"{card.name}.safetensors"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    told = card.model_dump_json(indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_together({path: save(tensors), path.with_suffix(".json"): told.encode()})
    except OSError as error:
        raise CannotWrite(
            f"The model cannot be written to {path.parent} ({error.strerror}); "
            "choose a folder with room that you can write to."
        ) from error
    return Model(card, path)


def _write_together(files: dict[Path, bytes]) -> None:
    """Replace files that belong together, or none of them.

    The last is away until all others are there, so that at no moment it stands beside others'.
    """
    drafts = {path: path.with_name(f"{path.name}.part") for path in files}
    former = {path: path.with_name(f"{path.name}.former.part") for path in files if path.exists()}
    with ExitStack() as tidy, ExitStack() as undo:
        for path, content in files.items():
            tidy.callback(_unlink, drafts[path])
            drafts[path].write_bytes(content)
        for path in reversed(former):
            path.replace(former[path])
            undo.callback(former[path].replace, path)
        for path in files:
            drafts[path].replace(path)
            undo.callback(_unlink, path)
        undo.pop_all()
        for path in former.values():
            tidy.callback(_unlink, path)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _open(path: Path) -> Model:
    card = path.with_suffix(".json")
    if not path.is_file() or not card.is_file():
        raise MissingModel(
            f"No model was found at {path}; expected a .safetensors file with its card, "
            f"{card.name}, beside it; check the path."
        )
    if path.stat().st_size > _MOST_BYTES:
        raise MissingModel(f"The model {path} is larger than 2 GB; no model of ours is.")
    try:
        return Model(ModelCard.model_validate_json(card.read_text(encoding="utf-8")), path)
    except (ValidationError, UnicodeDecodeError) as error:
        raise MissingModel(
            f"The card {card} cannot be read; expected the fields of a model card; "
            "get the model again."
        ) from error
