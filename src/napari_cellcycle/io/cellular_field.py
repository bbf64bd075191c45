"""One field of view of CELLULAR's layout, read: its channels, and all cells as one label image."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.annotated import UNKNOWN, Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.cellular import Field, is_unidentified
from napari_cellcycle.io.cellular_settings import Unidentified

_THREADS = 4


@dataclass(frozen=True, eq=False)
class ReadField:
    """A field with all its cells in one label image, and what class each label has.

    `cells` has one row a label: `label`, `class`, `file`, `area_px`, `contested_px` (pixels that
    smaller cells took), `y`, `x` (middle) and the mean of each channel, `mean_w1` and so on.
    Unidentified cells are in it, even if their pixels are unknown in the masks. `notes` tell of
    masks that were skipped.
    """

    annotated: Annotated
    labels: np.ndarray
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()

    def of_class(self, name: str) -> np.ndarray:
        """Masks of one class alone, numbered 1, 2, ... in the order of `cells`; int32 (Y, X).

        Cells of other classes are background; what is unknown stays so.
        """
        wanted = self.cells.loc[self.cells["class"] == name, "label"].to_numpy()
        number = np.zeros(int(self.labels.max(initial=0)) + 1, np.int32)
        number[wanted] = np.arange(1, len(wanted) + 1)
        unknown = self.annotated.masks == UNKNOWN
        return np.where(unknown, UNKNOWN, number[self.labels]).astype(np.int32)


def read_field(field: Field, unidentified: Unidentified = "ignore") -> ReadField:
    """Read image and cells of one field.

    Pixels that several cells claim go to the smallest of them (of equals, to the first by class
    and file name), so that no cell hides another; unidentified cells yield to all others. The
    labels are numbered by class and file name.

    Parameters
    ----------
    unidentified
        What becomes of cells whose class nobody could tell: their pixels are unknown (nothing
        is learned or scored there), they are cells like others, or background.

    Raises
    ------
    BadInput
        Files that cannot be read, or masks of another shape than the image.
    """
    image = _stack_channels(field)
    cells, notes = _cell_masks(field, image.shape[-2:], unidentified)
    labels, contested = _painted(cells, image.shape[-2:])
    hidden = contested == np.array([cell.area for cell in cells], int)
    for row in np.flatnonzero(hidden):
        notes.append(f"{cells[row].file} lies wholly within other cells and was skipped")
    kept = np.flatnonzero(~hidden)
    number = np.zeros(len(cells) + 1, np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    labels = number[labels]
    table = _table([cells[row] for row in kept], contested[kept], labels, image)
    masks = labels
    if unidentified == "ignore":
        unknown = np.array([False, *map(is_unidentified, table["class"])])
        masks = np.where(unknown[labels], UNKNOWN, labels).astype(np.int32)
    annotated = Annotated(image, masks, field.well, field.name)
    return ReadField(annotated, labels, table, tuple(notes))


@dataclass(frozen=True)
class _Cell:
    """One cell's mask, cut to its box."""

    kind: str
    file: Path
    box: tuple[slice, slice]
    inside: np.ndarray

    @property
    def area(self) -> int:
        return int(self.inside.sum())


def _stack_channels(field: Field) -> np.ndarray:
    """Image (Y, X) or (C, Y, X)."""
    planes = [_picture(path) for path in field.images]
    if len(planes) == 1:
        return planes[0]
    shapes = {plane.shape for plane in planes}
    if len(shapes) > 1 or planes[0].ndim != 2:
        raise BadInput(
            f"The channels of {field.name} have the shapes "
            f"{' and '.join(str(plane.shape) for plane in planes)}, but grey images of one size "
            "are expected: export them again."
        )
    return np.stack(planes)


def _cell_masks(
    field: Field, shape: tuple[int, ...], unidentified: Unidentified
) -> tuple[list[_Cell], list[str]]:
    """Cells by class and file name, and notes about those that were skipped."""
    files = [
        (kind, file)
        for kind, paths in field.classes.items()
        if unidentified != "leave-out" or not is_unidentified(kind)
        for file in paths
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(lambda entry: _cell(field, entry[0], entry[1], shape), files))
    notes = [
        f"{file} shows no cell and was skipped"
        for (_, file), cell in zip(files, read, strict=True)
        if cell is None
    ]
    return [cell for cell in read if cell is not None], notes


def _cell(field: Field, kind: str, file: Path, shape: tuple[int, ...]) -> _Cell | None:
    picture = _picture(file)
    inside = picture > 0 if picture.ndim == 2 else (picture > 0).any(axis=0)
    if inside.shape != tuple(shape):
        raise BadInput(
            f"The mask {file} has {inside.shape[0]} x {inside.shape[1]} pixels, but the image of "
            f"{field.name} has {shape[0]} x {shape[1]}: get the mask of this image."
        )
    if inside.all():
        raise BadInput(
            f"The mask {file} covers the whole image, but only the pixels of one cell should be "
            "above 0: invert it, or remove it."
        )
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return _Cell(kind, file, box, inside[box].copy())


def _painted(cells: Sequence[_Cell], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Image of 1 + row of the cell, and how many pixels each cell lost to others."""
    areas = np.array([cell.area for cell in cells], int)
    known = np.array([not is_unidentified(cell.kind) for cell in cells], bool)
    labels = np.zeros(shape, np.int32)
    for row in np.lexsort((-np.arange(len(cells)), -areas, known)):
        labels[cells[row].box][cells[row].inside] = row + 1
    return labels, areas - np.bincount(labels.ravel(), minlength=len(cells) + 1)[1:]


def _table(
    cells: Sequence[_Cell], contested: np.ndarray, labels: np.ndarray, image: np.ndarray
) -> pd.DataFrame:
    from scipy import ndimage

    numbers = np.arange(1, len(cells) + 1)
    centres = ndimage.center_of_mass(np.ones(labels.shape, bool), labels, numbers)
    places = np.array(centres).reshape(-1, 2)
    channels = image if image.ndim == 3 else image[None]
    means = {
        f"mean_w{number}": ndimage.mean(channel, labels, numbers)
        for number, channel in enumerate(channels, 1)
    }
    return pd.DataFrame(
        {
            "label": numbers,
            "class": np.array([cell.kind for cell in cells], object),
            "file": np.array([cell.file.name for cell in cells], object),
            "area_px": np.bincount(labels.ravel(), minlength=len(cells) + 1)[1:],
            "contested_px": contested,
            "y": places[:, 0],
            "x": places[:, 1],
            **means,
        }
    )


def _picture(path: Path) -> np.ndarray:
    """An image file as (Y, X), or (C, Y, X) if it is in colour; transparency is left out."""
    import tifffile
    from skimage.io import imread

    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    try:
        with path.open("rb") as file:  # so that it is closed again, whatever it holds
            image = np.asarray(tifffile.imread(file) if is_tiff else imread(file))
    except Exception as error:
        raise BadInput(
            f"{path} cannot be read as an image ({type(error).__name__}): get it again."
        ) from error
    image = np.squeeze(image)
    if image.ndim == 3 and image.shape[-1] in (2, 3, 4):
        image = np.moveaxis(image[..., : 1 if image.shape[-1] == 2 else 3], -1, 0)
        image = image[0] if len(image) == 1 else image
    if image.ndim not in (2, 3) or (image.ndim == 3 and len(image) > 8):
        raise BadInput(
            f"{path} has the shape {image.shape}, but one image in grey or colour is expected: "
            "save each plane as a file of its own."
        )
    return image
