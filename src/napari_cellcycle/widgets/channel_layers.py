"""One layer for each channel of a movie, as masks and tracks can lie on no other."""

from typing import TYPE_CHECKING

from napari.layers import Image

from napari_cellcycle.widgets.files import movie_layers
from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.movies import METADATA

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

_COLOURS = ("magenta", "green", "blue", "yellow", "cyan", "red")
"""In the order in which napari colours channels that it splits, but for the white."""


def unstack(dock: "CellCycle") -> None:
    """Show the channels of the chosen movie as layers of their own, if one layer holds them all.

    napari lines up the last axes of layers: beside an image (T, C, Y, X), masks (T, Y, X) would
    follow the channel instead of time. What was chosen for the movie stays chosen.
    """
    layer, movie, channel = dock.picker.layer, dock.picker.movie, dock.picker.channel
    if layer is None or movie is None or METADATA in layer.metadata or len(movie.channels) == 1:
        return
    place, was_seen = placed(layer, movie.ndim + 1), layer.visible
    shown = []
    found = movie_layers(movie, layer.name, {"movie": movie})
    for number, (data, options, _) in enumerate(found):
        options |= {**place, "colormap": _COLOURS[number % len(_COLOURS)], "visible": was_seen}
        shown.append(Image(data, **options))
    for one in shown:
        dock.viewer.add_layer(one)
    names = [one.metadata[METADATA]["channel"] for one in shown]
    dock.picker.choose(shown[names.index(channel) if channel in names else 0])
    dock.viewer.layers.remove(layer)
    dock.picker.choose_channel(channel)
