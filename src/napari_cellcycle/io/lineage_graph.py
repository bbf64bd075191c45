"""Embryos with a LineageGraph.json: registered images, masks, and who becomes whom."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.frames import FolderFrames, LabelFrames, frame_files, open_frames
from napari_cellcycle.progress import Progress, silent, track_progress

IMAGES, MASKS, GRAPH = "registered_images", "registered_label_images", "LineageGraph.json"
_TIME = re.compile(r"(\d+)(?:\.ome)?\.tiff?$", re.IGNORECASE)
_NODE = re.compile(r"^\s*(\d+)_(\d+)\s*$")


@dataclass(frozen=True)
class Embryo:
    """A recorded embryo with its lineage.

    Frame 0 of the movie is the time point `first` of the files. `left_out` counts what the lineage
    names but the masks do not show.
    """

    movie: Movie
    labels: LabelStack
    tracks: Tracks
    first: int
    left_out: int


def is_embryo(folder: str | Path) -> bool:
    """Whether a folder holds an embryo with a lineage graph."""
    return (Path(folder).expanduser() / GRAPH).is_file()


def read_graph(path: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes (`time`, `label`) and edges (`parent`, `child`, rows of nodes) of a lineage graph.

    `Nodes` and `Edges` stand at the top of the file or under one key that begins with G, as
    lists of records or as columns; a node is named TTT_LLL by its time point and label.

    Raises `BadInput` if the file is not such a graph.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        graph = _graph_in(found)
        names = _column(graph["Nodes"], "Name")
        pairs = _column(graph["Edges"], "EndNodes")
        parts = [_NODE.match(str(name)) for name in names]
        if not all(parts):
            raise ValueError(f"a node is named {names[parts.index(None)]!r}")
        nodes = pd.DataFrame(
            [[int(p[1]), int(p[2])] for p in parts if p], columns=["time", "label"]
        )
        place = {str(name).strip(): row for row, name in enumerate(names)}
        ends = [(place[str(a).strip()], place[str(b).strip()]) for a, b in pairs]
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{path} is no lineage graph that is known here ({type(error).__name__}: {error}); "
            "expected 'Nodes' with names such as 012_005 and 'Edges' with pairs of them."
        ) from error
    edges = pd.DataFrame(ends, columns=["parent", "child"], dtype=np.int64)
    return nodes.astype(np.int64), edges


def _graph_in(found: Any) -> Any:
    """Where `Nodes` and `Edges` stand: at the top, or under the first key that begins with G."""
    if "Edges" in found:
        return found
    return found[next((key for key in found if key.startswith("G")), "Edges")]


def _column(table: Any, name: str) -> list[Any]:
    """Values of a column, of a list of records or of a table of columns."""
    if isinstance(table, dict):
        values = table[name]
        single = name == "EndNodes" and len(values) == 2 and not isinstance(values[0], list)
        return [values] if single else list(values)
    return [record[name] for record in table]


def time_points(folder: str | Path) -> pd.DataFrame:
    """Which time points of an embryo have an image, masks and nodes: the audit of what is missing.

    Indexed by `time`, from the first to the last that any of them has; columns `image`, `masks`
    (bool) and `nodes` (their number).
    """
    folder = Path(folder)
    images, masks = (_files(folder / name) for name in (IMAGES, MASKS))
    nodes, _ = read_graph(folder / GRAPH)
    times = [*images, *masks, *nodes["time"]]
    index = pd.RangeIndex(min(times), max(times) + 1, name="time")
    return pd.DataFrame(
        {
            "image": index.isin(list(images)),
            "masks": index.isin(list(masks)),
            "nodes": nodes["time"].value_counts().reindex(index, fill_value=0),
        },
        index=index,
    )


def open_embryo(
    folder: str | Path,
    *,
    pixel_size: tuple[float, float, float] = (2.0, 0.208, 0.208),
    frame_interval: float = 900.0,
    progress: Progress = silent,
) -> Embryo:
    """Open an embryo: its images and masks lazily, its lineage as tracks.

    `folder` holds `LineageGraph.json`, `registered_images/nuclei_reg8_<t>.tif` and
    `registered_label_images/label_reg8_<t>.tif`. `pixel_size` (z, y, x; micrometres) and
    `frame_interval` (seconds) stand in no file; the defaults are those of the BlastoSPIM
    recordings. The labels of a cell differ from frame to frame.

    Raises
    ------
    BadInput
        A file is missing in the middle, files do not fit each other, or the graph is no forest.
    """
    folder = Path(folder).expanduser()
    nodes, edges = read_graph(folder / GRAPH)
    images, masks = (_files(folder / name) for name in (IMAGES, MASKS))
    times = sorted(set(images) & set(masks))
    if not times:
        raise BadInput(
            f"No time point of {folder} has both an image in {IMAGES} and masks in {MASKS}; check "
            "the files' names, which end in the time point."
        )
    missing = sorted(set(range(times[0], times[-1] + 1)) - set(times))
    if missing:
        raise BadInput(
            f"The image or the masks of time point {missing[0]} are missing in {folder} (and "
            f"{len(missing) - 1} more); add them, or move the files before or after away."
        )
    paths, shape, dtype, _ = open_frames([images[time] for time in times])
    movie = Movie(
        FrameArray(shape, dtype, paths, 2, folder.name),
        pixel_size,
        frame_interval,
        ("nuclei",),
        source=str(folder),
        guessed=frozenset({"pixel_size", "frame_interval"}),
    )
    reader = LabelFrames(FolderFrames(tuple(str(masks[time]) for time in times)), MASKS)
    labels = LabelStack(FrameArray((len(times), *shape[2:]), np.dtype(np.int32), reader, 1, MASKS))
    nodes = nodes.assign(frame=nodes["time"] - times[0])
    tracks, left_out = _tracks(nodes, edges, labels, progress)
    return Embryo(movie, labels, tracks, times[0], left_out)


def _files(folder: Path) -> dict[int, Path]:
    """Files of a folder by the time point in which their name ends."""
    if not folder.is_dir():
        raise BadInput(
            f"There is no folder {folder}; expected an embryo with {GRAPH}, {IMAGES} and {MASKS}."
        )
    found = ((_TIME.search(path.name), path) for path in frame_files(folder))
    return {int(match[1]): path for match, path in found if match}


def _tracks(
    nodes: pd.DataFrame, edges: pd.DataFrame, labels: LabelStack, progress: Progress
) -> tuple[Tracks, int]:
    """Tracks of the nodes that the masks show, and the number of those they do not."""
    frames = track_progress(range(len(labels)), len(labels), progress, "Reading masks")
    tables = [_centres(frame, labels.frame(frame)) for frame in frames]
    seen = pd.concat(tables, ignore_index=True)
    cells = nodes[["frame", "label"]].reset_index(names="node").merge(seen, on=["frame", "label"])
    cells.index = pd.Index(cells.pop("node") + 1, name="cell_id")
    links = (edges + 1).assign(score=1.0)
    links = links[links[["parent", "child"]].isin(cells.index).all(axis=1)].reset_index(drop=True)
    try:
        return Tracks(cells, links), len(nodes) - len(cells)
    except ValueError as error:
        raise BadInput(
            f"The lineage graph is no forest of cells ({error}); mend it, so that every cell has "
            "at most one parent and two children."
        ) from error


def _centres(frame: int, mask: np.ndarray) -> pd.DataFrame:
    """Centroid of each mask of a frame, in pixels."""
    where = np.nonzero(mask)
    values = mask[where]
    count = np.bincount(values)
    label = np.flatnonzero(count)
    table = {"frame": frame, "label": label.astype(np.int64)}
    for axis, index in zip(("z", "y", "x")[-mask.ndim :], where, strict=True):
        table[axis] = np.bincount(values, index)[label] / count[label]
    return pd.DataFrame(table)
