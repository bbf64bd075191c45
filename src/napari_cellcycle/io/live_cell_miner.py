"""Read data sets of LiveCellMiner (Moreno-Andrés et al. 2022): cells from interphase to interphase.

```
ROOT/NAME, with "cell" in it/Raw/...   one image a frame, in the order of their names
                             Mask/...  the same names, "Raw" replaced by "Mask"
                             NAME_Synchronization.csv
```
"""

from pathlib import Path

import numpy as np

from napari_cellcycle.data.stages import LIVE_CELL, Stage, StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.crop_folders import CropSet
from napari_cellcycle.io.crop_tracks import integers, joined_tracks, read_track

_ENDING = "_Synchronization.csv"
OFFSETS = (15, 22)
"""Frames after the onset of anaphase within which a cell is back in interphase."""

POST_MITOSIS = StageSet(
    "Mitosis 4 stages",
    (*LIVE_CELL.stages, Stage("after mitosis", "#228833", (240, 3000))),
    frozenset(
        {
            ("interphase", "early mitosis"),
            ("early mitosis", "late mitosis"),
            ("late mitosis", "after mitosis"),
            ("after mitosis", "early mitosis"),
        }
    ),
    first=frozenset({"late mitosis"}),
    last=frozenset({"early mitosis", "late mitosis"}),
)
"""As `LIVE_CELL`, with the interphase after a mitosis as a stage of its own."""


def is_live_cell_miner(folder: str | Path) -> bool:
    """Whether a folder is a data set of LiveCellMiner, or one track of it."""
    return bool(_tracks(Path(folder).expanduser()))


def read_live_cell_miner(
    folder: str | Path, *, stages: int = 3, offset: int | None = None, seed: int = 0
) -> CropSet:
    """Read all tracks of a data set, or the one that `folder` is; each is a group.

    The annotators mark interphase, early and late mitosis (1 to 3), but not when late mitosis
    ends. As in the published programme a cell is taken to be done with it `offset` frames after the
    first of late mitosis: back in interphase (3 stages), or in a fourth stage, `POST_MITOSIS`.
    Without `offset`, each track draws one of `OFFSETS` by chance, always the same for the same
    `seed`, which makes that boundary uncertain by some frames. `original` keeps the labels.

    Raises `BadInput` if there is no track, or one of them is not complete.
    """
    root = Path(folder).expanduser()
    found = _tracks(root)
    if not found:
        raise BadInput(
            f"No track was found in {root}: expected folders with 'cell' in their name, each with "
            f"Raw, Mask and NAME{_ENDING}; choose the folder that holds them."
        )
    names = np.array((LIVE_CELL if stages == 3 else POST_MITOSIS).names)
    rng = np.random.default_rng(seed)
    tracks, told, original = [], [], []
    for path in found:
        labels = _labels(path)
        tracks.append(read_track(path.parent, len(labels)))
        later = int(rng.integers(OFFSETS[0], OFFSETS[1] + 1)) if offset is None else offset
        told.append(names[after_mitosis(labels - 1, later, stages)])
        original.append(labels)
    base = root if root != found[0].parent else root.parent
    return joined_tracks(base, tracks, told, original, list(range(len(tracks))))


def after_mitosis(code: np.ndarray, offset: int, stages: int = 3) -> np.ndarray:
    """Stages (t,) of codes 0 to 2, where late mitosis (2) ends `offset` frames after its onset."""
    result = code.copy()
    late = np.flatnonzero(code == 2)
    if len(late):
        rest = np.arange(len(code)) >= late[0] + offset
        result[rest] = np.maximum(code[rest] - 2, 0) if stages == 3 else code[rest] + 1
    return np.clip(result, 0, stages - 1)


def _tracks(root: Path) -> list[Path]:
    """The label file of each track, in the order of their names."""
    if not root.is_dir():
        return []
    own = _label_file(root)
    if own is not None:
        return [own]
    folders = sorted(p for p in root.iterdir() if p.is_dir() and "cell" in p.name)
    return [path for folder in folders if (path := _label_file(folder)) is not None]


def _label_file(folder: Path) -> Path | None:
    named = folder / f"{folder.name}{_ENDING}"
    if named.is_file():
        return named
    found = sorted(p for p in folder.glob(f"*{_ENDING}") if not p.name.startswith("."))
    return found[0] if found else None


def _labels(path: Path) -> np.ndarray:
    """Labels 1 to 3 of a track: the first tab-separated field of the last row."""
    rows = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    field = rows[-1].split("\t")[0].strip().strip('"') if rows else ""
    return integers(field, ";", path, 3)
