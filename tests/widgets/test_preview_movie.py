"""The preview shows the movie, the channel and the pixel size that are chosen, and no other."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.preview import NAME
from napari_cellcycle.widgets.preview_thread import Previews, Wanted

PATIENCE = 120_000
SETTINGS = SegmentSettings(model="threshold", diameter=14)


def cells(count):
    """A frame with cells in a row."""
    image = np.zeros((100, 200))
    image[50, 20 : 20 + 30 * count : 30] = 1
    return (200 + 4e5 * gaussian_filter(image, 5)).astype(np.uint16)


@pytest.fixture
def look(qtbot):
    """Do something and wait for the preview that follows it."""

    def wait(dock, deed):
        with qtbot.waitSignal(dock.preview.shown, timeout=PATIENCE) as shown:
            deed()
        return shown.args[0]

    return wait


def count(seen):
    return len(np.unique(seen.masks)) - 1


def choose(box, name):
    box.setCurrentIndex(box.findText(name))


def test_the_preview_follows_movie_channel_and_pixel_size(viewer, dock, look):
    one = np.stack([cells(2)] * 3)
    two = np.stack([[cells(3), cells(4)]] * 3)
    viewer.add_image(two, name="two channels", channel_axis=None)
    viewer.add_image(one, name="one")
    choose(dock.picker.layers, "one")
    dock.segment.model.setCurrentText("threshold")
    dock.segment.form.rows["diameter"].value = 14
    viewer.reset_view()
    assert count(look(dock, dock.segment.preview_button.click)) == 2

    def other():
        choose(dock.picker.layers, "two channels")
        assert NAME not in viewer.layers, "nothing of the former movie is left"

    assert count(look(dock, other)) == 3
    channels = dock.picker.channels
    assert count(look(dock, lambda: channels.setCurrentIndex(1))) == 4
    seen = look(dock, lambda: dock.picker.pixel.setValue(0.5))
    assert seen.wanted.movie.pixel_size[-1] == 0.5
    viewer.layers.clear()
    assert not dock.segment.preview_button.isChecked() and NAME not in viewer.layers


def movie_of(count):
    """Pixels of a movie of one frame, with so many cells."""
    return cells(count)[np.newaxis, np.newaxis]


def test_frames_of_a_movie_that_is_gone_are_not_taken_for_those_of_another(qtbot):
    found, previews = [], Previews()
    previews.seen.connect(lambda seen: found.append(count(seen)))

    def show(pixels):
        many = len(found)
        movie = Movie(pixels, (1.0, 1.0), 60.0, ("cells",))
        previews.want(Wanted(movie, 0, SETTINGS, ComputeSettings()))
        qtbot.waitUntil(lambda: len(found) > many, timeout=PATIENCE)

    try:
        former = [movie_of(2) for _ in range(5)]
        for pixels in former:
            show(pixels)
        show(movie_of(3))
        frame, places = movie_of(4), set(map(id, former))
        former, pixels = [], None
        others = [frame[:] for _ in range(100)]
        show(next((one for one in others if id(one) in places), frame))
    finally:
        previews.close()
    assert found == [*[2] * 5, 3, 4]
