"""Masks to be scored: files of one image each, stacks, sequences, experiments; and their truth."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.sequence_truth import SequenceTruth, open_sequence_truth
from napari_cellcycle.io.frames import natural_order, open_labels
from napari_cellcycle.io.omezarr import is_zarr
from napari_cellcycle.io.tiff import SUFFIXES

_IMAGES = (*SUFFIXES, ".png")
_ENDINGS = re.compile(
    r"[_\- .](cp_masks?|masks?|labels?|seg|gt|truth|pred(iction)?s?)$", re.IGNORECASE
)


@dataclass(frozen=True)
class MaskImages:
    """Masks of several images or frames; `read(row)` gives int32 ([Z,] Y, X), -1: not known."""

    names: tuple[str, ...]
    read: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return len(self.names)


def open_masks(path: str | Path) -> MaskImages:
    """Masks in an experiment, a folder of TIFF or PNG files (one image each), a stack or Zarr.

    Raises `BadInput` if there are none; reading one raises it if it holds no masks.
    """
    path = Path(path).expanduser()
    if (path / "experiment.json").is_file():
        from napari_cellcycle.io.experiment import open_experiment

        labels = open_experiment(path).labels
        if labels is None:
            raise BadInput(f"The cells of {path} are not segmented yet; run the step 'segment'.")
    elif path.is_dir() and not is_zarr(path):
        files = _image_files(path)
        return MaskImages(tuple(file.stem for file in files), lambda row: read_masks(files[row]))
    elif path.is_file() and path.suffix.lower() == ".png":
        return MaskImages((path.stem,), lambda _row: read_masks(path))
    else:
        labels = open_labels(path)
    return masks_of_stack(labels)


def masks_of_stack(labels: LabelStack) -> MaskImages:
    """The frames of a stack, named t000, t001, ..."""
    return MaskImages(tuple(f"t{time:03d}" for time in range(len(labels))), labels.frame)


def open_truth(path: str | Path) -> MaskImages | SequenceTruth:
    """Reference masks: anything that `open_masks` opens, or the truth of a sequence (NAME_GT)."""
    path = Path(path).expanduser()
    if (path / "TRA").is_dir() or (path / "SEG").is_dir():
        truth = open_sequence_truth(path)
        if not truth.frames:
            raise BadInput(
                f"{path} holds neither SEG/man_seg*.tif nor TRA/man_track*.tif; choose the truth "
                "(NAME_GT) of a sequence, or a folder of masks."
            )
        return truth
    return open_masks(path)


def read_masks(path: Path) -> np.ndarray:
    """Masks of one TIFF or PNG file, int32 ([Z,] Y, X).

    Raises `BadInput` for colour pictures and for values that are no whole numbers.
    """
    try:
        if path.suffix.lower() == ".png":
            from skimage.io import imread

            found = np.asarray(imread(path))
        else:
            import tifffile

            found = np.asarray(tifffile.imread(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(
            f"{path} cannot be read ({error}); expected masks as TIFF or PNG; write it again."
        ) from error
    if found.ndim not in (2, 3) or (found.ndim == 3 and path.suffix.lower() == ".png"):
        raise BadInput(
            f"{path} has shape {found.shape}, but masks have one number a pixel: choose masks, "
            "not a picture in colour."
        )
    if found.dtype.kind == "f" and not (found == np.floor(found)).all():
        raise BadInput(
            f"{path} holds decimal values, but masks hold whole numbers, 0 for background: choose "
            "the masks, not the image."
        )
    return found.astype(np.int32)


def paired(result: MaskImages, truth: Sequence[str]) -> list[int]:
    """Row of the result for each image of the truth: by name, by number in it, or by order.

    Names may end in "_masks" and the like. Raises `BadInput` if an image has no masks.
    """
    for key in (_plain, _number):
        rows = {key(name): row for row, name in enumerate(result.names)}
        wanted = [key(name) for name in truth]
        unique = len(rows) == len(result) and len(set(wanted)) == len(wanted)
        if unique and None not in rows and set(wanted) <= set(rows):
            return [rows[name] for name in wanted]
    if len(result) == len(truth) == 1:
        return [0]
    known = {_plain(name) for name in result.names}
    lacking = [name for name in truth if _plain(name) not in known]
    raise BadInput(
        f"{len(lacking)} of the {len(truth)} images of the truth have no masks of their name in "
        f"the result, such as {lacking[0] if lacking else truth[0]}; call files of the same image "
        "the same, or give them the same numbers."
    )


def frame_rows(result: MaskImages, frames: Sequence[int]) -> list[int]:
    """Row of the result for each frame of a sequence, by the number at the end of its name."""
    rows = {_number(name): row for row, name in enumerate(result.names)}
    lacking = [frame for frame in frames if frame not in rows]
    if lacking:
        raise BadInput(
            f"The truth has frame {lacking[0]}, but the result has no masks of it (it has "
            f"{len(result)} frames); choose the result and the truth of the same movie."
        )
    return [rows[frame] for frame in frames]


def _plain(name: str) -> str:
    return _ENDINGS.sub("", name).lower()


def _number(name: str) -> int | None:
    found = re.findall(r"\d+", name)
    return int(found[-1]) if found else None


def _image_files(folder: Path) -> list[Path]:
    files = natural_order(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _IMAGES and not file.name.startswith(".")
    )
    if not files:
        raise BadInput(
            f"{folder} holds no TIFF or PNG files; give a folder of masks, one file an image, a "
            "result of the Cell Tracking Challenge, or an experiment."
        )
    return files
