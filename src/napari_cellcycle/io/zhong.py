"""Read the CellCognition H2B benchmark (Zhong et al. 2012): tracked divisions, six stages.

```
ROOT/TRACK/Raw/...  one image a frame
           Mask/... the same names, "Raw" replaced by "Mask"
           TRACK_ManualStages.txt
```
The daughters of a division are the tracks B01 and B02; both follow their mother as well.
"""

from pathlib import Path

import numpy as np

from napari_cellcycle.data.stages import MITOSIS
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.crop_folders import CropSet
from napari_cellcycle.io.crop_tracks import integers, joined_tracks, read_track

HELD_OUT = "P0037"
"""Position whose tracks the published split keeps aside."""
_ENDING = "_ManualStages.txt"


def is_zhong(folder: str | Path) -> bool:
    """Whether a folder is laid out like the benchmark, or is one track of it."""
    return bool(_tracks(Path(folder).expanduser()))


def read_zhong(folder: str | Path) -> CropSet:
    """Read all tracks; both daughters of a division are one group.

    A track B02 has the labels of its twin B01, whose file it uses.

    Raises `BadInput` if there is no track, or one of them is not complete.
    """
    root = Path(folder).expanduser()
    found = _tracks(root)
    if not found:
        raise BadInput(
            f"No track was found in {root}: expected folders that hold Raw, Mask and "
            f"TRACK{_ENDING}; choose the folder that holds them."
        )
    names = np.array(MITOSIS.names)
    division = [_twin(track.name) for track in found]
    order = {name: number for number, name in enumerate(sorted(set(division)))}
    tracks, told, original = [], [], []
    for folder_of_track in found:
        path = _label_file(folder_of_track)
        assert path is not None
        labels = integers(path.read_text(encoding="utf-8-sig"), ",", path, len(names))
        tracks.append(read_track(folder_of_track, len(labels)))
        told.append(names[labels - 1])
        original.append(labels)
    base = root if root != found[0] else root.parent
    return joined_tracks(base, tracks, told, original, [order[name] for name in division])


def published_split(crops: CropSet) -> tuple[np.ndarray, np.ndarray]:
    """Which crops (n,) bool the published split learns from, and which it tests.

    Everything outside position `HELD_OUT` is learned from; of that position the daughters B01
    are tested and the others left out.
    """
    held = np.char.find(crops.file, HELD_OUT) >= 0
    return ~held, held & (np.char.find(crops.file, "B01") >= 0)


def _tracks(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    if _label_file(root) is not None:
        return [root]
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [folder for folder in folders if _label_file(folder) is not None]


def _label_file(track: Path) -> Path | None:
    """The label file of a track: its twin's, or else its own."""
    for name in (_twin(track.name), track.name):
        for place in (track, track.parent / name):
            path = place / f"{name}{_ENDING}"
            if path.is_file():
                return path
    return None


def _twin(name: str) -> str:
    """The name of the first daughter of the division that a track shows."""
    return name.replace("B02", "B01")
