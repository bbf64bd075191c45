"""Viewers with the dock, real and quick children, and the watch over widgets left behind."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.jobs import JobRunner
from napari_cellcycle.widgets import work

HERE = Path(__file__).parent
QUICK = [sys.executable, str(HERE / "quick_child.py")]
CALL = [sys.executable, "-I", "-S", str(HERE / "quick_call.py")]


@pytest.fixture(scope="session", autouse=True)
def imported():
    """What is imported once lives to the end: garbage is not looked for in it after each test.

    Plugins are looked for once as well, not for each viewer: no others come meanwhile.
    """
    import napari.qt  # noqa: F401
    from npe2 import PluginManifest

    from napari_cellcycle.widgets import dock  # noqa: F401

    found = list(PluginManifest.discover())
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda *_, **__: iter(found))
        yield


@pytest.fixture(autouse=True)
def nothing_left(qapp):
    """Fail when a window outlives its test."""
    before = set(QApplication.topLevelWidgets())
    yield
    for _ in range(3):
        qapp.processEvents()
        gc.collect(1)
    left = [w for w in QApplication.topLevelWidgets() if w not in before and w.isVisible()]
    assert not left, f"still there after the test: {left}"


@pytest.fixture(scope="session")
def waiting(tmp_path_factory):
    """How a quick child is started whose imports are done already, where that is possible."""
    if not hasattr(os, "fork"):
        yield QUICK
        return
    place = tmp_path_factory.mktemp("quick") / "door"
    with subprocess.Popen([*QUICK, str(place)], stdin=subprocess.PIPE) as process:
        while not place.exists():
            assert process.poll() is None, "the quick child did not start"
            time.sleep(0.02)
        yield [*CALL, str(place)]
        process.stdin.close()


@pytest.fixture
def quick(monkeypatch, waiting):
    """Jobs are done by a child that knows the truth about the sample movies."""
    monkeypatch.setattr(work, "JobRunner", lambda: JobRunner(warm=False, command=waiting))


@pytest.fixture
def quick_alone(monkeypatch):
    """The same by a process that is nothing but that child, to be stopped."""
    monkeypatch.setattr(work, "JobRunner", lambda: JobRunner(warm=False, command=QUICK))


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def dock(viewer, qtbot):
    """The dock of a viewer, added as a user adds it; no child imports torch before it is needed."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    widget._warm.setInterval(3_600_000)
    yield widget
    if widget.task is not None:
        with qtbot.waitSignal(widget.finished, timeout=5000):
            widget.cancel()
    widget._child.close()


@pytest.fixture
def sample(viewer, dock):
    """The dock with the 2D sample open."""
    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    return dock


@pytest.fixture
def short(viewer, dock):
    """The dock with the first frames of the 2D sample open, of which steps are over sooner."""
    movie = open_movie(sample_path("nuclei_2d"))
    pixels = np.stack([movie.frame(time) for time in range(16)])
    scale, units = (5, *movie.pixel_size), ("min", "um", "um")
    viewer.add_image(pixels, name="nuclei", scale=scale, units=units)
    assert not dock.picker.movie.guessed
    return dock


@pytest.fixture
def run(qtbot):
    """Press a button of the dock and wait until its task has ended."""

    def press(dock, button, timeout=60_000):
        with qtbot.waitSignal(dock.finished, timeout=timeout):
            button.click()

    return press


class Heartbeat:
    """Records the longest gap between two beats of a 10 ms timer, in seconds."""

    def __init__(self):
        self.longest = 0.0
        self.gaps = []
        self._last = None
        self._timer = QTimer(interval=10)
        self._timer.timeout.connect(self._beat)

    def __enter__(self):
        self._last = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.stop()

    def _beat(self):
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self.longest = max(self.longest, now - self._last)
        self._last = now


@pytest.fixture
def heartbeat(qapp):
    return Heartbeat()
