"""Annotated crops of single cells as sequences: those of one cell, in the order of time."""

from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.features.crops import crops
from napari_cellcycle.io.crop_folders import H2B_FOLDERS, read_crops
from napari_cellcycle.training.stage.crop_examples import H2B_DIAMETER_PX
from napari_cellcycle.training.stage.sequences import SIDE, CellSequences


def h2b_sequences(folder: str | Path, size: int = 64, seed: int = 0) -> CellSequences:
    """Read the H2B crops (one folder a stage, `index.csv` with `group` and `frame`) as sequences.

    Crops of one `group` follow each other by `frame`, with the gaps they have; where a frame
    shows several, two sisters say, each path takes one of them. Groups are cells.
    """
    found = read_crops(folder, H2B_FOLDERS)
    index = pd.read_csv(Path(folder) / "index.csv")
    frame = index.loc[index["label"].isin(list(H2B_FOLDERS)), "frame"].to_numpy()
    middle = (np.array(found.images.shape[1:]) - 1) / 2
    side = SIDE * H2B_DIAMETER_PX
    images = [crops(image, middle[None], side, size) for image in found.images]
    position = {name: code for code, name in enumerate(H2B.names)}
    code = np.array([position[name] for name in found.stage], np.int64)
    rng = np.random.default_rng([seed, 41])
    paths, group = [], []
    for number in np.unique(found.group):
        rows = np.flatnonzero(found.group == number)
        times = [rows[frame[rows] == t] for t in np.unique(frame[rows])]
        most = max(len(t) for t in times)
        drawn = [np.resize(rng.permutation(t), most) for t in times]
        paths += list(np.stack(drawn, axis=1))
        group += [number] * most
    stacked = np.concatenate(images).astype(np.float16)
    return CellSequences(stacked, None, code, tuple(paths), np.array(group), H2B)
