"""A simulated movie is a movie of cells, and what it says about them is true."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.simulate import Simulation, random_settings, simulate

BUSY = {
    "frames": 24,
    "frame_interval": 240.0,
    "cycle_hours": 1.5,
    "cycle_spread": 0.4,
    "mitosis_stretch": 0.8,
    "death_rate": 0.2,
    "speed": 20.0,
}


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def busy(request) -> Simulation:
    """A small field full of dividing, dying, entering and leaving cells."""
    if request.param == 2:
        return simulate(SimulateSettings(size=200, cells=30, seed=3, **BUSY))
    return simulate(SimulateSettings(ndim=3, size=96, planes=10, cells=12, seed=3, **BUSY))


@pytest.fixture(scope="module")
def flat() -> Simulation:
    """Well lit, sharp nuclei of one brightness, for measuring."""
    looks = {"brightness_spread": 0.0, "uneven_light": 0.0, "bleaching": 0.0, "haze": 0.0}
    settings = SimulateSettings(
        size=400, cells=60, seed=1, debris=0, defocus=0, spacing=1.2, **looks, **BUSY
    )
    return simulate(settings)


def lifetimes(simulation: Simulation) -> pd.DataFrame:
    """First and last frame of every track, indexed by track."""
    cells = simulation.tracks.cells
    return cells.groupby("label")["frame"].agg(["min", "max", "count"])


def measured(simulation: Simulation) -> pd.DataFrame:
    """Area and mean signal above background by stage (medians)."""
    rows = []
    for frame, cells in simulation.tracks.cells.groupby("frame"):
        mask, pixels = simulation.labels.frame(frame), simulation.movie.frame(frame).astype(float)
        pixels -= np.median(pixels[mask == 0])
        area = np.bincount(mask.ravel())[cells["label"]]
        light = np.bincount(mask.ravel(), pixels.ravel())[cells["label"]] / area
        rows.append(pd.DataFrame({"stage": cells["stage"], "area": area, "light": light}))
    return pd.concat(rows).groupby("stage").median()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_same_seed_gives_the_same_movie(ndim):
    settings = SimulateSettings(ndim=ndim, size=64, planes=6, frames=4, cells=5, seed=7)
    one, two = simulate(settings), simulate(settings)
    assert np.array_equal(one.movie.pixels, two.movie.pixels)
    assert np.array_equal(one.labels.to_array(), two.labels.to_array())
    pd.testing.assert_frame_equal(one.tracks.cells, two.tracks.cells)
    other = simulate(settings.model_copy(update={"seed": 8}))
    assert not np.array_equal(one.movie.pixels, other.movie.pixels)


def test_movie_and_masks_have_the_axes_of_the_data_model(busy):
    shape = busy.movie.frame_shape
    assert busy.movie.ndim == busy.labels.ndim == len(shape)
    assert busy.labels.shape == (len(busy.movie), *shape)
    assert busy.movie.frame(0).dtype == np.uint16
    assert busy.labels.frame(0).dtype == np.int32


def test_mask_values_are_track_numbers(busy):
    tracks = busy.tracks
    assert (tracks.track_id == tracks.cells["label"]).all()
    for frame, cells in tracks.cells.groupby("frame"):
        assert set(np.unique(busy.labels.frame(frame))) - {0} == set(cells["label"])


def test_a_track_has_a_mask_in_every_frame_from_start_to_end(busy):
    life = lifetimes(busy)
    assert (life["count"] == life["max"] - life["min"] + 1).all()


def test_every_cell_is_one_piece(busy):
    for mask in busy.labels:
        for value in np.unique(mask)[1:]:
            assert ndimage.label(mask == value)[1] == 1


def test_daughters_start_in_the_frame_after_their_mothers_last(busy):
    life, mothers = lifetimes(busy), busy.tracks.mothers
    assert len(mothers) >= 8
    for daughter, mother in mothers.items():
        assert life.loc[daughter, "min"] == life.loc[mother, "max"] + 1
    assert (pd.Series(mothers).value_counts() == 2).all()


def test_mothers_end_in_mitosis_and_daughters_start_in_it(busy):
    cells, mothers = busy.tracks.cells, busy.tracks.mothers
    last = cells.groupby("label")["stage"].last()
    first = cells.groupby("label")["stage"].first()
    assert set(last.loc[list(mothers.values())]) <= H2B.last
    assert set(first.loc[list(mothers)]) <= H2B.first


def test_stages_follow_each_other_as_biology_allows(busy):
    allowed = H2B.allowed()
    for _, stages in busy.tracks.cells.groupby("label")["stage"]:
        codes = [H2B.names.index(stage) for stage in stages]
        assert allowed[codes[:-1], codes[1:]].all()


def test_every_stage_occurs(busy):
    assert set(busy.tracks.cells["stage"]) == set(H2B.names)


def test_positions_are_the_centres_of_the_masks(busy):
    mask = busy.labels.frame(5)
    cells = busy.tracks.cells.query("frame == 5")
    centres = ndimage.center_of_mass(mask > 0, mask, cells["label"])
    assert np.allclose(cells[busy.tracks.axes], centres)


def test_condensed_chromatin_is_smaller_and_brighter(flat):
    by_stage = measured(flat)
    light, area = by_stage["light"], by_stage["area"]
    assert light["interphase"] < light["prophase"] < light["prometaphase"] < light["metaphase"]
    assert light["metaphase"] > 2 * light["interphase"]
    assert light["apoptosis"] > 1.2 * light["interphase"]
    assert area["prophase"] > area["prometaphase"] > area["metaphase"] > area["telophase"]
    assert area["interphase"] > 2 * area["telophase"]


def test_daughters_fly_apart(flat):
    cells = flat.tracks.cells.set_index(["label", "frame"])[["y", "x"]]
    mothers = pd.Series(flat.tracks.mothers)
    apart = []
    for sisters in mothers.groupby(mothers).groups.values():
        paths = [cells.loc[sister].head(4).to_numpy() for sister in sisters]
        if min(map(len, paths)) == 4:
            apart.append(np.linalg.norm(paths[0] - paths[1], axis=1))
    assert (np.diff(np.mean(apart, axis=0)[:3]) > 0).all()


def test_at_coarse_intervals_cells_still_divide():
    settings = SimulateSettings(
        frames=20, frame_interval=1800, cycle_hours=5, size=256, cells=25, death_rate=0
    )
    assert len(simulate(settings).tracks.divisions) > 5


def test_without_death_nobody_dies():
    settings = SimulateSettings(frames=5, size=128, cells=10, death_rate=0, frame_interval=1800)
    assert "apoptosis" not in set(simulate(settings).tracks.cells["stage"])


@pytest.mark.parametrize("ndim", [2, 3])
def test_random_settings_differ_by_seed_and_show_cells(ndim):
    drawn = [random_settings(seed, ndim) for seed in range(20)]
    assert drawn[0] == random_settings(0, ndim)
    assert len({settings.pixel_size for settings in drawn}) == 20
    simulation = simulate(drawn[1].model_copy(update={"frames": 2}))
    assert len(simulation.tracks) > 0


def test_it_can_be_cancelled():
    def stop(done: int, total: int, message: str = "") -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        simulate(SimulateSettings(size=64, cells=2, frames=2), progress=stop)
