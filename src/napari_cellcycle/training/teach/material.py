"""What a teaching begins with: its experiments as they were when it began, and its base models."""

from collections.abc import Sequence
from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.experiment import is_experiment, open_experiment, save_experiment
from napari_cellcycle.io.storage import NOTHING, replaced_folder
from napari_cellcycle.models.segment.cellpose import is_cellpose
from napari_cellcycle.models.store import Kind, Model, ModelCard, find_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.teach.lesson import Named
from napari_cellcycle.training.teach.plan import architecture_of
from napari_cellcycle.training.teach.request import TeachRequest

DATA = "data"
"""Folder, in that of a teaching, with the experiments as they were when it began."""
_TEACHES = {
    "segment": "'cellcycle-nuclei' or one made from it",
    "link": "'cellcycle-links', 'simple' or one made from them",
    "stage": "'rnn', 'frame' or one made from them",
}


def open_material(request: TeachRequest, progress: Progress = silent) -> list[Named]:
    """The experiments of a teaching, as they were when it began.

    They are copied into its folder first (masks and tables; of a movie its path), so that what is
    corrected meanwhile does not change what an interrupted teaching goes on with.

    Raises `BadInput` if a source is no experiment, or is given twice.
    """
    place = request.folder / DATA
    names = _names(request.sources)
    if not place.is_dir():
        with replaced_folder(place, own=NOTHING) as draft:
            for done, (source, name) in enumerate(zip(request.sources, names, strict=True)):
                progress(done, len(names), "Copying the corrections")
                save_experiment(open_experiment(source), draft / name)
    return [(name.removesuffix(".cellcycle"), open_experiment(place / name)) for name in names]


def _names(sources: Sequence[Path]) -> list[str]:
    if not sources:
        raise BadInput("There is nothing to learn from: name at least one experiment.")
    found: list[str] = []
    places: set[Path] = set()
    for source in sources:
        place = Path(source).expanduser()
        if not is_experiment(place):
            raise BadInput(
                f"{place} is no experiment, but models are taught from corrected ones: give a "
                "folder NAME.cellcycle."
            )
        if place.resolve() in places:
            raise BadInput(f"{place} is given twice: give each experiment once.")
        places.add(place.resolve())
        stem, number = place.name.removesuffix(".cellcycle"), 2
        name = f"{stem}.cellcycle"
        while name in found:
            name, number = f"{stem}-{number}.cellcycle", number + 1
        found.append(name)
    return found


def can_be_taught(card: ModelCard) -> bool:
    """Whether a model can be taught further from corrections, which show one channel."""
    return architecture_of(card.architecture) is not None and _channels(card) == 1


def _channels(card: ModelCard) -> int:
    """How many channels a stage model looks at, which crops of cells can be trained with."""
    return int(card.settings.get("channels", 1)) if card.kind == "stage" else 1


def base_of(request: TeachRequest, kind: Kind) -> Model:
    """The model of a kind to begin with.

    Raises `BadInput` if it cannot be taught so, `MissingModel` if it is not there.
    """
    name = request.base(kind)
    if kind == "segment" and is_cellpose(name):
        raise BadInput(
            f"{name!r} is a model of Cellpose, which is taught with 'napari-cellcycle train "
            f"segment --base {name}': choose {_TEACHES[kind]} to teach from here."
        )
    model = find_model(name, kind, request.model_folder)
    if architecture_of(model.card.architecture) is None:
        raise BadInput(
            f"The model {name!r} is of a kind ({model.card.architecture}) that cannot be taught "
            f"further from corrections: choose {_TEACHES[kind]}, or see 'napari-cellcycle train "
            f"{kind} --help'."
        )
    if not can_be_taught(model.card):
        raise BadInput(
            f"The model {name!r} looks at {_channels(model.card)} channels, but corrections show "
            f"cells in one: choose {_TEACHES[kind]}, or see 'napari-cellcycle train {kind} --help'."
        )
    return model
