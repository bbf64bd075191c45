"""A result takes the place of an earlier one of its kind, and of nothing else."""

import pytest
from examples import division
from tests.core.stage_lineages import lineage, staged
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.evaluation.cellular import SplitImages, evaluate_split
from napari_cellcycle.evaluation.figure_folder import write_figures
from napari_cellcycle.evaluation.film_frames import FilmSettings
from napari_cellcycle.evaluation.movie_export import write_film
from napari_cellcycle.evaluation.report import write_report
from napari_cellcycle.features.paper import measure_paper, write_features
from napari_cellcycle.io.ctc import write_ctc
from napari_cellcycle.io.frames import write_label_frames, write_movie_frames
from napari_cellcycle.io.geff_export import write_plain_geff


def cells():
    return staged(lineage("IIPMM", "ATI", "ATI"))


def figures(folder):
    told = cells()
    write_figures(told, folder, truth=(told.labels, told.tracks))


def paper_features(folder):
    toy = division()
    write_features(measure_paper(toy.movie, toy.labels), folder.parent)


def scores(folder):
    class Perfect:
        def __call__(self, image, pixel_size, settings):
            return image

        def find_diameter(self, images, pixel_size, settings):
            return None

    masks = cells().labels.frame(0)
    image = Annotated(masks, masks, "a", "well_a1")
    evaluate_split(Perfect(), SplitImages("test", ("well_a1",), lambda _row: image), folder)


def command(*arguments):
    def run(folder):
        said = CliRunner().invoke(
            app, [*arguments[:-1], str(folder), *arguments[-1], "--overwrite"]
        )
        if said.exit_code:
            raise CannotWrite(" ".join(said.stderr.split()))

    return run


WRITERS = {
    "masks": lambda folder: write_label_frames(cells().labels, folder),
    "frames": lambda folder: write_movie_frames(cells().movie, folder),
    "RES": lambda folder: write_ctc(cells().labels, cells().tracks, folder),
    "cells.geff": lambda folder: write_plain_geff(cells(), folder),
    "film": lambda folder: write_film(cells(), folder, FilmSettings(size=128)),
    "report": lambda folder: write_report(cells(), folder, [1]),
    "figures": figures,
    "csv": paper_features,
    "scores": scores,
    "sequence": command("simulate", ["--frames", "2", "--size", "64", "--cells", "2"]),
    "cellular": command("cellular", "simulate", ["--side", "64", "--cells", "2", "--radius", "6"]),
}
writers = pytest.mark.parametrize("name", WRITERS)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@writers
def test_a_result_replaces_an_earlier_one(tmp_path, name):
    WRITERS[name](tmp_path / name)
    written = names(tmp_path / name)
    (tmp_path / name / ".DS_Store").write_text("a Mac looked at it")
    WRITERS[name](tmp_path / name)
    assert names(tmp_path / name) == written and names(tmp_path) == [name]


@writers
def test_other_files_beside_a_result_stay_as_they_were(tmp_path, name):
    WRITERS[name](tmp_path / name)
    (tmp_path / name / "thesis.docx").write_text("years of work")
    written = names(tmp_path / name)
    with pytest.raises(CannotWrite, match=r"other files, such as thesis\.docx, and nothing was"):
        WRITERS[name](tmp_path / name)
    assert names(tmp_path / name) == written and names(tmp_path) == [name]
    assert (tmp_path / name / "thesis.docx").read_text() == "years of work"


@writers
def test_a_file_where_a_folder_is_to_be_stays_as_it_was(tmp_path, name):
    (tmp_path / name).write_text("years of work")
    with pytest.raises(CannotWrite, match="and nothing was written: choose a"):
        WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_text() == "years of work" and names(tmp_path) == [name]
