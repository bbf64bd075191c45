"""What panels tell while and after something is done: time left, errors, and lines of a chart."""

import pytest
from correcting import Window
from examples import two_walkers

from napari_cellcycle.jobs import Progress
from napari_cellcycle.widgets import review_thread
from napari_cellcycle.widgets.below import show_below
from napari_cellcycle.widgets.job_panel import JobPanel
from napari_cellcycle.widgets.review_panel import ReviewPanel
from napari_cellcycle.widgets.teach_chart import RoundsChart
from napari_cellcycle.widgets.teach_rounds import ASIDE, Round

WAIT = 20_000


def test_the_time_left_goes_where_it_is_not_known_any_more(qtbot):
    panel = JobPanel()
    qtbot.addWidget(panel)
    panel.begin("Run")
    panel.show_progress(Progress(1, 2, "Segmenting", 3.0))
    assert panel.left.text() == "3 s left"
    panel.show_progress(Progress(1, 2, "Loading", None))
    assert panel.left.text() == ""


@pytest.fixture
def shown(viewer):
    window = Window(viewer, two_walkers())
    yield window
    window.close()


@pytest.mark.parametrize("then", ["corrected", "shown again"])
def test_a_review_that_went_wrong_says_so_and_looks_again(shown, qtbot, monkeypatch, then):
    def broken(*_):
        raise KeyError("oops")

    panel = shown.add(ReviewPanel(shown.session))
    with monkeypatch.context() as patch:
        patch.setattr(review_thread, "find_doubts", broken)
        show_below(shown.viewer, panel, "Review")
        qtbot.waitUntil(lambda: "KeyError" in panel.words.text(), timeout=WAIT)
        assert panel.words.isVisible()
    with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
        if then == "corrected":
            shown.session.do("unlink", child=shown.draft.cell_at(2, 1))
        else:
            panel.hide()
            panel.show()
    assert "KeyError" not in panel.words.text()


def test_lines_of_a_chart_differ_in_more_than_their_colour(qtbot):
    chart = RoundsChart()
    qtbot.addWidget(chart)
    chart.show_rounds(
        [
            Round(kind=kind, source=ASIDE, number=n, errors=9.0 - n, model="m", name="x")
            for kind in ("segment", "link", "stage")
            for n in (0, 1)
        ]
    )
    styles = [item.opts["pen"].style() for item in chart.plot.plotItem.listDataItems()]
    assert len(styles) == len(set(styles)) == 3
    words = [
        part.split("</b>")[0].split(">")[-1] for part in chart.words.text().split("&nbsp;&nbsp; ")
    ]
    assert len(set(words)) == 3
