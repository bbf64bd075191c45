"""Proposed models on their way into the library, or out of the world."""

from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.library import (
    check_name,
    delete_files,
    files_of,
    store_files,
    use_instead,
)
from napari_cellcycle.models.store import Kind, Model, find_model, own_folder
from napari_cellcycle.training.teach.request import TeachRequest, read_request, settled
from napari_cellcycle.training.teach.result import TaughtModel, TaughtResult

PROPOSED = "proposed"
"""Folder, in that of a teaching, with the models that are not of the library yet."""
JOB, RESULT = "job.json", "result.json"


def read_result(folder: str | Path) -> TaughtResult | None:
    """What came of the teaching in a folder; None if it is not over.

    Raises `BadInput` if the file is damaged.
    """
    path = Path(folder) / RESULT
    try:
        return TaughtResult.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read ({type(error).__name__}), so nobody knows what came of this "
            "teaching: delete it, and teach again."
        ) from error


def write_result(result: TaughtResult) -> None:
    """Keep a result in the folder of its teaching."""
    _write(result.folder / RESULT, result.model_dump_json(indent=1))


def keep_request(request: TeachRequest) -> TeachRequest:
    """Keep the job file of a teaching, its base models named; gives what is asked for by it.

    A job file that is there already stays: a teaching asks for the same until it is over.

    Raises `BadInput` for a name that no model can have, `NameTaken` for one that a model has.
    """
    path = request.folder / JOB
    if path.is_file():
        return read_request(path).model_copy(update={"model_folder": request.model_folder})
    for name in request.names.values():
        check_name(name, request.model_folder)
    named = settled(request)
    _write(path, named.model_dump_json(indent=1))
    return named


def write_part(request: TeachRequest, model: TaughtModel) -> None:
    """Keep the proposal of one kind, so that it is not taught again."""
    _write(_part(request, model.kind), model.model_dump_json(indent=1))


def read_part(request: TeachRequest, kind: Kind) -> TaughtModel | None:
    """The proposal of one kind, if it was made before the teaching was interrupted."""
    try:
        text = _part(request, kind).read_text(encoding="utf-8")
        found = TaughtModel.model_validate_json(text)
    except (OSError, ValueError):
        return None
    return found if found.path.is_file() else None


def proposed(result: TaughtResult, kind: Kind) -> Model:
    """The proposed model, to be tried without accepting it: steps take its path as `model`.

    Raises `BadInput` if there is none (any more).
    """
    found = result.of(kind)
    if found is None or found.discarded or not found.path.is_file():
        raise BadInput(
            f"There is no proposed model of the kind {kind!r} in {result.folder} (any more): teach "
            "again."
        )
    return find_model(str(found.path), kind, result.request.model_folder)


def accept(
    result: TaughtResult, kind: Kind, *, name: str | None = None, use: bool = True
) -> tuple[TaughtResult, Model]:
    """Make the proposed model of a kind one of the library, and (`use`) the one that is in use.

    Gives the result with that noted, and the model. `roll_back` of the library is the way back.

    Raises `BadInput` if there is no such proposal (any more), `NameTaken`, `CannotWrite`.
    """
    model, folder = proposed(result, kind), result.request.model_folder
    name = name or model.card.name
    check_name(name, folder)
    card = model.card.model_copy(update={"name": name})
    place = own_folder(folder)
    with writing_to(place / name):
        accepted = store_files(files_of(model), card, place)
    if use:
        use_instead(accepted, folder)
    return _noted(result, kind, accepted=name), accepted


def discard(result: TaughtResult, kind: Kind) -> TaughtResult:
    """Delete the proposed model of a kind; the old one stays in use."""
    model = proposed(result, kind)
    with writing_to(model.path):
        delete_files(files_of(model))
    return _noted(result, kind, discarded=True)


def _noted(result: TaughtResult, kind: Kind, **noted: object) -> TaughtResult:
    models = tuple(
        each.model_copy(update=noted) if each.kind == kind else each for each in result.models
    )
    changed = result.model_copy(update={"models": models})
    write_result(changed)
    return changed


def _part(request: TeachRequest, kind: Kind) -> Path:
    return request.folder / f"{kind}.json"


def _write(path: Path, text: str) -> None:
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text + "\n")
