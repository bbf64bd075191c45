"""The process of previews: keeps a model open and segments what it was asked for last.

It reads one JSON object a line from standard input (a `Look`) and answers each that it worked on
with an event, `Done` with the file of what was found or `Failed`. Of several that wait only the
last is worked on: whoever moves a slider wants to see where it stands now.
"""

import json
import os
import queue
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import astuple, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.jobs.events import Done, Failed, to_json
from napari_cellcycle.jobs.work import failure

if TYPE_CHECKING:
    from napari_cellcycle.models.segment.segmenter import Segmenter

SLOW = (
    "torch",
    "safetensors.torch",
    "skimage.measure",
    "cellpose.dynamics",
    "napari_cellcycle.pipeline.preview",
    "napari_cellcycle.models.segment.cellcycle",
)
"""What is imported while nothing is asked for yet."""
MOST_PX = 1024 * 1024
"""Most pixels of a preview: what takes about a second on two processor cores."""


@dataclass(frozen=True)
class Look:
    """Frames to be looked at, each in a file (NPY) of ([Z,] Y, X).

    "preview" segments the `region` of one frame, or all of it, and tells also the size of cells;
    "masks" segments one image as it is, by the brightness `levels` of what it is a piece of;
    "size" finds how large the cells in several images are. The result goes to `out` (NPZ).
    Previews of one `series` share the size of cells that was found in the first.
    """

    kind: Literal["preview", "masks", "size"]
    images: tuple[Path, ...]
    out: Path
    pixel_size: tuple[float, ...]
    settings: SegmentSettings
    region: Region | None = None
    levels: tuple[float, float] | None = None
    series: str = ""
    device: str = "auto"
    model_folder: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe it with what JSON can hold; `from_json` is the inverse."""
        return {
            **vars(self),
            "images": [str(path) for path in self.images],
            "out": str(self.out),
            "settings": self.settings.model_dump(mode="json"),
            "region": astuple(self.region) if self.region else None,
        }

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> "Look":
        """Rebuild what `to_json` described."""
        region, levels = described["region"], described["levels"]
        plain = {
            "images": tuple(map(Path, described["images"])),
            "out": Path(described["out"]),
            "pixel_size": tuple(described["pixel_size"]),
            "settings": SegmentSettings.model_validate(described["settings"]),
            "region": Region(*region) if region else None,
            "levels": tuple(levels) if levels else None,
        }
        return cls(**{**described, **plain})


def command_of_previews() -> list[str]:
    """How the process is started."""
    from napari_cellcycle.jobs.process import command_of_child

    return [*command_of_child()[:-1], "napari_cellcycle.jobs.preview"]


class Eye:
    """Answers looks; model, frame and size of cells are kept between them."""

    def __init__(self) -> None:
        self._model: tuple[Any, Segmenter] | None = None
        self._image: tuple[Path, np.ndarray] | None = None
        self._diameters: dict[Any, float | None] = {}
        self._map: tuple[Any, np.ndarray] | None = None

    def __call__(self, look: Look) -> None:
        """Write what was found to the file of `look`.

        Of sizes the `diameter`, else `masks`. Of previews both (NaN: no diameter is known), the
        `region` that they show, and the probability `map` of query models, of that region too.
        """
        segmenter = self._opened(look)
        if look.kind == "preview":
            found = self._preview(look, segmenter)
        elif look.kind == "masks":
            found = {"masks": _masks(look, segmenter, self._read(look.images[0]))}
        else:
            images = [np.load(path) for path in look.images]
            diameter = segmenter.find_diameter(images, look.pixel_size, look.settings)
            found = {"diameter": diameter or np.nan}
        part = look.out.with_suffix(".part.npz")
        np.savez(part, **found)
        part.replace(look.out)

    def _preview(self, look: Look, segmenter: "Segmenter") -> dict[str, Any]:
        from napari_cellcycle.pipeline.preview import preview

        image = self._read(look.images[0])
        colours = image if image.ndim > len(look.pixel_size) else image[np.newaxis]
        names = tuple(map(str, range(len(colours))))
        movie = Movie(colours[np.newaxis], look.pixel_size, 1.0, names)
        key = (look.series, look.pixel_size, look.settings.model, look.device, look.model_folder)
        settings = look.settings
        if not settings.diameter and key in self._diameters:
            settings = settings.model_copy(update={"diameter": self._diameters[key]})
        seen = preview(movie, 0, settings, look.region, model=segmenter, most_px=MOST_PX)
        diameter = seen.prepared.settings.diameter
        if not look.settings.diameter:
            self._diameters[key] = diameter
        found = {
            "masks": seen.masks,
            "region": astuple(seen.region),
            "diameter": diameter or np.nan,
        }
        shows_map = getattr(segmenter, "probability_map", None)
        if shows_map is not None:
            known = (look.images, seen.region, diameter, self._model and self._model[0])
            if self._map is None or self._map[0] != known:
                part = image[seen.region.slices]  # of one channel or of all
                self._map = (known, shows_map(part, seen.prepared.diameter_px))
            found["map"] = self._map[1]
        return found

    def _opened(self, look: Look) -> "Segmenter":
        key = (look.settings.model, look.device, look.model_folder)
        if self._model is None or self._model[0] != key:
            self._model = None
            from napari_cellcycle.pipeline.prepare import open_model

            opened = open_model(look.settings, look.device, look.model_folder)
            remember = getattr(opened, "remember", None)
            if remember is not None:
                remember()
            self._model = (key, opened)
        return self._model[1]

    def _read(self, path: Path) -> np.ndarray:
        if self._image is None or self._image[0] != path:
            self._image = (path, np.load(path))
        return self._image[1]


def _masks(look: Look, segmenter: "Segmenter", image: np.ndarray) -> np.ndarray:
    from napari_cellcycle.models.segment.segmenter import takes_levels

    if look.levels is not None and takes_levels(segmenter):
        return segmenter(image, look.pixel_size, look.settings, look.levels)
    return segmenter(image, look.pixel_size, look.settings)


class _Previews:
    def __init__(self, events: TextIO) -> None:
        self._events = events
        self._looks: queue.SimpleQueue[Look | None] = queue.SimpleQueue()
        self._eye = Eye()

    def serve(self) -> None:
        """Answer until the parent is gone."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        for name in SLOW:
            if not self._looks.empty():
                break
            with suppress(Exception):  # the look that needs it will say what is wrong
                import_module(name)
        while (look := self._newest()) is not None:
            self._answer(look)

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            self._looks.put(Look.from_json(json.loads(line)))
        os._exit(0)

    def _newest(self) -> Look | None:
        look = self._looks.get()
        while not self._looks.empty():
            look = self._looks.get()
        return look

    def _answer(self, look: Look) -> None:
        started = time.monotonic()
        event: Done | Failed
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", UserWarning)
                self._eye(look)
            notes = tuple(str(w.message) for w in said if "Memory ran out" in str(w.message))
            event = Done(look.out, notes, time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - told to the user
            event = failure(error)
        self._events.write(json.dumps(to_json(event)) + "\n")
        self._events.flush()


def main() -> None:
    """Be the process of previews."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _Previews(events).serve()


if __name__ == "__main__":
    main()
