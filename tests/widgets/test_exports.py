"""What the Export menu writes."""

import pytest

from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.exchange import import_tracks
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.widgets import exports


def entries(dock):
    return dock.results.export_button.menu().actions()


def test_the_menu_offers_figures_films_and_reports(sample, monkeypatch):
    asked = []
    sample.results.export.connect(asked.append)
    monkeypatch.setattr(exports.QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    for action in entries(sample):
        action.trigger()
    assert asked == ["ctc", "csv", "trackmate", "geff", "figures", "film", "report"]


@pytest.fixture
def classified(sample, quick, run):
    run(sample, sample.run_button)
    return sample


def test_figures_a_film_and_pages_are_written_beside_the_viewer(classified, qtbot, tmp_path):
    def export(kind, name):
        with qtbot.waitSignal(classified.finished, timeout=120_000):
            exports.export(classified, kind, tmp_path / name)

    export("figures", "figures")
    assert (tmp_path / "figures" / "label_matrix.png").is_file()
    export("film", "film.gif")
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF89a")
    tracks = classified.session.experiment.tracks
    chosen = min(tracks.mothers, key=lambda track: len(exports.family(tracks, track)))
    classified.session.select(chosen)
    export("report", "cells")
    assert (tmp_path / "cells" / "index.html").is_file()
    pages = {page.name for page in (tmp_path / "cells").glob("cell_*.html")}
    assert pages == {f"cell_{track}.html" for track in exports.family(tracks, chosen)}
    text = classified.notice.sentence.text()
    assert "Exported to" in text
    export("report", "cells")
    assert "choose the name of a new folder" in classified.notice.sentence.text()


def test_the_notice_says_what_a_file_holds_and_what_it_cannot(classified, qtbot, tmp_path):
    tracks = classified.session.experiment.tracks
    masks, stages = f"{len(tracks):,} masks were left out", f"{len(tracks):,} stages"
    for kind, name, lost in (
        ("trackmate", "cells", masks),
        ("geff", "cells.geff", masks),
        ("ctc", "cells_RES", stages),
    ):
        folder = tmp_path / kind
        folder.mkdir()
        with qtbot.waitSignal(classified.finished, timeout=60_000):
            exports.export(classified, kind, folder / name)
        written = next(folder.glob("cells*"))
        assert len(import_tracks(written)[0]) == len(tracks), kind
        said = classified.notice.sentence.text()
        assert said.startswith(f"Exported to {written}. It was read again, and everything")
        assert lost in said, kind
        assert classified.notice.sign.text() == "ℹ"  # noqa: RUF001


def test_a_report_is_that_of_the_whole_lineage():
    truth = sample_path("nuclei_2d").with_name("nuclei_2d_GT") / "TRA"
    tracks = read_ctc(truth, by_track=True)[1]
    daughter, mother = next(iter(tracks.mothers.items()))
    own = exports.family(tracks, daughter)
    assert own == exports.family(tracks, mother)
    assert own[0] not in tracks.mothers and {mother, daughter} <= set(own)
