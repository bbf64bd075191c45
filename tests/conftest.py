"""What all tests share; nothing here imports Qt unless a test asks for a viewer."""

import os
import signal

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored

FOREIGN = (
    # napari's own layers and its vispy backend, not ours to mend
    "ignore:.*:DeprecationWarning:(vispy|napari|npe2|superqt|magicgui|app_model|pint|zarr|numba).*",
    "ignore:.*:PendingDeprecationWarning:(vispy|napari|numba).*",
)


def pytest_configure(config):
    for line in FOREIGN:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(config, items):
    if "crash" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("crash"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; runs with -m crash"))


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Results go to a folder of the test's own."""
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    return tmp_path / "work"
