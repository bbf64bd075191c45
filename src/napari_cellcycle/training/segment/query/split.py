"""Which images are learned from, which are kept aside, and which are never looked at."""

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.labelme import LabelledImage
from napari_cellcycle.io.storage import replace_file, writing_to

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


def published_split(
    names: Sequence[str], *, test: float = 0.2, validation: float = 0.1, seed: int = 0
) -> dict[str, Part]:
    """The part of each name, as the point-based cell pipeline deals them.

    Names are sorted, then shuffled by Python's own generator; the first ones are for the test,
    the next for validation, whole numbers of them, and the rest is learned from.
    """
    order = sorted(names)
    random.Random(seed).shuffle(order)
    first = int(test * len(order))
    second = first + int(validation * len(order))
    parts: dict[str, Part] = dict.fromkeys(order[:first], "test")
    parts |= dict.fromkeys(order[first:second], "validation")
    return parts | dict.fromkeys(order[second:], "train")


def read_split(path: str | Path, names: Sequence[str]) -> dict[str, Part]:
    """The part of each name from a table with the columns `file` and `split`.

    Names that the table leaves out have no part. Raises `BadInput` if the table cannot be read,
    holds an unknown part, or none of the names.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["file"], row["split"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"{path} cannot be read as a split ({type(error).__name__}: {error}); expected a table "
            "(CSV) with the columns file and split."
        ) from error
    odd = next((part for _, part in rows if part not in PARTS), None)
    if odd is not None:
        raise BadInput(
            f"{path} holds the part {odd!r}; expected {', '.join(PARTS)}; correct the table."
        )
    known: Mapping[str, Part] = {file: PARTS[PARTS.index(part)] for file, part in rows}
    found = {name: known[name] for name in names if name in known}
    if not found:
        raise BadInput(
            f"{path} names none of the {len(names)} annotations; expected their file names, such "
            f"as {min(names, default='0000.json')}; choose the table that belongs to them."
        )
    return found


def parts_of(images: Sequence[LabelledImage], table: str | Path | None) -> dict[str, Part]:
    """The part of each annotation, by the name of its file: from a table, or as published."""
    names = [Path(image.path).name for image in images]
    return published_split(names) if table is None else read_split(table, names)


def write_split(parts: Mapping[str, Part], path: str | Path) -> None:
    """Write the table that `read_split` reads."""
    path = Path(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("file", "split"), *sorted(parts.items())])
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.getvalue())
