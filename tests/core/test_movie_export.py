"""Films of cells in the colours of their stages."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.core.stage_lineages import lineage, one_cell, staged, together

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.film_frames import FilmSettings, film_frames
from napari_cellcycle.evaluation.movie_export import write_film
from napari_cellcycle.progress import Cancelled

PLAIN = FilmSettings(
    size=128, tails=0, scale_bar=False, time_stamp=False, legend=False, cells="fills"
)


def colours(picture):
    return {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}


def rgb(stage):
    colour = H2B.colours[stage]
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cell_is_drawn_in_the_colour_of_its_stage(ndim):
    frames = list(film_frames(staged(one_cell("IMA"), ndim), PLAIN))
    assert len(frames) == 3
    for frame, stage in zip(frames, ("interphase", "metaphase", "anaphase"), strict=True):
        assert rgb(stage) in colours(frame.picture)
        assert rgb("telophase") not in colours(frame.picture)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize("projection", ["max", "mean", "slice"])
def test_a_volume_is_shown_along_any_axis(axis, projection):
    experiment = staged(one_cell("MM"), 3)
    settings = replace(PLAIN, axis=axis, projection=projection)
    if axis == "x":
        settings = replace(settings, plane=20)
    picture = next(film_frames(experiment, settings)).picture
    assert rgb("metaphase") in colours(picture)
    assert max(picture.shape[:2]) == 128


def test_only_one_stage_is_coloured():
    picture = next(
        film_frames(staged(together((0, "MM"), (0, "II"))), replace(PLAIN, only="metaphase"))
    ).picture
    assert rgb("metaphase") in colours(picture)
    assert rgb("interphase") not in colours(picture)


def test_the_view_stays_on_the_followed_cell():
    experiment = staged(together((0, "IIIIII"), (2, "MMM")))
    frames = list(film_frames(experiment, replace(PLAIN, follow=2, side=14.0)))
    assert len(frames) == 3
    for frame in frames:
        middle = frame.picture[54:74, 54:74].astype(int)
        assert (np.ptp(middle, axis=(0, 1)) < 90).all()
        assert middle[..., 0].mean() > middle[..., 2].mean()


def test_tails_show_where_a_daughter_came_from():
    experiment = staged(lineage("MM", "AA", "AA"))
    bare = list(film_frames(experiment, PLAIN))[3].picture
    tailed = list(film_frames(experiment, replace(PLAIN, tails=3)))[3].picture
    assert rgb("metaphase") not in colours(bare)
    assert rgb("metaphase") in colours(tailed)


def test_the_film_rests_on_divisions():
    frames = list(film_frames(staged(lineage("MM", "AA", "AA")), replace(PLAIN, pause=2)))
    assert [frame.seconds for frame in frames] == pytest.approx([0.2, 0.2, 2.2, 0.2])


def test_a_gif_holds_every_frame_for_its_time(tmp_path):
    path = tmp_path / "film.gif"
    settings = replace(PLAIN, pause=1, legend=True, scale_bar=True, time_stamp=True, ids=True)
    assert write_film(staged(lineage("MM", "AA", "AA")), path, settings) == ""
    with Image.open(path) as film:
        assert film.n_frames == 4
        shown = []
        for number in range(4):
            film.seek(number)
            shown.append(film.info["duration"])
            seen = np.asarray(film.convert("RGB")).reshape(-1, 3).astype(int)
            for stage in H2B.names:
                assert np.abs(seen - rgb(stage)).sum(axis=1).min() < 12
    assert shown == [200, 200, 1200, 200]


def test_an_mp4_holds_every_frame(tmp_path):
    import cv2

    path = tmp_path / "film.mp4"
    write_film(staged(lineage("MM", "AA", "AA")), path, replace(PLAIN, pause=0.4))
    film = cv2.VideoCapture(str(path))
    count = 0
    while film.read()[0]:
        count += 1
    film.release()
    assert count == 6


def test_without_a_suffix_the_film_is_a_folder_of_pictures(tmp_path):
    write_film(staged(one_cell("IMA")), tmp_path / "film", PLAIN)
    names = sorted(path.name for path in (tmp_path / "film").iterdir())
    assert names == ["frame000.png", "frame001.png", "frame002.png"]


@pytest.mark.parametrize("name", ["film.gif", "film.mp4", "film"])
def test_a_cancelled_film_leaves_nothing(tmp_path, name):
    def stop(done, total, message=""):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_film(staged(one_cell("IIMMA")), tmp_path / name, PLAIN, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (FilmSettings(channel="GFP"), "no channel 'GFP'"),
        (FilmSettings(only="meiosis"), "no stage 'meiosis'"),
        (FilmSettings(follow=99), "no cell 99"),
        (FilmSettings(last=50), "not in the movie"),
        (FilmSettings(contrast=(90, 10)), "contrast is 90 to 10"),
        (FilmSettings(contrast=(1, 101)), "percentiles from 0 to 100"),
        (FilmSettings(size=50_000), "50,000 pixels; choose from 64 to 4,096"),
        (FilmSettings(size=1), "choose from 64"),
        (FilmSettings(speed=0), "more than 0 frames a second"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(tmp_path, settings, sentence):
    with pytest.raises(BadInput, match=sentence):
        write_film(staged(one_cell("IM")), tmp_path / "film.gif", settings)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_film_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"end it with .mp4 or .gif"):
        write_film(staged(one_cell("IM")), tmp_path / "film.avi", PLAIN)
