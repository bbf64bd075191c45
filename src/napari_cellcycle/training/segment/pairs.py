"""Folders of images with masks beside them, as annotators and Cellpose leave them."""

from pathlib import Path

import numpy as np

from napari_cellcycle.data.annotated import UNKNOWN, Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.frames import natural_order
from napari_cellcycle.progress import Progress, silent, track_progress

LEAST_SIDE_PX = 8
"""Images that are smaller teach nothing."""
_SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"}
_MASK_ENDINGS = ("_cp_masks", "_masks", "_mask")
_MOST_CHANNELS = 8
_EXPECTED = (
    "expected masks NAME_masks.tif or NAME_masks.png beside each image NAME, or the folders images "
    "and masks with files of the same name"
)


def find_pairs(folder: str | Path) -> list[tuple[Path, Path]]:
    """Images and their masks, in the order of their names.

    Masks are `NAME_masks.*` (also `NAME_cp_masks.*`, as Cellpose saves them) beside `NAME.*`; or
    there are two folders, `images` and `masks`, with files of the same name, with or without that
    ending. Images without masks are left out.

    Raises `BadInput` if there are none, or if masks belong to no image or to several.
    """
    folder = Path(folder).expanduser()
    if (folder / "images").is_dir() and (folder / "masks").is_dir():
        images, masks = _files(folder / "images"), _files(folder / "masks")
    else:
        files = _files(folder) if folder.is_dir() else []
        masks = [file for file in files if _stem_of_mask(file) != file.stem]
        images = [file for file in files if file not in set(masks)]
    if not masks:
        raise BadInput(f"{folder} holds no images with masks: {_EXPECTED}.")
    named: dict[str, list[Path]] = {}
    for image in images:
        named.setdefault(image.stem, []).append(image)
    pairs = []
    for mask in masks:
        found = named.get(_stem_of_mask(mask)) or named.get(mask.stem) or []
        if len(found) != 1:
            there = "no image" if not found else f"both {found[0].name} and {found[1].name}"
            raise BadInput(
                f"For the masks {mask} there is {there}: expected one image called "
                f"{_stem_of_mask(mask)}; rename or remove what does not belong there."
            )
        pairs.append((found[0], mask))
    return pairs


def read_pairs(
    pairs: list[tuple[Path, Path]], group: str, progress: Progress = silent
) -> list[Annotated]:
    """Read images with their masks.

    Raises `BadInput` if a file cannot be read or is not what it should be.
    """
    return [
        checked(read_picture(image), read_picture(mask), group, image.stem, f"{mask}")
        for image, mask in track_progress(pairs, len(pairs), progress, f"Reading {group}")
    ]


def checked(
    image: np.ndarray, masks: np.ndarray, group: str, name: str, where: str | None = None
) -> Annotated:
    """An image ([C,] Y, X) with masks (Y, X), once they are sure to be just that.

    `where` is what a message calls the masks. Raises `BadInput` if they are not.
    """
    where = where or f"{group}, {name}"
    if masks.ndim != 2 or masks.dtype.kind not in "buif":
        raise BadInput(
            f"The masks {where} have the shape {masks.shape}, but one number for each pixel is "
            "expected, 0 for background; save them as a grey image, not in colour."
        )
    if masks.dtype.kind == "f" and not (masks == np.floor(masks)).all():
        raise BadInput(
            f"The masks {where} hold decimal values, but masks hold whole numbers, 0 for "
            "background: choose the masks, not the image."
        )
    if image.shape[-2:] != masks.shape:
        raise BadInput(
            f"The masks {where} have {_size(masks)} pixels, but their image has {_size(image)}: "
            "choose the masks of this image."
        )
    if min(masks.shape) < LEAST_SIDE_PX:
        raise BadInput(
            f"The image of the masks {where} has only {_size(masks)} pixels, but at least "
            f"{LEAST_SIDE_PX} x {LEAST_SIDE_PX} are expected: leave it out."
        )
    if masks.min() < UNKNOWN or masks.max() > np.iinfo(np.int32).max:
        raise BadInput(
            f"The masks {where} hold values outside {UNKNOWN} to 2,147,483,647, which masks cannot "
            "have: renumber the masks."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise BadInput(
            f"The image of the masks {where} holds values that are not numbers (NaN or infinite): "
            "replace them, for example by 0."
        )
    labels = masks.astype(np.int32)
    _check_apart(labels, where)
    return Annotated(image, labels, group, name)


def read_picture(path: Path) -> np.ndarray:
    """An image file as (Y, X), or (C, Y, X) if it has several channels.

    A colour image whose three colours are equal is grey. Raises `BadInput` if it cannot be read,
    or has more axes.
    """
    import tifffile
    from skimage.io import imread

    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    try:
        image = np.asarray(tifffile.imread(path) if is_tiff else imread(path))
    except Exception as error:
        raise BadInput(
            f"{path} cannot be read as an image ({type(error).__name__}); get it again, or remove "
            "it."
        ) from error
    image = image.reshape([length for length in image.shape if length > 1] or [1, 1])
    if image.ndim == 1:
        image = image[None]
    if image.ndim == 3 and image.shape[-1] in (2, 3, 4):
        image = np.moveaxis(image[..., :3], -1, 0)
        image = image[0] if (image[1:] == image[:1]).all() else image
    if image.ndim > 3 or (image.ndim == 3 and image.shape[0] > _MOST_CHANNELS):
        raise BadInput(
            f"{path} has the shape {image.shape}, but one image in two dimensions is expected, "
            f"with at most {_MOST_CHANNELS} channels: save each frame or plane as a file of its "
            "own."
        )
    return image


def _check_apart(labels: np.ndarray, where: str) -> None:
    """Raise `BadInput` if masks tell cells from background only."""
    from skimage.measure import label

    values = np.unique(labels[labels > 0])
    if len(values) == 1 and int(label(labels > 0, return_num=True)[1]) > 2:
        raise BadInput(
            f"The masks {where} hold the value {values[0]} only, for several pieces, but each cell "
            "needs a number of its own: number the cells (in Fiji: Analyze Particles, count "
            "masks)."
        )


def _files(folder: Path) -> list[Path]:
    return natural_order(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )


def _stem_of_mask(file: Path) -> str:
    """Name of the image that masks of that name belong to; the name itself without an ending."""
    for ending in _MASK_ENDINGS:
        if file.stem.endswith(ending):
            return file.stem.removesuffix(ending)
    return file.stem


def _size(array: np.ndarray) -> str:
    return f"{array.shape[-2]} x {array.shape[-1]}"
