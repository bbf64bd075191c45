"""Teach a query model and its classifier of one's own: annotations in, weights with cards out."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.labelme import LabelledImage, classes_of
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.store import Kind, Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, records
from napari_cellcycle.training.own_name import check_name
from napari_cellcycle.training.segment.query.split import Part

if TYPE_CHECKING:
    import torch

QueryPreset = Literal["default", "paper"]


class QueryLessonSettings(Settings):
    """How a query model and its classifier are trained."""

    preset: QueryPreset = Field("default", description="Our network, or the published one")
    epochs: int | None = Field(None, ge=1, description="Rounds of the segmenter; empty: as usual")
    kind_epochs: int | None = Field(
        None, ge=1, description="Rounds of the classifier; empty: as usual"
    )
    ignored: tuple[str, ...] = Field(
        (), description="Classes whose cells are found, but whose kind is not learned"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same models")


class Taught(NamedTuple):
    """A network, what its card has to say, and the record of its epochs."""

    state: "dict[str, torch.Tensor]"
    architecture: str
    settings: dict[str, Any]
    history: list[Epoch]


class Lesson(NamedTuple):
    """What is learned from and what is kept aside, with all that both steps need to know."""

    learned: Sequence[LabelledImage]
    held_out: Sequence[LabelledImage]
    classes: tuple[str, ...]
    settings: QueryLessonSettings
    device: "torch.device"
    folder: Path
    name: str


def teach_queries(
    name: str,
    images: Sequence[LabelledImage],
    parts: Mapping[str, Part],
    out: Path,
    settings: QueryLessonSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    command: str = "",
    progress: Progress = silent,
) -> tuple[Model, Model | None]:
    """Train on the images of the part "train", select on "validation", leave the rest alone.

    `parts` are by the names of the files. Stored are NAME, which finds cells, and NAME-kinds, which
    tells their classes; the latter only where there are two or more. While they learn, their state
    is kept beside them as NAME.training, from which an interrupted training goes on.

    Raises `BadInput` if there is nothing to learn from or the name cannot be used, and
    `CannotWrite` if the models cannot be stored.
    """
    settings = settings or QueryLessonSettings()
    learned, held_out = (_of(images, parts, part) for part in ("train", "validation"))
    if not any(image.shapes for image in learned):
        raise BadInput(
            f"None of the {len(learned)} images to learn from shows an outlined cell; "
            "expected shapes with masks; choose other images, or another split."
        )
    names = [name, f"{name}-kinds"]
    for one in names:
        check_name(one, out, _state(out, one), resume=resume, overwrite=overwrite)
    classes = tuple(c for c in classes_of(learned) if c not in settings.ignored)
    lesson = Lesson(learned, held_out, classes, settings, choose_device(device), out, name)
    models: list[Model | None] = []
    for one, kind, teach in (
        (names[0], "segment", _taught_queries),
        (names[1], "stage", _taught_kinds),
    ):
        if kind == "stage" and len(classes) < 2:
            models.append(None)
            continue
        start = time.perf_counter()
        checkpoint = Checkpoint(_state(out, one), {"images": sorted(parts), "classes": classes})
        taught = teach(lesson, checkpoint, progress)
        card = _card(one, kind, taught, lesson, command, time.perf_counter() - start)  # type: ignore[arg-type]
        models.append(save_model(taught.state, card, out))
        _state(out, one).unlink(missing_ok=True)
    assert models[0] is not None
    return models[0], models[1]


def _taught_queries(lesson: Lesson, checkpoint: Checkpoint, progress: Progress) -> Taught:
    if lesson.settings.preset == "paper":
        from napari_cellcycle.training.segment.query.paper import taught_paper

        return Taught(*taught_paper(lesson, checkpoint, progress))
    from napari_cellcycle.training.segment.query.default import taught_default

    return Taught(*taught_default(lesson, checkpoint, progress))


def _taught_kinds(lesson: Lesson, checkpoint: Checkpoint, progress: Progress) -> Taught:
    from napari_cellcycle.training.segment.query.kind import taught_crops, taught_kinds

    teach = taught_crops if lesson.settings.preset == "paper" else taught_kinds
    taught = Taught(*teach(lesson, checkpoint, progress))
    stages = stages_to_json(free_stages(lesson.classes))
    return taught._replace(settings={"stages": stages, **taught.settings})


def _of(
    images: Sequence[LabelledImage], parts: Mapping[str, Part], part: str
) -> list[LabelledImage]:
    return [image for image in images if parts.get(Path(image.path).name) == part]


def _state(out: Path, name: str) -> Path:
    return out / f"{name}.training"


def _card(
    name: str, kind: Kind, taught: Taught, lesson: Lesson, command: str, seconds: float
) -> ModelCard:
    return ModelCard(
        name=name,
        kind=kind,
        architecture=taught.architecture,
        description="Finds cells at points" if kind == "segment" else "Tells the kinds of cells",
        settings={**taught.settings, "training": records(taught.history)},
        data=sorted({Path(image.path).name for image in lesson.learned}),
        split=f"{len(lesson.learned)} images learned from, {len(lesson.held_out)} kept aside to "
        "choose the epoch",
        command=command,
        licence="that of the data it was trained on",
        software={p: version(p) for p in ("napari-cellcycle", "torch", "numpy")},
        seconds=seconds,
    )


def annotated(images: Sequence[LabelledImage], progress: Progress, message: str) -> list[Any]:
    """Images with their masks, decoded one after the other."""
    return [image.annotated() for image in track_progress(images, len(images), progress, message)]


def usual_diameter(images: Sequence[LabelledImage]) -> float:
    """Median diameter of all outlined cells, in pixels."""
    areas = [int(shape.mask.sum()) for image in images for shape in image.shapes]
    return float(2 * np.sqrt(np.median([area for area in areas if area]) / np.pi))
