"""The node features of cell-tracker-gnn (Ben-Haim & Riklin Raviv, ECCV 2022), for `paper` models.

Everything is in pixels and raw brightness, as there. Rows are in the order of `shape.measure`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.shape import Masks
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent

Mode = Literal["masks", "markers"]
PATCH = 64
"""Side, in pixels, of what is seen around a marker."""
LEARNED = 128
"""Columns of the learned embedding, `feat_0` and so on."""
_BRIGHTNESS = ("max_intensity", "mean_intensity", "min_intensity")


@dataclass(frozen=True)
class PaperCells:
    """The cells of a movie as `measure_paper` gives them.

    `table` is indexed by `cell_id` (1, 2, ... by frame and label) and has `seg_label`, the
    feature and the box columns. `low` and `high` are the extremes of brightness that crops are
    scaled by: within cells, or in mode "markers" of the whole movie.
    """

    table: pd.DataFrame
    low: float
    high: float
    ndim: int
    mode: Mode

    @property
    def frame(self) -> np.ndarray:
        """Frame of each cell (n,)."""
        return self.table["frame_num"].to_numpy()

    @property
    def centroid(self) -> np.ndarray:
        """Rounded centre of each cell in pixels, (n, ndim)."""
        return self.table[[f"centroid_{axis}" for axis in axes_of(self.ndim)]].to_numpy()

    @property
    def box(self) -> np.ndarray:
        """First pixel of each cell and the one after its last, (n, 2, ndim)."""
        names = [f"{end}_{axis}_bb" for end in ("min", "max") for axis in axes_of(self.ndim)]
        return self.table[names].to_numpy().reshape(-1, 2, self.ndim)

    def nodes(self) -> np.ndarray:
        """The hand-made features that a network sees (n, 13, 16 or 6), not scaled."""
        return self.table[list(node_columns(self.ndim, self.mode))].to_numpy(float)

    def learned(self) -> np.ndarray:
        """The learned features (n, 128); (n, 0) where there are none."""
        names = [f"feat_{i}" for i in range(LEARNED)]
        if names[0] not in self.table:
            return np.empty((len(self.table), 0), np.float32)
        return self.table[names].to_numpy(np.float32)


def axes_of(ndim: int) -> tuple[str, ...]:
    """Names of the axes in this feature set: [depth,] row, col."""
    return ("depth", "row", "col")[-ndim:]


def node_columns(ndim: int, mode: Mode) -> tuple[str, ...]:
    """Hand-made features in their order: 13 in 2D, 16 in 3D, 6 of markers.

    A marker has a place but no shape, so its box, area and axes are left out.
    """
    axes = axes_of(ndim)
    centroid = tuple(f"centroid_{axis}" for axis in axes)
    if mode == "markers":
        return ("frame_num", *centroid, *_BRIGHTNESS)
    box = tuple(f"{end}_{axis}_bb" for end in ("min", "max") for axis in axes)
    axis_lengths = ("major_axis_length", "minor_axis_length")
    return ("frame_num", "area", *box, *centroid, *axis_lengths, *_BRIGHTNESS)


def measure_paper(
    movie: Movie, labels: LabelStack, mode: Mode = "masks", *, progress: Progress = silent
) -> PaperCells:
    """Measure every mask, or the patch of 64 x 64 pixels around every marker.

    Frames are read one after the other, the first channel alone.

    Raises
    ------
    BadInput
        Markers in a volume; this mode exists in 2D only.
    """
    if mode == "markers" and labels.ndim == 3:
        raise BadInput(
            "Markers were given for a movie of volumes, but patches around markers are known in "
            "2D only; use masks of the cells and the mode 'masks'."
        )
    tables, extremes = [], []
    for time in range(len(labels)):
        progress(time, len(labels), "Measuring cells")
        image, masks = movie.frame(time), Masks.of(labels.frame(time))
        table = _measure_frame(image, masks, mode)
        tables.append({"frame_num": np.full(len(masks.labels), time), **table})
        if mode == "markers":
            extremes += [float(image.min()), float(image.max())]
        elif len(masks.labels):
            extremes += [table["min_intensity"].min(), table["max_intensity"].max()]
    progress(len(labels), len(labels), "Measuring cells")
    columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    index = pd.RangeIndex(1, len(columns["frame_num"]) + 1, name="cell_id")
    low, high = (min(extremes), max(extremes)) if extremes else (0.0, 1.0)
    return PaperCells(pd.DataFrame(columns, index=index), low, high, labels.ndim, mode)


def _measure_frame(image: np.ndarray, masks: Masks, mode: Mode) -> dict[str, np.ndarray]:
    axes, n = axes_of(image.ndim), len(masks.labels)
    order = np.argsort(masks.owner, kind="stable")
    count = masks.sum()
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)[:n]
    place = [c[order] for c in np.unravel_index(masks.pixels, image.shape)]
    low = np.stack([_least(values, first) for values in place], 1)
    high = np.stack([-_least(-values, first) + 1 for values in place], 1)
    centre = np.stack([masks.sum(c) for c in np.unravel_index(masks.pixels, image.shape)], 1)
    centre /= np.maximum(count, 1)[:, None]
    value = image.ravel()[masks.pixels].astype(float)
    found: dict[str, np.ndarray] = {"seg_label": masks.labels.astype(np.int64)}
    if mode == "markers":
        low, high = patch_boxes((low + high) // 2, image.shape)
        patch = patches(image, low).reshape(n, -1)
        brightness = [patch.max(1, initial=0), patch.mean(1), patch.min(1, initial=np.inf)]
    else:
        brightness = [-_least(-value[order], first), masks.sum(value) / count]
        brightness.append(_least(value[order], first))
        lengths = _axis_lengths(masks, image.shape, centre, count)
        found |= {"area": count, "major_axis_length": lengths[:, -1]}
        found["minor_axis_length"] = lengths[:, 0]
    for i, axis in enumerate(axes):
        found[f"min_{axis}_bb"], found[f"max_{axis}_bb"] = low[:, i], high[:, i]
        found[f"centroid_{axis}"] = np.rint(centre[:, i]).astype(np.int64)
    return found | dict(zip(_BRIGHTNESS, brightness, strict=True))


def _least(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Least of the values of each cell, whose values begin at `first`."""
    return np.minimum.reduceat(values, first) if len(first) else values[:0]


def _axis_lengths(
    masks: Masks, shape: tuple[int, ...], centre: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Axes (n, d), ascending, of the ellipsoid with the same second moments, in pixels."""
    d = len(shape)
    moments = np.empty((len(count), d, d))
    place = np.unravel_index(masks.pixels, shape)
    offset = [values - centre[masks.owner, i] for i, values in enumerate(place)]
    for i in range(d):
        for j in range(i, d):
            moments[:, i, j] = moments[:, j, i] = masks.sum(offset[i] * offset[j]) / count
    return 2 * np.sqrt((d + 2) * np.maximum(np.linalg.eigvalsh(moments), 0))


def patch_boxes(centre: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 2) of the patches around `centre` (n, 2), shifted to lie inside the image."""
    low = np.clip(centre - PATCH // 2, 0, np.maximum(np.array(shape) - PATCH, 0))
    return low, low + PATCH


def patches(image: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The patches (n, 64, 64) whose first corners are `low` (n, 2); an image too small is edged."""
    lacking = [(0, max(PATCH - length, 0)) for length in image.shape]
    image = np.pad(image, lacking, mode="edge") if np.any(lacking) else image
    row, column = (low[:, axis, None] + np.arange(PATCH) for axis in range(2))
    return image[row[:, :, None], column[:, None, :]].astype(np.float32)


def cell_crops(
    image: np.ndarray, mask: np.ndarray, cells: PaperCells, rows: slice, canvas: tuple[int, ...]
) -> np.ndarray:
    """What the embedding network sees of the cells in `rows`, all of one frame, (n, *canvas).

    Of a mask: its own pixels, scaled by the extremes of the movie, in the middle of a canvas
    that is 0 elsewhere. A cell larger than the canvas gets a larger one, which is shrunk. Of a
    marker: its patch, scaled.
    """
    box = cells.box[rows]
    span = max(cells.high - cells.low, 1e-12)
    if cells.mode == "markers":
        return (patches(image, box[:, 0]) - cells.low) / span
    label = cells.table["seg_label"].to_numpy()[rows]
    size = box[:, 1] - box[:, 0]
    crops = np.zeros((len(box), *canvas), np.float32)
    fits = (size <= canvas).all(1)
    groups = [(np.flatnonzero(fits), canvas)]
    groups += [(np.array([i]), tuple(np.maximum(canvas, size[i]))) for i in np.flatnonzero(~fits)]
    for group, large in groups:
        seen = _centred(image, mask, label[group], box[group], large, cells.low) / span
        if tuple(large) != tuple(canvas):
            shrink = (1.0, *np.divide(canvas, large))
            seen = ndimage.zoom(seen, shrink, order=1, mode="nearest", grid_mode=True)
        crops[group] = seen
    return crops


def _centred(
    image: np.ndarray,
    mask: np.ndarray,
    label: np.ndarray,
    box: np.ndarray,
    canvas: tuple[int, ...],
    low: float,
) -> np.ndarray:
    """Own pixels of each cell, less `low`, in the middle of a canvas."""
    n, ndim = len(label), image.ndim
    place: list[np.ndarray] = []
    inside: np.ndarray = np.ones((), bool)
    for axis, length in enumerate(canvas):
        start, stop = box[:, 0, axis, None], box[:, 1, axis, None]
        at = start + np.arange(length) - (length - (stop - start)) // 2
        shape = (n, *(length if a == axis else 1 for a in range(ndim)))
        inside = inside & ((at >= start) & (at < stop)).reshape(shape)
        place.append(np.clip(at, 0, image.shape[axis] - 1).reshape(shape))
    own = inside & (mask[tuple(place)] == label.reshape(n, *(1,) * ndim))
    return np.where(own, image[tuple(place)].astype(np.float32) - np.float32(low), 0)


def match_truth(labels: LabelStack, truth: LabelStack) -> pd.DataFrame:
    """The track with the largest overlap with each mask: `frame`, `seg_label`, `id`, `pixels`.

    Masks that lie on no track have no row.
    """
    tables = []
    for time in range(len(labels)):
        mask, true = labels.frame(time), truth.frame(time)
        both = (mask > 0) & (true > 0)
        pairs, pixels = np.unique(np.stack([mask[both], true[both]]), axis=1, return_counts=True)
        table = pd.DataFrame(
            {"frame": time, "seg_label": pairs[0], "id": pairs[1], "pixels": pixels}
        )
        order = ["seg_label", "pixels", "id"]
        table = table.sort_values(order, ascending=[True, False, True])
        tables.append(table.drop_duplicates("seg_label"))
    return pd.concat(tables, ignore_index=True).astype(np.int64)


def write_features(
    cells: PaperCells, folder: str | Path, truth: pd.DataFrame | None = None
) -> Path:
    """Write csv/frame_000.csv and so on in `folder` (by custom DATASET/SEQUENCE), whole or not.

    With `truth`, from `match_truth`, there is a column `id`, and cells of no track are left out.
    Returns the folder of the tables. Raises `CannotWrite` if the disk refuses or `folder`/csv holds
    anything else; it is then as it was.
    """
    table = cells.table
    if truth is not None:
        named = truth.rename(columns={"frame": "frame_num"})[["frame_num", "seg_label", "id"]]
        table = table.merge(named, on=["frame_num", "seg_label"])
    own = node_columns(cells.ndim, cells.mode)
    lead = [name for name in ("id", "seg_label", *own) if name in table]
    table = table[lead + [name for name in table if name not in lead]]
    place = Path(folder).expanduser() / "csv"
    digits = max(3, len(str(int(cells.frame.max(initial=0)))))
    with writing_to(place), replaced_folder(place, own=r"frame_\d+\.csv") as draft:
        for time, group in table.groupby("frame_num"):
            group.to_csv(draft / f"frame_{time:0{digits}d}.csv", index=False, lineterminator="\n")
    return place


def read_features(folder: str | Path) -> pd.DataFrame:
    """The tables of all frames of `folder`, which `write_features` gave, as one.

    Raises `BadInput` if there are none.
    """
    named = re.compile(r"frame_(\d+)\.csv")
    found = [(named.fullmatch(path.name), path) for path in Path(folder).expanduser().glob("*.csv")]
    paths = sorted((int(match[1]), path) for match, path in found if match)
    if not paths:
        raise BadInput(
            f"No tables of features were found in {folder}; expected frame_000.csv and so on; "
            "choose the folder called csv, or write them first."
        )
    return pd.concat([pd.read_csv(path) for _, path in paths], ignore_index=True)
