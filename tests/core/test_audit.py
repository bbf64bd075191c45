"""How much is right, from a few answers."""

from itertools import islice

import numpy as np
import pandas as pd
import pytest
from corrections import cell, draft_of, editor_of
from examples import division, two_walkers
from scipy.stats import binomtest

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.review.audit import (
    AUDITED,
    Estimate,
    answer,
    estimate,
    population,
    questions,
    wilson,
)


def long_tracks(tracks: int = 40, frames: int = 30) -> Draft:
    """Cells that go on from frame to frame, of which nothing but the place is known."""
    frame, label = np.divmod(np.arange(tracks * frames), tracks)
    cells = pd.DataFrame(
        {"frame": frame, "label": label + 1, "y": 20.0 * label, "x": 10.0, "stage": "interphase"},
        index=pd.RangeIndex(1, len(frame) + 1, name="cell_id"),
    )
    child = cells.index[tracks:].to_numpy()
    links = pd.DataFrame({"parent": child - tracks, "child": child}).assign(score=1.0)
    return Draft(Tracks(cells, links))


@pytest.mark.parametrize(("right", "asked"), [(0, 10), (3, 10), (97, 100), (100, 100), (1, 1)])
def test_bounds_are_wilsons(right, asked):
    known = binomtest(right, asked).proportion_ci(0.95, method="wilson")
    assert wilson(right, asked) == pytest.approx((known.low, known.high), abs=1e-6)


def test_nothing_is_known_before_the_first_answer():
    now = estimate(long_tracks(), "link")
    assert (now.low, now.high, now.asked) == (0.0, 1.0, 0)
    assert not now.is_enough(0.1)


def test_the_same_seed_asks_the_same_in_the_same_order():
    first, again, other = (
        [q.cell for q in islice(questions(long_tracks(), "link", seed), 20)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_every_link_is_as_likely_to_be_asked_about():
    draft, asked = long_tracks(), []
    for seed in range(200):
        asked += [draft.frame(q.cell) for q in islice(questions(draft, "link", seed), 20)]
    counts = np.bincount(asked, minlength=30)[1:]
    assert counts.min() > 0.7 * counts.mean()
    assert counts.max() < 1.3 * counts.mean()


def test_a_correction_in_between_does_not_change_the_rest_of_the_sample():
    editor = editor_of(two_walkers())
    before = [q.cell for q in questions(editor.draft, "link")]
    editor.do("unlink", child=before[2])
    after = [q.cell for q in questions(editor.draft, "link")]
    assert after == [one for one in before if one != before[2]]


def test_answers_are_kept_counted_taken_back_and_not_asked_for_again():
    editor = Editor(Bench(long_tracks()), resolving=False)
    for number, question in enumerate(list(islice(questions(editor.draft, "link"), 10))):
        assert editor.do_all(answer(question, number != 3)) is not None
        assert question.cell not in {q.cell for q in questions(editor.draft, "link")}
    now = estimate(editor.draft, "link")
    assert (now.right, now.asked) == (9, 10)
    assert now.share == 0.9
    editor.undo()
    assert estimate(editor.draft, "link").asked == 9


def test_another_answer_replaces_the_first():
    editor = Editor(Bench(long_tracks()), resolving=False)
    question = next(iter(questions(editor.draft, "stage")))
    editor.do_all(answer(question, True))
    editor.do_all(answer(question, False))
    now = estimate(editor.draft, "stage")
    assert (now.right, now.asked) == (0, 1)


def test_an_answer_says_nothing_about_links_to_the_tracker():
    editor = editor_of(two_walkers())
    question = next(iter(questions(editor.draft, "link")))
    editor.do_all(answer(question, True))
    assert editor.draft.value(question.cell, "link_by") == "model"


def test_what_is_asked_about():
    draft = draft_of(division(), classified=True)
    mother = cell(draft, 3, 1)
    assert population(draft, "division").tolist() == [mother]
    daughters = {cell(draft, 4, 3), cell(draft, 4, 4)}
    assert not daughters & set(population(draft, "link").tolist())
    assert len(population(draft, "stage")) == len(draft)
    asked = next(iter(questions(draft, "division")))
    assert asked.words.startswith("Does cell 1 divide into cells")
    assert (asked.before, asked.frame) == (3, 4)
    stage = next(iter(questions(draft, "stage")))
    assert draft.value(stage.cell, "stage") in stage.words
    link = next(iter(questions(draft, "link")))
    assert link.before == draft.frame(draft.parent(link.cell))


def test_without_stages_or_divisions_there_is_nothing_to_ask():
    draft = draft_of(two_walkers())
    assert [len(list(questions(draft, kind))) for kind in AUDITED] == [6, 0, 0]
    assert estimate(draft, "division").is_enough(0.01)


def test_it_is_enough_when_the_interval_is_narrow_or_all_were_asked_about():
    assert not Estimate("link", 95, 100, 5000, 5000).is_enough(0.02)
    assert Estimate("link", 950, 1000, 5000, 5000).is_enough(0.02)
    assert Estimate("division", 3, 4, 4, 5000).is_enough(0.02)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_as_many_further_questions_are_enough(share):
    now = Estimate("link", round(share * 40), 40, 100_000, 100_000)
    asked = now.asked + now.still(0.03)
    then = Estimate("link", round(now.share * asked), asked, 100_000, 100_000)
    assert then.half_width < 0.033
    assert now.still(0.03) < 1.3 * 0.25 * (1.96 / 0.03) ** 2


def test_errors_are_told_per_thousand_cells():
    links = Estimate("link", 98, 100, 9_000, 10_000)
    about, least, most = links.errors()
    assert about == pytest.approx(18.0)
    assert least < about < most
    divisions = Estimate("division", 45, 50, 100, 10_000)
    assert divisions.errors()[0] == pytest.approx(1.0)


def test_intervals_hold_the_truth_in_most_samples():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        low, high = wilson(int(rng.binomial(60, 0.93)), 60)
        inside += low <= 0.93 <= high
    assert inside > 370
