"""What a step can start from: our own result, or layers that somebody else has made."""

from collections.abc import Iterable
from dataclasses import dataclass

from napari.layers import Labels, Layer

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.widgets.movies import METADATA, fits, plain

OWN = {"track": "result of Segment", "classify": "result of Track"}
_AIDS = ("agreement", "changes", "preview")
"""What layers of our own show that are there to be looked at only."""


@dataclass(frozen=True)
class Source:
    """Masks, and tracks where they are known, under the name that a list shows.

    They are those of a `layer`, or our own result.
    """

    name: str
    labels: LabelStack
    tracks: Tracks | None = None
    layer: Layer | None = None


def sources(
    step: str,
    experiment: Experiment | None,
    layers: Iterable[Layer],
    movie: Movie,
    own: list[Layer],
) -> list[Source]:
    """What `step` ("track" or "classify") can start from, the likeliest first.

    `own` are the layers that show `experiment`; they are not offered a second time.
    """
    found = []
    if experiment is not None and experiment.labels is not None:
        own_result = Source(OWN[step], experiment.labels, experiment.tracks)
        found += [own_result] if step == "track" or own_result.tracks is not None else []
    others = [layer for layer in map(plain, layers) if not any(layer is x for x in own)]
    for layer in others[::-1]:
        if fits(layer, movie) and layer.metadata.get(METADATA, {}).get("shows") not in _AIDS:
            source = _from_layer(layer)
            if step == "track" or source.tracks is not None:
                found.append(source)
    return found


def _from_layer(layer: Labels) -> Source:
    known = layer.metadata.get(METADATA, {})
    data = layer.data[0] if layer.multiscale else layer.data
    return Source(layer.name, LabelStack(data), known.get("tracks"), layer)
