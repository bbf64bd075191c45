"""Write the nuclei of a movie as samples in folders, one class a folder (the 4ncnn layout)."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cellcycle.config import ExtractSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.features.crops import median_diameter
from napari_cellcycle.io.frames import check_labels_fit, write_plane
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress

FOLDERS = {name: name.replace(" ", "_") for name in NUCLEUS.names}
MARK = "extraction.json"
"""File that tells a folder of samples, which may be replaced, from any other folder."""
_OWN = "|".join([*FOLDERS.values(), re.escape(MARK), r"\d{4}-\d\d-\d\d"])
"""What `write_samples` writes."""
Box = tuple[slice, ...]


@dataclass(frozen=True)
class Source:
    """What samples are cut from, and what is known of the cells."""

    movie: Movie
    labels: LabelStack
    tracks: Tracks
    dataset: str
    channel: str | None = None


def write_samples(
    source: Source,
    state: Sequence[str] | np.ndarray,
    folder: str | Path,
    settings: ExtractSettings | None = None,
    *,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Write <class>/<dataset>_frame_<ttt>_nucleus_<iii>_count_<n>/{t-1,t,t+1}/*.tif.

    `state` (n,) names what happens to each cell of the tracks, "" where it is not known: it is
    then left out, as are cells too near to the ends of the movie. One box, that of the nucleus in
    its own frame, is cut from all frames. A chart of the classes lies in a folder of the day.
    Replaces a folder that this function wrote before.

    Returns the table of samples: `sample`, `state`, `frame`, `nucleus`.

    Raises `BadInput` if no cell can be written, `CannotWrite` if the disk refuses or the folder
    holds something else; it is then as it was.
    """
    settings, folder = settings or ExtractSettings(), Path(folder)
    check_labels_fit(source.movie, source.labels)
    chosen = _choose(source, np.asarray(state, str), settings)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise CannotWrite(
            f"{folder} already holds other files, and nothing was written: choose a new folder."
        )
    with writing_to(folder), replaced_folder(folder, own=_OWN) as draft:
        rows: list[dict[str, Any]] = []
        size = source.movie.pixel_size
        scale = {
            "pixel_size_um": list(size),
            "median_diameter_um": median_diameter(source.labels, size),
        }
        frames = chosen.groupby("frame")
        for _, cells in track_progress(frames, len(frames), progress, "Writing nuclei"):
            rows += _write_frame(source, int(cells["frame"].iloc[0]), cells, draft, settings, scale)
        table = pd.DataFrame(rows)
        _write_chart(table["state"].value_counts(), draft)
        about = {"dataset": source.dataset, "samples": len(table), **settings.model_dump()}
        (draft / MARK).write_text(json.dumps(about, indent=2))
    return table


def _choose(source: Source, state: np.ndarray, settings: ExtractSettings) -> pd.DataFrame:
    """The cells that are written, of each class at most so many, with their `state`."""
    cells = source.tracks.cells[["frame", "label"]].assign(state=state)
    unknown = set(cells["state"]) - {"", *FOLDERS}
    if unknown:
        raise BadInput(f"The state {min(unknown)!r} is none of {', '.join(FOLDERS)}; rename it.")
    edge = settings.timeframe
    inside = cells["frame"].between(edge, len(source.movie) - 1 - edge)
    cells = cells[inside & (cells["state"] != "")]
    if not len(cells):
        raise BadInput(
            f"No cell of {source.dataset} has a known state and {edge} frames before and after it; "
            "choose a longer movie, or one with more of its lineage."
        )
    if settings.max_samples:
        order = np.random.default_rng(settings.seed).permutation(len(cells))
        drawn = cells.iloc[order].groupby("state").head(settings.max_samples)
        cells = drawn.sort_index()
    return cells


def _write_frame(
    source: Source,
    time: int,
    cells: pd.DataFrame,
    draft: Path,
    settings: ExtractSettings,
    scale: dict[str, Any],
) -> list[dict[str, Any]]:
    """Write the chosen nuclei of one frame; nothing but the frames around it is read."""
    offsets = range(-settings.timeframe, settings.timeframe + 1)
    images = {t: source.movie.frame(time + t, source.channel) for t in offsets}
    masks = {t: source.labels.frame(time + t) for t in offsets}
    boxes = ndimage.find_objects(masks[0])
    count = len(np.unique(masks[0])) - bool((masks[0] == 0).any())
    rows = []
    for cell_id, label, state in zip(cells.index, cells["label"], cells["state"], strict=True):
        own = boxes[label - 1] if label <= len(boxes) else None
        if own is None:
            continue
        name = f"{source.dataset}_frame_{time:03d}_nucleus_{label:03d}_count_{count}"
        place = draft / FOLDERS[state] / name
        box = padded(own, masks[0].shape, settings)
        about = _about(source, int(cell_id), own, masks[0])
        about["extraction_config"] = {
            "crop_padding": settings.padding,
            "cube": settings.cube,
            "timeframe": settings.timeframe,
            "crop_box": [[part.start, part.stop] for part in box],
            **scale,
        }
        _write_sample(place, box, images, masks, int(label), about)
        rows.append({"sample": f"{FOLDERS[state]}/{name}", "state": state})
        rows[-1].update(frame=time, nucleus=int(label))
    return rows


def padded(own: Box, shape: tuple[int, ...], settings: ExtractSettings) -> Box:
    """The box that is cut for a nucleus: larger than it, or a fixed cube; inside the volume."""
    box = []
    for part, length in zip(own, shape, strict=True):
        middle, size = (part.start + part.stop) / 2, part.stop - part.start
        half = (settings.cube or settings.padding * size) / 2
        box.append(slice(max(0, round(middle - half)), min(length, round(middle + half))))
    return tuple(box)


def _write_sample(
    place: Path,
    box: Box,
    images: dict[int, np.ndarray],
    masks: dict[int, np.ndarray],
    label: int,
    about: dict[str, Any],
) -> None:
    for offset, image in images.items():
        inner = place / ("t" if offset == 0 else f"t{offset:+d}")
        inner.mkdir(parents=True)
        write_plane(inner / "raw_cropped.tif", image[box])
        mask = masks[offset][box].astype(np.int32)
        write_plane(inner / "label_cropped.tif", mask)
        if offset == 0:
            write_plane(inner / "binary_label_cropped.tif", (mask == label).astype(np.uint8))
            write_plane(inner / "raw_image_cropped.tif", np.where(mask == label, image[box], 0))
        frame = {"offset": offset, "frame": about["nucleus_summary"]["event_frame"] + offset}
        (inner / "metadata.json").write_text(json.dumps(frame, indent=2))
    (place / "metadata.json").write_text(json.dumps(about, indent=2))


def _about(source: Source, cell_id: int, own: Box, mask: np.ndarray) -> dict[str, Any]:
    """What the metadata of a sample say of the nucleus and its lineage."""
    cells, links = source.tracks.cells, source.tracks.links
    cell = cells.loc[[cell_id]]
    label = int(cell["label"].iloc[0])
    parent = links.loc[links["child"] == cell_id, "parent"]
    children = links.loc[links["parent"] == cell_id, "child"]
    return {
        "nucleus_summary": {
            "dataset": source.dataset,
            "nucleus_id": label,
            "event_frame": int(cell["frame"].iloc[0]),
            "centroid": cell[source.tracks.axes].to_numpy(float)[0].tolist(),
            "bounding_box": [[part.start, part.stop] for part in own],
            "voxel_count": int((mask[own] == label).sum()),
        },
        "lineage_info": {
            "parent": cells["label"].loc[parent].tolist(),
            "daughters": cells["label"].loc[children].tolist(),
        },
    }


def _write_chart(count: pd.Series, draft: Path) -> None:
    """Bars of how many samples there are of each class, in a folder of the day."""
    from matplotlib.figure import Figure

    folder = draft / f"{datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir()
    names = [name for name in FOLDERS if name in count]
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.bar(names, [int(count[name]) for name in names])
    colours = NUCLEUS.colours
    for bar, name in zip(bars, names, strict=True):
        bar.set_color(colours[name])
    axes.bar_label(bars)
    axes.set_ylabel("samples")
    figure.savefig(folder / "classification_distribution.png", dpi=120)
