"""Results that nobody saved are tidied away after a while, corrections never."""

import os
import time

import pytest

from napari_cellcycle.widgets.workplace import KEPT_DAYS, SAVED, clean_up


@pytest.fixture
def result(workplace):
    """A folder of results that nothing was written to for two months."""
    folder = workplace / "movie-1" / "run.cellcycle"
    folder.mkdir(parents=True)
    return folder


def grow_old(folder):
    long_ago = time.time() - 2 * KEPT_DAYS * 86400
    os.utime(folder.parent, (long_ago, long_ago))


def test_a_forgotten_result_is_removed(result):
    grow_old(result)
    clean_up()
    assert not result.parent.exists()


def test_a_recent_result_stays(result):
    clean_up()
    assert result.exists()


def test_corrections_that_were_not_saved_stay_however_old_they_are(result):
    (result / "journal.jsonl").write_text("{}\n")
    grow_old(result)
    clean_up()
    assert result.exists()


def test_corrections_that_were_saved_elsewhere_need_not_stay(result):
    (result / "journal.jsonl").write_text("{}\n")
    (result / SAVED).touch()
    grow_old(result)
    clean_up()
    assert not result.parent.exists()
