"""The channel of a movie in which its cells are seen."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import ArrayLike, Movie


def channel_of(experiment: Experiment) -> str | None:
    """The channel that the cells were last segmented in; None, the first, where none is known."""
    found = [step.settings.get("channel") for step in experiment.history if step.name == "segment"]
    return found[-1] if found and found[-1] in experiment.movie.channels else None


def stage_channel_of(experiment: Experiment) -> str | None:
    """The channel that stages were last told in; where none was chosen, that of the masks."""
    found = [step.settings.get("channel") for step in experiment.history if step.name == "classify"]
    if found and found[-1] in experiment.movie.channels:
        return str(found[-1])
    return channel_of(experiment)


def seen_in(movie: Movie, channel: str | None) -> Movie:
    """The movie with that channel alone, read as lazily; as it is where none is named.

    Raises `BadInput` if it has no such channel.
    """
    if channel is None:
        return movie
    pixels = _OneChannel(movie.pixels, movie.channel_number(channel))
    return replace(movie, pixels=pixels, channels=(channel,))


@dataclass(frozen=True)
class _OneChannel:
    """Pixels (T, 1, [Z,] Y, X) of one channel, read from all of them by (time, 0, ...)."""

    pixels: ArrayLike
    number: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, 1, [Z,] Y, X)."""
        return (self.pixels.shape[0], 1, *self.pixels.shape[2:])

    def __getitem__(self, place: tuple[Any, ...]) -> np.ndarray:
        time, _, *part = place
        return np.asarray(self.pixels[(time, self.number, *part)])
