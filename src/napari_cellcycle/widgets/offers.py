"""The models that a step offers, and what each is, in plain words."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_cellcycle.errors import UserError
from napari_cellcycle.models.store import Kind, Model, find_model, list_models

CELLPOSE_3 = {
    "cyto3": "Cellpose: whole cells of many kinds, stained or not; fetched once, 25 MB",
    "nuclei": "Cellpose: nuclei of many kinds; fetched once, 25 MB",
    "cyto2": "Cellpose: whole cells whose body is stained; fetched once, 25 MB",
}
CELLPOSE_4 = {
    "cpsam": "Cellpose-SAM: cells of nearly any kind; fetched once, 1.2 GB, slow without a "
    "graphics card",
}
THRESHOLD = "No network: what is brighter than its surroundings; good for bright, separate cells"
_SEEN = "; its probability map is shown with the preview"


def offered_models(kind: Kind, folder: str | None) -> dict[str, str]:
    """Names of the models there are for a step, ours first, and what to say of each."""
    cards = [model.card for model in list_models(kind, folder)]
    known = {card.name: card.description for card in cards}
    if kind != "segment":
        return known
    maps = query_models(folder)
    shown = {name: text + _SEEN if name in maps else text for name, text in known.items()}
    return {**shown, **_cellpose(), "threshold": THRESHOLD}


def query_models(folder: str | None) -> set[str]:
    """Names of the segmentation models that are asked point by point, and so have a map to show."""
    return {model.card.name for model in list_models("segment", folder) if _is_query(model)}


def is_query_file(name: str) -> bool:
    """Whether `name` is the path of such a model."""
    if Path(name).suffix != ".safetensors":
        return False
    try:
        return _is_query(find_model(name, "segment"))
    except UserError:
        return False


def sees_colours(name: str, folder: str | None) -> bool:
    """Whether the segmentation model of that name, or file, looks at all channels."""
    return name in query_models(folder) or is_query_file(name)


def _is_query(model: Model) -> bool:
    return model.card.architecture.startswith("coordinate queries")


def _cellpose() -> dict[str, str]:
    """Models of the Cellpose that is installed; nothing is imported."""
    try:
        return CELLPOSE_3 if int(version("cellpose").split(".")[0]) < 4 else CELLPOSE_4
    except (PackageNotFoundError, ValueError):
        return {}
