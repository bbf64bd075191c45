"""Samples of nuclei in folders, CLASS/SAMPLE/{t-1,t,t+1}/*.tif: the 4ncnn layout."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from napari_cellcycle.errors import BadInput

TIME_FOLDERS = {-1: ("t-1", "previous"), 0: ("t", "current"), 1: ("t+1", "next")}
"""Names of the folders of each frame: those of the layout, and those of an earlier one."""
RAW = ("raw_cropped.tif", "raw_image_cropped.tif", "raw_original.tif", "raw_cleaned.tif")
OWN = ("binary_label_cropped.tif", "mask_original.tif", "mask_cleaned.tif")
LABELS = ("label_cropped.tif", "label_original.tif", "label_cleaned.tif")
STATES = {
    "stable": "stable",
    "stable2": "stable",
    "mitotic": "mitotic",
    "new_daughter": "new daughter",
    "new daughter": "new daughter",
    "death": "death",
}
"""State that each class folder shows."""
_NUCLEUS = re.compile(r"nucleus_(\d+)")
_FRAME = re.compile(r"frame_(\d+)")


@dataclass(frozen=True)
class SampleFolder:
    """A sample on disk, not read yet.

    `state` is None where neither a folder nor the name tells it; `dataset`, `frame` and `nucleus`
    come from its name, -1 where it does not say. `times` are the frames that are there, counted
    from the nucleus' own; `about` is its metadata, empty where there is none.
    """

    path: Path
    state: str | None
    dataset: str
    frame: int
    nucleus: int
    times: tuple[int, ...]
    about: dict[str, Any]

    def file(self, time: int, names: tuple[str, ...]) -> Path | None:
        """The file of one of these names in the folder of a frame, if there is one."""
        places = (self.path / folder / name for folder in TIME_FOLDERS[time] for name in names)
        return next((place for place in places if place.is_file()), None)

    def raw(self, time: int) -> np.ndarray | None:
        """Image of a frame, ([z,] y, x); None where it is missing."""
        path = self.file(time, RAW)
        return None if path is None else _read(path)

    def mask(self) -> np.ndarray | None:
        """The nucleus' own mask in its own frame, ([z,] y, x) bool; None where it is missing.

        Of masks with several values, that of the nucleus' number is meant.
        """
        for names in (OWN, LABELS):
            path = self.file(0, names)
            if path is None:
                continue
            values = _read(path)
            if values.max(initial=0) <= 1 or (values == values.max()).sum() == (values > 0).sum():
                return np.asarray(values > 0)
            return np.asarray(values == self.nucleus)
        return None


def find_samples(folder: str | Path) -> list[SampleFolder]:
    """Every sample below a folder, in the order of paths: classes, one class, or one sample.

    Raises `BadInput` if there is none.
    """
    folder = Path(folder)
    names = {name for pair in TIME_FOLDERS.values() for name in pair}
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}; choose one that holds samples of nuclei.")
    inside = (path for path in folder.rglob("*") if path.name in names and path.is_dir())
    found = sorted({path.parent for path in inside if _holds_images(path)})
    if not found:
        raise BadInput(
            f"No samples of nuclei were found in {folder}; expected CLASS/SAMPLE/t/raw_cropped.tif "
            "with t-1 and t+1 beside t; choose the folder that holds the classes."
        )
    return [_sample(path) for path in found]


def missing_frames(samples: list[SampleFolder]) -> pd.DataFrame:
    """The audit: one row a sample that lacks a frame or its mask; `sample`, `frames`, `mask`."""
    rows = [
        (
            str(sample.path),
            [t for t in TIME_FOLDERS if t not in sample.times],
            sample.mask() is None,
        )
        for sample in samples
    ]
    table = pd.DataFrame(rows, columns=["sample", "frames", "mask"])
    return table[table["mask"] | (table["frames"].str.len() > 0)].reset_index(drop=True)


def _sample(path: Path) -> SampleFolder:
    about_file = path / "metadata.json"
    try:
        about = json.loads(about_file.read_text()) if about_file.is_file() else {}
    except ValueError as error:
        raise BadInput(f"{about_file} is not JSON ({error}); remove it.") from error
    nucleus, frame = _NUCLEUS.search(path.name), _FRAME.search(path.name)
    times = tuple(
        time
        for time, names in TIME_FOLDERS.items()
        if any((path / name / raw).is_file() for name in names for raw in RAW)
    )
    return SampleFolder(
        path=path,
        state=_state(path),
        dataset=path.name.partition("_frame_")[0] if frame else "",
        frame=int(frame[1]) if frame else -1,
        nucleus=int(nucleus[1]) if nucleus else -1,
        times=times,
        about=about,
    )


def _state(path: Path) -> str | None:
    """State that the class folder tells, or else the name of the sample itself."""
    if path.parent.name in STATES:
        return STATES[path.parent.name]
    return next((state for name, state in STATES.items() if f"_{name}" in path.name), None)


def _holds_images(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*RAW, *LABELS, *OWN))


def _read(path: Path) -> np.ndarray:
    try:
        return tifffile.imread(path)
    except Exception as error:
        raise BadInput(
            f"{path} cannot be read as a TIFF ({type(error).__name__}); replace or remove it."
        ) from error
