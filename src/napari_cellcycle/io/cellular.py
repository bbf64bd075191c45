"""Data in the layout of CELLULAR: fields of view, and one mask image a cell in folders by class.

```
images/FIELD_w1.TIF, FIELD_w2.TIF, ...     one file a channel (or images-color/FIELD.png)
masks/FIELD/CLASS/*.png                    one picture of the whole field a cell: above 0 is cell
```

Data set: Al Outa et al., "CELLULAR, a cell autophagy imaging dataset", Scientific Data 2023.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.frames import natural_order

UNIDENTIFIED = "unidentified"
"""Class, in any case, of cells that nobody could tell the class of."""
IMAGE_FOLDERS = ("images", "images-color")
_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_ENDING = re.compile(r"[_-](w\d+|[A-Za-z]+)")
_WELL = re.compile(r"^(?:Timepoint_\d+_)?(?P<well>.+?)(?:_s\d+)?$")


@dataclass(frozen=True)
class Field:
    """One field of view on disk: files of its channels in order, and of its cells by class."""

    name: str
    images: tuple[Path, ...]
    classes: dict[str, tuple[Path, ...]]

    @property
    def well(self) -> str:
        """The well, with its plate: the name without time point and site.

        "Timepoint_001_220518-ST_C03_s3" is of "220518-ST_C03".
        """
        found = _WELL.match(self.name)
        return found["well"] if found else self.name


def find_fields(
    folder: str | Path,
    *,
    images: str | None = None,
    masks: str = "masks",
    classes: Sequence[str] | None = None,
) -> list[Field]:
    """Fields that have masks, in the order of their names.

    Parameters
    ----------
    images, masks
        Names of the folders; of images, `images` or `images-color` if not given.
    classes
        Take only these classes (and the unidentified cells); all if not given.

    Raises
    ------
    BadInput
        A folder that is missing or holds nothing of the kind, a field without image or with
        several, or classes that are not there or are named twice.
    """
    folder = Path(folder).expanduser()
    _check_classes(classes)
    found = _mask_folders(folder, masks)
    files = _by_field(_image_files(folder, images), [path.name for path in found])
    fields = [
        Field(path.name, _channels(path.name, files[path.name]), _classes_of(path, classes))
        for path in found
    ]
    there = {name for field in fields for name in field.classes}
    lacking = [name for name in classes or () if name not in there]
    if lacking:
        raise BadInput(
            f"{folder / masks} holds no class {lacking[0]!r}; it holds "
            f"{', '.join(sorted(there)) or 'none'}: choose among them."
        )
    return fields


def class_names(fields: Iterable[Field]) -> list[str]:
    """All classes but the unidentified, in the order of the alphabet."""
    named = {name for field in fields for name in field.classes if not is_unidentified(name)}
    return sorted(named)


def is_unidentified(name: str) -> bool:
    """Whether this is the folder of cells whose class nobody could tell."""
    return name.lower() == UNIDENTIFIED


def _check_classes(classes: Sequence[str] | None) -> None:
    lower = [name.lower() for name in classes or ()]
    twice = [name for name in lower if lower.count(name) > 1]
    if twice:
        raise BadInput(f"The class {twice[0]!r} is named twice; name each class once.")


def _mask_folders(folder: Path, masks: str) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}; give the one that holds images and masks.")
    place = folder / masks
    if not place.is_dir():
        raise BadInput(
            f"{folder} has no folder {masks!r}; expected masks/FIELD/CLASS/*.png in it: give the "
            "folder above, or name that of the masks with --masks."
        )
    found = natural_order(path for path in place.iterdir() if _is_shown_folder(path))
    if not found:
        raise BadInput(f"{place} is empty; expected a folder FIELD/CLASS for each field of view.")
    return found


def _image_files(folder: Path, images: str | None) -> list[Path]:
    names = (images,) if images else IMAGE_FOLDERS
    place = next((folder / name for name in names if (folder / name).is_dir()), None)
    if place is None:
        raise BadInput(
            f"{folder} has no folder {' or '.join(map(repr, names))}; name that of the images "
            "with --images."
        )
    return natural_order(
        path
        for path in place.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )


def _by_field(files: Sequence[Path], names: Sequence[str]) -> dict[str, dict[str, list[Path]]]:
    """Files of each field by the ending of their name: "w1", ..., or a word, or nothing.

    Whatever follows the name of the field must be such an ending, so that _s1 is not _s10.
    """
    found: dict[str, dict[str, list[Path]]] = {name: {} for name in names}
    for file in files:
        for name in {file.stem, *_cut_ending(file.stem)} & set(names):
            found[name].setdefault(file.stem[len(name) + 1 :].lower(), []).append(file)
    return found


def _cut_ending(stem: str) -> list[str]:
    parts = re.split(r"(?=[_-][^_-]*$)", stem, maxsplit=1)
    return parts[:1] if len(parts) == 2 and _ENDING.fullmatch(parts[1]) else []


def _channels(name: str, files: dict[str, list[Path]]) -> tuple[Path, ...]:
    """Files of the channels in their order, or the only one."""
    channels = {ending: paths for ending, paths in files.items() if re.fullmatch(r"w\d+", ending)}
    chosen = channels or files
    if not chosen:
        raise BadInput(
            f"The field {name} has masks but no image; expected {name}_w1.TIF and so on, or one "
            f"file {name}: put it there, or take away its masks."
        )
    double = next((paths for paths in chosen.values() if len(paths) > 1), None)
    if double is None and not channels and len(chosen) > 1:
        double = [paths[0] for paths in chosen.values()]
    if double is not None:
        raise BadInput(
            f"The field {name} has two images, {double[0].name} and {double[1].name}: keep one, or "
            "call channels _w1, _w2 and so on."
        )
    in_order = sorted(channels, key=lambda ending: int(ending[1:])) or list(chosen)
    return tuple(chosen[ending][0] for ending in in_order)


def _classes_of(folder: Path, classes: Sequence[str] | None) -> dict[str, tuple[Path, ...]]:
    found = sorted((path for path in folder.iterdir() if _is_shown_folder(path)), key=str)
    lower = [path.name.lower() for path in found]
    for path in found:
        if lower.count(path.name.lower()) > 1:
            same = [p.name for p in found if p.name.lower() == path.name.lower()]
            raise BadInput(
                f"{folder} has the class {path.name.lower()!r} twice, as {' and '.join(same)}: put "
                "their files into one folder."
            )
    if not found:
        raise BadInput(
            f"The field {folder.name} has no masks; expected {folder}/CLASS/*.png: add them, or "
            "remove the folder."
        )
    wanted = [p for p in found if classes is None or p.name in classes or is_unidentified(p.name)]
    return {path.name: tuple(_masks_in(path)) for path in wanted}


def _masks_in(folder: Path) -> list[Path]:
    return natural_order(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )


def _is_shown_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))
