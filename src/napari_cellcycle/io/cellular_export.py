"""CELLULAR fields written as Cellpose reads them: SET/SPLIT/FIELD.tif and FIELD_masks.tif."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.cellular import Field, class_names, find_fields
from napari_cellcycle.io.cellular_field import ReadField, read_field
from napari_cellcycle.io.cellular_settings import ALL, SPLITS, PrepareSettings, SplitSettings
from napari_cellcycle.io.cellular_split import split_fields
from napari_cellcycle.io.storage import (
    EVERYTHING,
    NOTHING,
    replace_file,
    replaced_folder,
    writing_to,
)
from napari_cellcycle.progress import Progress, silent, track_progress

_LARGEST = {"png": 65_535, "tif": 2**31 - 1}


@dataclass(frozen=True)
class Prepared:
    """What was written: fields and cells in each split, cells of each class, and notes."""

    fields: dict[str, int]
    cells: dict[str, int]
    classes: dict[str, int]
    notes: tuple[str, ...]


def prepare_cellular(
    source: str | Path,
    out: str | Path,
    settings: PrepareSettings | None = None,
    split: SplitSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Prepared:
    """Write the fields of `source` to `out`, which appears whole or not at all.

    For the set "all" and for each class: SET/SPLIT/FIELD.tif (Y, X) or (C, Y, X) and
    FIELD_masks.tif (int32, -1: unknown) or .png (16 bit). `cells.csv` says what class each label
    of "all" has, `fields.csv` the split and well of each field.

    Raises
    ------
    BadInput
        `out` exists and `overwrite` is not set, or a source that cannot be used.
    CannotWrite
        The disk refuses; `out` is then as it was.
    """
    settings, split = settings or PrepareSettings(), split or SplitSettings()
    out = Path(out).expanduser()
    if out.exists() and not overwrite and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(f"{out} exists already: choose another folder, or add --overwrite.")
    if settings.format == "png" and settings.unidentified == "ignore":
        raise BadInput(
            "PNG holds no -1, by which unknown pixels are marked: choose the format tif, or take "
            "unidentified cells as cells, or leave them out."
        )
    fields = find_fields(
        source, images=settings.images, masks=settings.masks, classes=settings.classes
    )
    splits = split_fields(fields, split)
    own = EVERYTHING if overwrite else NOTHING
    with writing_to(out), replaced_folder(out, own) as draft:
        return _write_all(fields, splits, draft, settings, progress)


def _write_all(
    fields: Sequence[Field],
    splits: dict[str, str],
    folder: Path,
    settings: PrepareSettings,
    progress: Progress,
) -> Prepared:
    sets = class_names(fields)
    if ALL in sets:
        raise BadInput("A class is called 'all', as the set of all classes is: rename its folders.")
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    for field in track_progress(fields, len(fields), progress, "Preparing"):
        read = read_field(field, settings.unidentified)
        _write_field(read, folder, splits[field.name], sets, settings)
        table = read.cells.copy()
        table.insert(0, "field", field.name)
        table.insert(1, "split", splits[field.name])
        tables.append(table)
        notes += read.notes
    cells = pd.concat(tables, ignore_index=True)
    wells = {field.name: field.well for field in fields}
    listed = pd.DataFrame({"field": list(splits), "split": list(splits.values())})
    listed["well"] = listed["field"].map(wells)
    replace_file(folder / "cells.csv", _as_text(cells))
    replace_file(folder / "fields.csv", _as_text(listed))
    missing = [name for name in SPLITS if name not in set(splits.values())]
    notes += [f"no field is in the split {name!r}" for name in missing]
    return Prepared(
        _counted(listed["split"]), _counted(cells["split"]), _counted(cells["class"]), tuple(notes)
    )


def _write_field(
    read: ReadField,
    folder: Path,
    split: str,
    sets: Sequence[str],
    settings: PrepareSettings,
) -> None:
    name = read.annotated.name
    first = folder / ALL / split / f"{name}.tif"
    for kind in (ALL, *sets):
        place = folder / kind / split
        place.mkdir(parents=True, exist_ok=True)
        if kind == ALL:
            _write_tiff(first, read.annotated.image)
        else:
            _link(first, place / first.name)
        masks = read.annotated.masks if kind == ALL else read.of_class(kind)
        _write_masks(place / f"{name}_masks.{settings.format}", masks)


def _write_masks(path: Path, masks: np.ndarray) -> None:
    if masks.max(initial=0) > _LARGEST[path.suffix[1:]]:
        raise BadInput(
            f"{path.name} would hold {masks.max():,} cells, but PNG counts to 65,535: choose the "
            "format tif."
        )
    if path.suffix == ".tif":
        _write_tiff(path, masks.astype(np.int32))
        return
    from skimage.io import imsave

    imsave(path, masks.astype(np.uint16), check_contrast=False)


def _write_tiff(path: Path, array: np.ndarray) -> None:
    import tifffile

    tifffile.imwrite(path, array, compression="zlib", photometric="minisblack")


def _link(first: Path, second: Path) -> None:
    """The same file at a second place, as a link where the disk has them."""
    try:
        os.link(first, second)
    except OSError:
        shutil.copyfile(first, second)


def _as_text(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _counted(column: "pd.Series[Any]") -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().items()}
