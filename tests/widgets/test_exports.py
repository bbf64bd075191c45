"""What the Export menu writes."""

import pytest

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
    export("report", "cells")
    assert (tmp_path / "cells" / "index.html").is_file()
    text = classified.notice.sentence.text()
    assert "Exported to" in text
    export("report", "cells")
    assert "choose the name of a new folder" in classified.notice.sentence.text()


@pytest.mark.parametrize(
    ("kind", "name"), [("trackmate", "cells"), ("geff", "cells.geff"), ("ctc", "cells_RES")]
)
def test_the_notice_says_what_a_file_holds_and_what_it_cannot(
    classified, qtbot, tmp_path, kind, name
):
    from napari_cellcycle.io.exchange import import_tracks

    with qtbot.waitSignal(classified.finished, timeout=60_000):
        exports.export(classified, kind, tmp_path / name)
    written = next(tmp_path.glob("cells*"))
    tracks = classified.session.experiment.tracks
    assert len(import_tracks(written)[0]) == len(tracks)
    said = classified.notice.sentence.text()
    assert said.startswith(f"Exported to {written}. It was read again, and everything")
    lost = f"{len(tracks):,} stages" if kind == "ctc" else f"{len(tracks):,} masks were left out"
    assert lost in said
    assert classified.notice.sign.text() == "ℹ"  # noqa: RUF001


def test_a_report_is_that_of_the_whole_lineage(classified):
    tracks = classified.session.experiment.tracks
    daughter, mother = next(iter(tracks.mothers.items()))
    own = exports.family(tracks, daughter)
    assert own == exports.family(tracks, mother)
    assert own[0] not in tracks.mothers and {mother, daughter} <= set(own)
