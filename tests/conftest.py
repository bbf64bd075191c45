"""What all tests share; nothing here imports Qt unless a test asks for a viewer."""

import os
import signal
from dataclasses import replace

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


MOVIES: dict = {}


@pytest.fixture(scope="module")
def simulated_once():
    """Movies of the same settings are simulated once for all; everyone gets copies of his own."""
    import napari_cellcycle.simulate as package
    from napari_cellcycle.progress import silent
    from napari_cellcycle.simulate import movie

    simulate = movie.simulate

    def remembered(settings, *, progress=silent):
        key = settings.model_dump_json()
        if key not in MOVIES:
            MOVIES[key] = simulate(settings, progress=progress)
        made = MOVIES[key]
        tables = {name: getattr(made.tracks, name).copy() for name in ("cells", "links")}
        return replace(
            made,
            movie=replace(made.movie, pixels=made.movie.pixels.copy()),
            labels=replace(made.labels, base=made.labels.base.copy()),
            tracks=replace(made.tracks, **tables),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "simulate", remembered)
        patch.setattr(movie, "simulate", remembered)
        yield


@pytest.fixture(scope="module")
def little_memory(simulated_once):
    """What a stage model must not forget is tested on one simulated movie, not on all."""
    from napari_cellcycle.training.teach import stage_lesson

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_lesson, "_MOVIES", 1)
        yield
