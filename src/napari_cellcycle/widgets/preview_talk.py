"""The conversation with the process of previews, one question at a time."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.features.colours import COLOURS
from napari_cellcycle.jobs.events import Done, Failed
from napari_cellcycle.jobs.preview import Look, command_of_previews
from napari_cellcycle.jobs.process import ChildProcess, Ended
from napari_cellcycle.widgets.offers import sees_colours
from napari_cellcycle.widgets.task import JobFailed

_POLL = 0.02
_KEPT_FRAMES = 8
_ENDED = (
    "The process that makes previews ended; nothing was lost: try again, or choose another model "
    "or device."
)


@dataclass(frozen=True)
class Answer:
    """What was found, by name, and how."""

    found: dict[str, np.ndarray]
    seconds: float
    notes: tuple[str, ...]


class Talk:
    """Starts the process when it is first needed, and stores frames where it finds them.

    May be used from several threads; one waits for the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._folder: Path | None = None
        self._frames: dict[object, Path] = {}
        self._count = 0
        self._closed = False

    def begin(self) -> None:
        """Have the process ready."""
        with self._lock:
            self._ready()

    def store(self, key: object, read: Callable[[], np.ndarray]) -> Path:
        """File of a frame, which is read and written unless that was done for the same key."""
        with self._lock:
            if key not in self._frames:
                while len(self._frames) >= _KEPT_FRAMES:
                    self._frames.pop(next(iter(self._frames))).unlink(missing_ok=True)
                path = self._new("frame", ".npy")
                np.save(path, read())
                self._frames[key] = path
            return self._frames[key]

    def new_file(self) -> Path:
        """Path of the next file of results."""
        with self._lock:
            return self._new("seen", ".npz")

    def ask(self, look: Look, check: Callable[[], object]) -> Answer:
        """Have `look` worked on and wait for it; `check` is called meanwhile and may raise.

        Raises `JobFailed` if it cannot be done.
        """
        with self._lock:
            child = self._ready()
            child.send(look.to_json())
            while True:
                heard = child.hear(_POLL)
                if isinstance(heard, Ended):
                    self._child = None
                    raise JobFailed(Failed(_ENDED, child.last_words))
                if isinstance(heard, Failed):
                    raise JobFailed(heard)
                if isinstance(heard, Done):
                    found = _read(heard.folder)
                    if heard.folder == look.out:
                        return Answer(found, heard.seconds, heard.notes)
                check()

    def stop(self) -> None:
        """End the process, whatever it does; another is started when it is needed."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the process for good and remove all files."""
        self._closed = True
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _ready(self) -> ChildProcess:
        if self._closed:
            raise JobFailed(Failed(_ENDED))
        if self._child is None or not self._child.is_alive:
            self._child = ChildProcess(command_of_previews())
        return self._child

    def _new(self, name: str, suffix: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="cellcycle-preview-"))
        self._count += 1
        return self._folder / f"{name}-{self._count}{suffix}"


class RemoteSegmenter:
    """A segmenter whose model is open in the process of previews.

    `check` is called while one waits, and ends the waiting by raising.
    """

    takes_levels = True

    def __init__(
        self, talk: Talk, name: str, compute: ComputeSettings, check: Callable[[], object]
    ) -> None:
        self.name = name
        self.channels = COLOURS if sees_colours(name, compute.model_folder) else 1
        self.notes: tuple[str, ...] = ()
        self._talk, self._compute, self._check = talk, compute, check

    def __call__(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: tuple[float, float] | None = None,
    ) -> np.ndarray:
        """Masks of an image or a piece of one."""
        found = self._ask("masks", [image], pixel_size, settings, levels)
        return found["masks"]

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """Typical cell diameter in micrometres."""
        diameter = float(self._ask("size", images, pixel_size, settings)["diameter"])
        return None if np.isnan(diameter) else diameter

    def _ask(
        self,
        kind: str,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: tuple[float, float] | None = None,
    ) -> dict[str, np.ndarray]:
        files = []
        for image in images:
            file = self._talk.new_file().with_suffix(".npy")
            np.save(file, image)
            files.append(file)
        device, folder = self._compute.device, self._compute.model_folder
        look = Look(
            kind,  # type: ignore[arg-type]
            tuple(files),
            self._talk.new_file(),
            pixel_size,
            settings,
            levels=levels,
            device=device,
            model_folder=folder,
        )
        try:
            answer = self._talk.ask(look, self._check)
        except JobFailed:
            raise
        except BaseException:
            self._talk.stop()
            raise
        finally:
            for file in files:
                file.unlink(missing_ok=True)
        self.notes = tuple(dict.fromkeys([*self.notes, *answer.notes]))
        return answer.found


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        found = {name: stored[name] for name in stored.files}
    path.unlink(missing_ok=True)
    return found
