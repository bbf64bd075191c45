"""Pages about single cells."""

import re

import numpy as np
import pytest
from tests.core.stage_lineages import lineage, one_cell, staged, together

from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.filmstrips import MOST_PICTURES, draw_strip, filmstrips
from napari_cellcycle.evaluation.report import write_report
from napari_cellcycle.progress import Cancelled

FAMILIES = together((0, "IIIIPM", "AT", "AT"), (0, "IPM", "AT", "AT"), (0, "II"))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_page_holds_the_pictures_and_stays_of_its_cell(tmp_path, ndim):
    index = write_report(staged(FAMILIES, ndim), tmp_path / "report", [1])
    assert sorted(path.name for path in index.parent.iterdir()) == [
        "cell_1.html",
        "cell_1.png",
        "index.html",
    ]
    page = (index.parent / "cell_1.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="http', page)
    rows = re.findall(r"<tr><td>.*?</tr>", page)
    assert len(rows) == 3
    assert "&gt; 20" in rows[0] and "start of the movie" in rows[0]
    assert "metaphase" in rows[2] and "division" in rows[2]
    assert "Divides into cell 2 and cell 3" in page


def test_the_index_is_sorted_by_the_onset_of_mitosis(tmp_path):
    index = write_report(staged(FAMILIES), tmp_path / "report")
    text = index.read_text(encoding="utf-8")
    order = [int(cell) for cell in re.findall(r'<td><a href="cell_(\d+)', text)]
    assert order == [4, 5, 6, 1, 2, 3, 7]
    assert all((index.parent / f"cell_{cell}.html").is_file() for cell in order)


def test_pictures_are_centred_on_the_cell():
    strip = filmstrips(staged(FAMILIES), [1])[0]
    assert strip.frames.tolist() == [0, 1, 2, 3, 4, 5]
    tiles = strip.tiles[:, 0]
    assert (tiles[:, 32:40, 32:40].mean(axis=(1, 2)) > tiles[:, :4].mean(axis=(1, 2)) + 50).all()


def test_a_volume_shows_its_maximum_and_its_middle_plane():
    strip = filmstrips(staged(one_cell("IM"), 3), [1])[0]
    assert strip.tiles.shape[:2] == (2, 2)
    assert (strip.tiles[:, 0] >= strip.tiles[:, 1] - 1e-3).all()


def test_a_long_life_is_shown_in_steps_with_every_change():
    experiment = staged(one_cell("I" * 150 + "PRMAT" + "I" * 40))
    strip = filmstrips(experiment, [1])[0]
    assert len(strip.frames) <= MOST_PICTURES
    assert set(range(149, 156)) <= set(strip.frames.tolist())
    assert (np.diff(strip.frames) > 0).all()


def test_each_picture_is_framed_in_the_colour_of_its_stage():
    experiment = staged(one_cell("IM"))
    picture = draw_strip(filmstrips(experiment, [1])[0], experiment)
    corners = [tuple(picture[0, x].tolist()) for x in (0, picture.shape[1] // 2)]
    assert corners == [(0x44, 0x77, 0xAA), (0xEE, 0x99, 0x44)]


def test_a_cell_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no cell 99"):
        write_report(staged(FAMILIES), tmp_path / "report", [1, 99])
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_report_leaves_nothing(tmp_path):
    def stop(done, total, message=""):
        if message == "Writing pages" and done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_report(staged(lineage("IM", "A", "A")), tmp_path / "report", progress=stop)
    assert list(tmp_path.iterdir()) == []
