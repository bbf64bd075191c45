"""What is written and drawn over a film: tails, numbers, scale bar, time and legend."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.evaluation.film_view import FlatFrame, FlatView

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

    from napari_cellcycle.evaluation.film_frames import FilmSettings

_BARS_UM = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_MARGIN, _SMALLEST_TEXT = 8, 11


class Words:
    """Draws over the pictures of one film."""

    def __init__(self, experiment: Experiment, settings: "FilmSettings", view: FlatView) -> None:
        from matplotlib.font_manager import findfont
        from PIL import ImageFont

        self._experiment, self._settings, self._view = experiment, settings, view
        width = view.shape[1]
        self._size = int(np.clip(width / 36, _SMALLEST_TEXT, 28))
        self._font = ImageFont.truetype(findfont("DejaVu Sans"), self._size)
        self._small = self._font.font_variant(size=max(_SMALLEST_TEXT, int(self._size * 0.8)))
        self._strip = self._legend() if settings.legend else np.zeros((0, width, 3), np.uint8)

    def draw(
        self,
        picture: np.ndarray,
        frame: FlatFrame,
        time: int,
        here: pd.DataFrame,
        tails: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    ) -> np.ndarray:
        """Finish one picture (height, width, 3): what is drawn over it, and the legend below."""
        from PIL import Image, ImageDraw

        canvas = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        pen = ImageDraw.Draw(canvas)
        for before, now, colour in tails:
            ends = [self._view.places(place, frame.corner) for place in (before, now)]
            for (y0, x0), (y1, x1), rgb in zip(*ends, colour, strict=True):
                pen.line((x0, y0, x1, y1), fill=tuple(rgb.astype(int).tolist()), width=2)
        if self._settings.ids:
            self._numbers(pen, frame, here)
        if self._settings.time_stamp:
            minutes = round(time * self._experiment.movie.frame_interval / 60)
            text = f"{minutes // 60} h {minutes % 60:02d} min"
            self._text(pen, (_MARGIN, _MARGIN), text, anchor="la")
        if self._settings.scale_bar:
            self._scale_bar(pen)
        return np.concatenate([np.asarray(canvas), self._strip])

    def _numbers(self, pen: "ImageDraw", frame: FlatFrame, here: pd.DataFrame) -> None:
        own = here[here["wanted"]]
        axes = [axis for axis in ("z", "y", "x") if axis in own]
        places = self._view.places(own[axes].to_numpy(float), frame.corner)
        for (y, x), number in zip(places, own["number"], strict=True):
            self._text(pen, (x, y), str(number), anchor="mm", small=True)

    def _scale_bar(self, pen: "ImageDraw") -> None:
        height, width = self._view.shape
        pixels = self._view.micrometre()
        length = max((b for b in _BARS_UM if b * pixels <= width / 4), default=_BARS_UM[0])
        right, bottom = width - _MARGIN, height - _MARGIN
        left, top = right - length * pixels, bottom - max(3, self._size // 5)
        pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=(0, 0, 0))
        pen.rectangle((left, top, right, bottom), fill=(255, 255, 255))
        self._text(pen, ((left + right) / 2, top - 4), f"{length:g} µm", anchor="mb")

    def _text(
        self,
        pen: "ImageDraw",
        place: tuple[float, float],
        text: str,
        *,
        anchor: str,
        small: bool = False,
    ) -> None:
        font = self._small if small else self._font
        pen.text(
            place,
            text,
            fill=(255, 255, 255),
            font=font,
            anchor=anchor,
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )

    def _legend(self) -> np.ndarray:
        """Names of the stages beside their colours, in as many lines as they need."""
        from matplotlib.colors import to_rgb
        from PIL import Image, ImageDraw

        width, box = self._view.shape[1], self._size
        line, spots = box + 8, []
        x, y = _MARGIN, 4
        for stage in self._experiment.stages.stages:
            long = box + 6 + int(self._small.getlength(stage.name)) + 16
            if x + long > width and x > _MARGIN:
                x, y = _MARGIN, y + line
            spots.append((x, y, stage))
            x += long
        height = y + line
        strip = Image.new("RGB", (width, height + height % 2), (24, 24, 24))
        pen = ImageDraw.Draw(strip)
        for x, y, stage in spots:
            colour = tuple(round(255 * part) for part in to_rgb(stage.colour))
            pen.rectangle((x, y + 2, x + box, y + box), fill=colour)
            middle = (x + box + 6, y + box / 2 + 1)
            pen.text(middle, stage.name, fill=(235, 235, 235), font=self._small, anchor="lm")
        return np.asarray(strip)
