"""A movie of cells in the colours of their stages, as MP4, GIF or numbered pictures."""

import importlib.util
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.film_frames import (
    FilmFrame,
    FilmSettings,
    check_film,
    film_frames,
)
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent

KINDS = (".mp4", ".gif", "")
"""Suffixes of films: two kinds of file, and a folder of pictures."""

_PICTURES = r"frame\d+\.png"

_FFMPEG, _OPENCV = "imageio_ffmpeg", "cv2"


class Writer(Protocol):
    """Takes the frames of a film one after the other; only one is held at a time."""

    def add(self, frame: FilmFrame) -> None:
        """Write the next frame."""

    def close(self) -> None:
        """End the film."""


def write_film(
    experiment: Experiment,
    path: str | Path,
    settings: FilmSettings | None = None,
    progress: Progress = silent,
) -> str:
    """Write a film to a file NAME.mp4 or NAME.gif, or a folder of frame000.png, ...

    It is drawn and written frame by frame, so its memory does not grow with the movie, and it
    appears whole or not at all.

    Returns
    -------
    str
        A note for the user, such as that the film is in an older format; "" if there is none.

    Raises
    ------
    BadInput
        There are no tracks, a setting names what is not there, or the name has another suffix.
    CannotWrite
        The disk refuses, or the folder holds anything but such pictures; it is then as it was.
    """
    settings, path = settings or FilmSettings(), Path(path).expanduser()
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise BadInput(
            f"{path.name} is no film's name; end it with .mp4 or .gif, or give a folder's name "
            "without a dot for one picture a frame."
        )
    check_film(experiment, settings)
    if kind == ".mp4" and not _has(_FFMPEG) and not _has(_OPENCV):
        raise BadInput(
            "MP4 films need one more package: pip install 'napari-cellcycle[film]'; "
            "or choose a name that ends with .gif."
        )
    stages = experiment.stages
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = replaced_folder(path, own=_PICTURES) if not kind else _replaced_file(path)
        with draft as place, closing(_writer(kind, place, settings, stages)) as writer:
            for frame in film_frames(experiment, settings, progress):
                writer.add(frame)
    if kind == ".mp4" and not _has(_FFMPEG):
        return (
            "The film is in the older MPEG-4 format, which browsers do not play; "
            "with 'napari-cellcycle[film]' installed it is H.264."
        )
    return ""


def _writer(kind: str, place: Path, settings: FilmSettings, stages: StageSet) -> Writer:
    if kind == ".gif":
        return GifWriter(place, list(stages.colours.values()))
    if kind == "":
        return PictureWriter(place)
    if _has(_FFMPEG):
        return FfmpegWriter(place, settings.speed)
    return OpencvWriter(place, settings.speed)


class GifWriter:
    """An endless GIF, each frame with colours of its own and those that must not change."""

    def __init__(self, path: Path, kept: list[str]) -> None:
        from matplotlib.colors import to_rgb

        self._kept = [round(255 * part) for colour in kept for part in to_rgb(colour)]
        self._file = path.open("wb")
        self._is_empty = True

    def add(self, frame: FilmFrame) -> None:
        """Write the next frame."""
        from PIL import GifImagePlugin, Image

        height, width = frame.picture.shape[:2]
        if self._is_empty:
            screen = struct.pack("<HHBBB", width, height, 0, 0, 0)
            self._file.write(b"GIF89a" + screen + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
            self._is_empty = False
        whole = Image.fromarray(frame.picture)
        others = whole.quantize(256 - len(self._kept) // 3).getpalette() or []
        palette = Image.new("P", (1, 1))
        palette.putpalette((self._kept + others)[:768])
        picture = whole.quantize(palette=palette, dither=Image.Dither.NONE)
        milliseconds = max(20, round(frame.seconds * 1000))
        parts = GifImagePlugin.getdata(
            picture, (0, 0), duration=milliseconds, include_color_table=True
        )
        for part in parts:
            self._file.write(part)

    def close(self) -> None:
        """End the film."""
        self._file.write(b";")
        self._file.close()


class PictureWriter:
    """A folder of numbered PNG files; pauses are not in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def add(self, frame: FilmFrame) -> None:
        """Write the next frame."""
        from PIL import Image

        name = f"frame{self._count:03d}.png"
        Image.fromarray(frame.picture).save(self._folder / name)
        self._count += 1

    def close(self) -> None:
        """End the film."""


class FfmpegWriter:
    """H.264, which every player and browser knows."""

    def __init__(self, path: Path, speed: float) -> None:
        self._path, self._speed = path, speed
        self._stream: Any = None

    def add(self, frame: FilmFrame) -> None:
        """Write the next frame, as often as its time asks for."""
        import imageio_ffmpeg

        if self._stream is None:
            height, width = frame.picture.shape[:2]
            self._stream = imageio_ffmpeg.write_frames(
                str(self._path),
                (width, height),
                fps=self._speed,
                quality=7,
                macro_block_size=2,
                ffmpeg_log_level="error",
            )
            self._stream.send(None)
        for _ in range(max(1, round(frame.seconds * self._speed))):
            self._stream.send(np.ascontiguousarray(frame.picture))

    def close(self) -> None:
        """End the film."""
        if self._stream is not None:
            self._stream.close()


class OpencvWriter:
    """MPEG-4 part 2, by the OpenCV that comes with Cellpose."""

    def __init__(self, path: Path, speed: float) -> None:
        self._path, self._speed = path, speed
        self._stream: Any = None

    def add(self, frame: FilmFrame) -> None:
        """Write the next frame, as often as its time asks for."""
        import cv2

        if self._stream is None:
            height, width = frame.picture.shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._stream = cv2.VideoWriter(str(self._path), code, self._speed, (width, height))
            if not self._stream.isOpened():
                raise BadInput("This machine cannot write MP4; choose a name that ends with .gif.")
        for _ in range(max(1, round(frame.seconds * self._speed))):
            self._stream.write(np.ascontiguousarray(frame.picture[..., ::-1]))

    def close(self) -> None:
        """End the film."""
        if self._stream is not None:
            self._stream.release()


@contextmanager
def _replaced_file(path: Path) -> Iterator[Path]:
    """Offer a file beside `path` that takes its place if the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
