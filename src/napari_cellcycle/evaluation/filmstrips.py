"""Filmstrips: pictures of one cell over time, framed in the colours of its stages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.progress import Progress, silent, track_progress

MOST_PICTURES = 60
"""Pictures of one cell; a longer life is shown in even steps, with every change of stage."""

TILE, DEPTH = 72, 24
"""Pixels of a picture, and planes of a volume that are looked at."""

_DIAMETERS, _AT_ONCE, _COLUMNS, _FRAME, _CAPTION = 2.5, 32, 15, 4, 16
_UNKNOWN = (221, 221, 221)


@dataclass(frozen=True)
class Strip:
    """Pictures of one track: `frames` (n,), `stages` (n,) names, `tiles` (n, views, m, m) float32.

    A movie in the plane has one view; of a volume there are the maximum over depth and the plane
    through the centre of the cell. `side` is the width of a picture in micrometres.
    """

    track: int
    frames: np.ndarray
    stages: tuple[str, ...]
    tiles: np.ndarray
    side: float


def filmstrips(
    experiment: Experiment,
    tracks: Sequence[int],
    *,
    channel: str | None = None,
    side: float | None = None,
    progress: Progress = silent,
) -> list[Strip]:
    """Cut pictures of some tracks, all those of a frame together; each frame is read once.

    `side` is the width of the pictures in micrometres (2.5 times the median cell if None).
    Raises `BadInput` for a track or channel that is not there.
    """
    own, movie, labels = experiment.tracks, experiment.movie, experiment.labels
    if own is None or labels is None:
        raise BadInput("There are no tracks to show yet: track the cells first.")
    if channel is not None and channel not in movie.channels:
        raise BadInput(f"There is no channel {channel!r}; choose {' or '.join(movie.channels)}.")
    number, frame = own.track_id.to_numpy(), own.cells["frame"].to_numpy()
    strange = sorted(set(tracks) - set(number.tolist()))
    if strange:
        raise BadInput(f"There is no cell {strange[0]}; its number is that of its track.")
    stage = np.full(len(own), "", object)
    if "stage" in own.cells:
        stage = own.cells["stage"].astype(str).to_numpy(object)
    side = side or _DIAMETERS * median_diameter(labels, movie.pixel_size)
    rows = {track: _shown(number, frame, stage, track) for track in dict.fromkeys(tracks)}
    wanted = np.concatenate([np.zeros(0, int), *rows.values()])
    place = {row: k for k, row in enumerate(wanted.tolist())}
    tiles = np.zeros((len(wanted), movie.ndim - 1, TILE, TILE), np.float32)
    centres = own.cells[own.axes].to_numpy(float)
    times = np.unique(frame[wanted]).tolist()
    for time in track_progress(times, len(times), progress, "Cutting pictures"):
        image = movie.frame(time, channel)
        here = wanted[frame[wanted] == time]
        for start in range(0, len(here), _AT_ONCE):
            some = here[start : start + _AT_ONCE]
            cut = _views(image, centres[some], movie.pixel_size, side)
            tiles[[place[row] for row in some.tolist()]] = cut
    return [
        Strip(
            track,
            frame[own_rows],
            tuple(stage[own_rows]),
            tiles[[place[row] for row in own_rows.tolist()]],
            side,
        )
        for track, own_rows in rows.items()
    ]


def draw_strip(strip: Strip, experiment: Experiment) -> np.ndarray:
    """Draw a filmstrip (height, width, 3) uint8: each picture in a frame of its stage's colour.

    The number below is that of the movie's frame. Views of a volume stand below each other.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    count, views = strip.tiles.shape[:2]
    columns = min(_COLUMNS, max(count, 1))
    width, height = TILE + 2 * _FRAME + 2, views * TILE + 2 * _FRAME + _CAPTION
    canvas = Image.new("RGB", (columns * width, -(-count // columns) * height), "white")
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.truetype(findfont("DejaVu Sans"), 11)
    low, high = np.percentile(strip.tiles, (1, 99.7)) if count else (0, 1)
    bright = np.clip((strip.tiles - low) / max(high - low, 1e-6), 0, 1) ** 0.8
    grey = (255 * bright).astype(np.uint8)
    colours = {
        name: tuple(round(255 * part) for part in to_rgb(colour))
        for name, colour in experiment.stages.colours.items()
    }
    for k in range(count):
        x, y = (k % columns) * width, (k // columns) * height
        colour = colours.get(strip.stages[k], _UNKNOWN)
        size = (x, y, x + TILE + 2 * _FRAME - 1, y + views * TILE + 2 * _FRAME - 1)
        pen.rectangle(size, fill=colour)
        stacked = grey[k].reshape(views * TILE, TILE)
        canvas.paste(Image.fromarray(stacked), (x + _FRAME, y + _FRAME))
        middle = (x + TILE / 2 + _FRAME, size[3] + 2)
        pen.text(middle, str(strip.frames[k] + 1), fill=(34, 34, 34), font=font, anchor="ma")
    return np.asarray(canvas)


def _shown(number: np.ndarray, frame: np.ndarray, stage: np.ndarray, track: int) -> np.ndarray:
    """Rows of a track in the order of time: all, or even steps and the changes of stage."""
    rows = np.flatnonzero(number == track)
    rows = rows[np.argsort(frame[rows])]
    if len(rows) <= MOST_PICTURES:
        return rows
    changes = np.flatnonzero(stage[rows[1:]] != stage[rows[:-1]]) + 1
    changes = np.unique(np.concatenate([changes - 1, changes]))[: MOST_PICTURES // 2]
    even = np.linspace(0, len(rows) - 1, MOST_PICTURES - len(changes)).astype(int)
    return rows[np.union1d(even, changes)]


def _views(
    image: np.ndarray, centres: np.ndarray, pixel_size: tuple[float, ...], side: float
) -> np.ndarray:
    """Pictures (n, views, m, m) of the cells of one frame."""
    width = tuple(side / size for size in pixel_size)
    if image.ndim == 2:
        return crops(image, centres, width, TILE, "background")[:, None]
    cut = crops(image, centres, width, (DEPTH + 1, TILE, TILE), "background")
    return np.stack([cut.max(axis=1), cut[:, DEPTH // 2]], axis=1)
