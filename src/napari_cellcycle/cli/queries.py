"""The commands of the point-based cell pipeline: split, train, score, and find cells."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_cellcycle.cli.console import Bar, say
from napari_cellcycle.cli.options import AUTO, Device, ModelFolder, ModelOut, ReplaceModel, Resume

Annotations = Annotated[
    Path,
    typer.Argument(help="Folder of JSON files as X-AnyLabeling or labelme save them, one an image"),
]
Split = Annotated[
    Path | None,
    typer.Option(help="Table (CSV) with the columns file and split; dealt by chance if not given"),
]


class PresetName(StrEnum):
    """Kinds of query models that can be trained."""

    DEFAULT = "default"
    PAPER = "paper"


class PartName(StrEnum):
    """Parts of a split that can be scored."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"


def prepare(
    annotations: Annotations,
    out: Annotated[Path, typer.Option(help="Table (CSV) to write, such as split.csv")],
    test: Annotated[float, typer.Option(min=0, max=0.9, help="Share of images to test on")] = 0.2,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of images to choose the best epoch with")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed deals alike")] = 0,
) -> None:
    """Deal annotated images into those to learn from, to select with and to test on.

    With the usual shares and seed, as published.

    Example: napari-cellcycle queries prepare annotations --out split.csv
    """
    from napari_cellcycle.io.labelme import annotation_files
    from napari_cellcycle.training.segment.query.split import PARTS, published_split, write_split

    names = [path.name for path in annotation_files(annotations)]
    parts = published_split(names, test=test, validation=validation, seed=seed)
    write_split(parts, out)
    counts = ", ".join(f"{part} {list(parts.values()).count(part)}" for part in PARTS)
    say(f"{out}: {counts}")


def train(
    annotations: Annotations,
    name: Annotated[str, typer.Option(help="Name of the new model, such as my-nuclei")],
    out: ModelOut = None,
    split: Split = None,
    preset: Annotated[
        PresetName, typer.Option(help="Our network ('default'), or the published one")
    ] = PresetName.DEFAULT,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Rounds of the segmenter; as usual if not given")
    ] = None,
    kind_epochs: Annotated[
        int | None, typer.Option(min=1, help="Rounds of the classifier; as usual if not given")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Class whose cells are found, but whose kind is not learned"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same models")] = 0,
    resume: Resume = False,
    overwrite: ReplaceModel = False,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Train a model that finds cells at points, and one that tells their classes.

    The second is called NAME-kinds, and made where there are two classes or more.

    Example: napari-cellcycle queries train annotations --split split.csv --name my-nuclei
    """
    from napari_cellcycle.io.labelme import read_folder
    from napari_cellcycle.models.store import own_folder
    from napari_cellcycle.training.segment.query.own import QueryLessonSettings, teach_queries
    from napari_cellcycle.training.segment.query.split import parts_of

    images = read_folder(annotations)
    settings = QueryLessonSettings(
        preset=preset.value,
        epochs=epochs,
        kind_epochs=kind_epochs,
        ignored=tuple(ignore or ()),
        seed=seed,
    )
    with Bar() as bar:
        models = teach_queries(
            name,
            images,
            parts_of(images, split),
            out or own_folder(model_folder),
            settings,
            resume=resume,
            overwrite=overwrite,
            device=device.value,
            command=shlex.join(["napari-cellcycle", *sys.argv[1:]]),
            progress=bar,
        )
    for model in models:
        if model is not None:
            say(f"The model is {model.path}.")


def evaluate(
    annotations: Annotations,
    model: Annotated[str, typer.Option(help="Model that finds cells, by name or file")],
    kinds: Annotated[
        str | None, typer.Option(help="Model that tells their classes, by name or file")
    ] = None,
    split: Split = None,
    part: Annotated[PartName, typer.Option(help="Images to score")] = PartName.VALIDATION,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least height of a point on the map; the model's if not"),
    ] = None,
    smoothing: Annotated[
        float | None, typer.Option(min=0, help="Smoothing of the map, in its pixels")
    ] = None,
    radius: Annotated[
        float | None, typer.Option(min=0, help="Least distance of points, in pixels of the map")
    ] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Take connected parts instead of maxima")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write what was found to, as annotations")
    ] = None,
    device: Device = AUTO,
    model_folder: ModelFolder = None,
) -> None:
    """Score points and classes of cells against annotations, as published.

    Example: napari-cellcycle queries evaluate annotations --model my-nuclei --kinds my-nuclei-kinds
    """
    from napari_cellcycle.evaluation.labelled_cells import score_labelled, table, total
    from napari_cellcycle.io.labelme import read_folder, write_labelled
    from napari_cellcycle.models.segment.query.finder import finder_of
    from napari_cellcycle.training.segment.query.split import parts_of

    images = read_folder(annotations)
    if part is not PartName.ALL:
        parts = parts_of(images, split)
        images = [image for image in images if parts.get(Path(image.path).name) == part.value]
    search = {"threshold": threshold, "smoothing": smoothing, "radius": radius}
    find = finder_of(
        model,
        kinds,
        search={k: v for k, v in search.items() if v is not None} | {"components": components},
        device=device.value,
        folder=model_folder,
    )
    with Bar() as bar:
        scored = score_labelled(images, find, progress=bar)
    say(table([(model, total(scored))]))
    if out is not None:
        for one in scored:
            name = Path(one.image.path).name
            write_labelled(one.as_annotation(), out / name)
        say(f"What was found is in {out}.")
