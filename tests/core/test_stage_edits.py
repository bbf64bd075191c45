"""Stages that the user sets hold, and what comes before and after follows them.

One cell for 24 frames, of which a network saw the last three in mitosis, and its two daughters.
"""

import numpy as np
import pandas as pd
import pytest
from corrections import cell, check, differences, editor_of, others, state_of
from examples import family

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.pipeline.redecode import redecode, with_seen

INTERPHASE, PROPHASE, METAPHASE = "interphase", "prophase", "metaphase"
MINUTES = 5.0
LIFE, AFTER = 24, 6


def dividing() -> Tracks:
    """Mother 1 in frames 0 to 23, daughters 2 and 3 in frames 24 to 29; ids are 1, 2, 3, ..."""
    rows = [(frame, 1) for frame in range(LIFE)]
    rows += [(LIFE + t, label) for label in (2, 3) for t in range(AFTER)]
    cells = pd.DataFrame(rows, columns=["frame", "label"]).assign(y=0.0, x=0.0)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    firsts = [LIFE + 1, LIFE + AFTER + 1]
    pairs = [(n, n + 1) for n in range(1, LIFE)] + [(LIFE, first) for first in firsts]
    pairs += [(first + t, first + t + 1) for first in firsts for t in range(AFTER - 1)]
    tracks = Tracks(cells, pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=0.9))
    code = np.full(len(cells), H2B.names.index(INTERPHASE))
    code[LIFE - 3 : LIFE] = H2B.names.index(METAPHASE)
    chance = np.full((len(cells), len(H2B)), 0.03)
    chance[np.arange(len(cells)), code] = 1 - 0.03 * (len(H2B) - 1)
    return redecode(with_seen(tracks, chance, H2B), H2B, MINUTES * 60, 0.5)


@pytest.fixture
def editor() -> Editor:
    return Editor(Bench(Draft(dividing())), resolving=False)


@pytest.fixture
def deciding() -> Editor:
    return Editor(Bench(Draft(dividing())), resolving=True)


def stages(editor: Editor, label: int = 1) -> list[str]:
    draft = editor.draft
    return draft.column("stage")[draft.rows(draft.track(label))].tolist()


def pins(editor: Editor, label: int = 1) -> dict[int, str]:
    """Pinned stages of a track, by frame."""
    draft = editor.draft
    rows = draft.rows(draft.track(label))
    frames, pinned = draft.column("frame")[rows].tolist(), draft.column("pinned")[rows].tolist()
    return {frame: pin for frame, pin in zip(frames, pinned, strict=True) if pin}


def change_at(editor: Editor) -> int:
    """The last frame in which the mother's stage changes."""
    names = stages(editor)
    return max(n for n in range(1, LIFE) if names[n] != names[n - 1])


# ---------------------------------------------------------------- setting one


def test_a_stage_is_pinned_on_the_cells_that_are_chosen_and_on_no_other(editor):
    untouched = others(editor.draft, 3, 4)
    edit = editor.do("set_stage", cells=[4, 3, 4], stage=PROPHASE)
    assert edit.words == f"Cell 1: {PROPHASE} in 2 places"
    assert stages(editor)[2:4] == [PROPHASE] * 2 and pins(editor) == {2: PROPHASE, 3: PROPHASE}
    assert editor.draft.value(3, f"p_{PROPHASE}") == 1 and editor.draft.value(3, "by") == "model"
    assert sum(editor.draft.value(3, f"p_{name}") for name in H2B.names) == 1
    untouched()


def test_the_words_count_cells_and_places_once(editor):
    assert editor.do("set_stage", cells=[3, 3], stage=PROPHASE).words.endswith("in frame 2")
    several = editor.do("set_stage", cells=[4, LIFE + 2], stage=PROPHASE).words
    assert several == f"2 cells: {PROPHASE} in 2 places"


def test_cells_that_are_gone_are_passed_over_but_not_all_may_be(editor):
    editor.do("set_stage", cells=[3, 999], stage=PROPHASE)
    assert pins(editor) == {2: PROPHASE}
    for cells in ([], [999]):
        with pytest.raises(Refused, match="No cell is chosen: click on one first"):
            editor.do("set_stage", cells=cells, stage=PROPHASE)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("set_stage", {"cells": [3]}), ("set_stage_from", {"cell": 3})],
)
def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(editor, operation, arguments):
    before = state_of(editor.draft)
    with pytest.raises(Refused, match="There is no stage 'metafase'; choose one of interphase"):
        editor.do(operation, stage="metafase", **arguments)
    assert not differences(before, state_of(editor.draft))


def test_a_stage_set_from_here_on_lasts_until_it_changed_anyway(editor):
    begin = stages(editor)
    first_other = next(n for n in range(5, LIFE) if begin[n] != begin[5])
    edit = editor.do("set_stage_from", cell=6, stage="apoptosis")
    assert edit.words == "Cell 1: apoptosis from frame 5 on"
    assert stages(editor)[5:first_other] == ["apoptosis"] * (first_other - 5)
    assert stages(editor)[first_other:] == begin[first_other:] and stages(editor)[:5] == begin[:5]
    with pytest.raises(Refused, match="No cell is chosen"):
        editor.do("set_stage_from", cell=999, stage=PROPHASE)


def test_a_stage_set_on_the_last_cells_does_not_reach_the_daughters(editor):
    editor.do("set_stage_from", cell=LIFE, stage="telophase")
    assert pins(editor) == {LIFE - 1: "telophase"} and not pins(editor, 2)


# ---------------------------------------------------------------- moving a boundary


@pytest.mark.parametrize("step", [-3, -1, 1, 2])
def test_a_boundary_is_moved_and_both_its_sides_are_pinned(editor, step):
    names, frame = stages(editor), change_at(editor)
    before, after, to = names[frame - 1], names[frame], min(frame + step, LIFE - 1)
    edit = editor.do("move_boundary", track=1, frame=frame, to=to)
    assert edit.words == f"Cell 1: {after} begins in frame {to}"
    now = stages(editor)
    assert now[to - 1] == before and now[to] == after
    assert pins(editor)[to - 1] == before and pins(editor)[to] == after
    changed = range(min(frame, to), max(frame, to))
    assert all(now[n] == names[n] for n in range(LIFE) if n not in changed and n != to - 1)


@pytest.mark.parametrize(("to", "lands"), [(-50, 1), (500, LIFE - 1)])
def test_a_boundary_stays_inside_of_its_track(editor, to, lands):
    editor.do("move_boundary", track=1, frame=change_at(editor), to=to)
    assert stages(editor)[lands] != stages(editor)[lands - 1] and len(pins(editor)) >= 2


def test_a_boundary_that_is_none_is_refused(editor):
    for track, frame in ((1, 3), (1, 0), (1, 500), (99, 3), (2, LIFE)):
        with pytest.raises(Refused, match=f"The stage of cell {track} does not change in frame"):
            editor.do("move_boundary", track=track, frame=frame, to=5)


# ---------------------------------------------------------------- letting go, and deciding anew


def test_without_what_follows_only_the_chosen_cells_change(editor):
    before = stages(editor)
    edit = editor.do("set_stage", cells=[10], stage=METAPHASE)
    assert edit.consequences == ()
    assert [a == b for a, b in zip(stages(editor), before, strict=True)].count(False) == 1


def test_what_follows_makes_the_rest_of_the_lineage_fit_a_pin(deciding):
    """From metaphase there is no way back to interphase but through a division."""
    edit = deciding.do("set_stage", cells=[13], stage=METAPHASE)
    assert stages(deciding)[13] == METAPHASE and INTERPHASE not in stages(deciding)[12:]
    assert edit.consequences and edit.consequences[-1].startswith("Stages decided anew in ")
    assert pins(deciding) == {12: METAPHASE}


def test_other_lineages_are_not_decided_anew():
    editor = editor_of(family(), classified=True, resolving=True)
    draft = editor.draft
    bystander = draft.track(5)
    untouched = {name: draft.column(name)[draft.rows(bystander)].copy() for name in draft.names}
    editor.do("set_stage", cells=[cell(draft, 3, 2)], stage="apoptosis")
    for name, values in untouched.items():
        now = draft.column(name)[draft.rows(bystander)]
        assert repr(now.tolist()) == repr(values.tolist()), name


@pytest.mark.parametrize("resolving", [False, True])
def test_a_pin_that_is_let_go_gives_the_decision_back_to_the_model(resolving):
    editor = Editor(Bench(Draft(dividing())), resolving=resolving)
    before = stages(editor)
    editor.do("set_stage", cells=[10, 11], stage="apoptosis")
    editor.do("unpin", cells=[10, 11, 12, 999])
    assert stages(editor) == before and pins(editor) == {}
    assert editor.history.done[-1].words == "Let go of 2 stages that were set by hand"


def test_only_pins_can_be_let_go(editor):
    for cells in ([], [3], [999]):
        with pytest.raises(Refused, match="None of these stages was set by you"):
            editor.do("unpin", cells=cells)


def test_a_cut_link_changes_the_stages_on_both_sides(deciding):
    """Without her daughters the mother need not have been in mitosis."""
    draft = deciding.draft
    draft_stages = stages(deciding)
    edit = deciding.do_all(
        [("unlink", {"child": LIFE + 1}), ("unlink", {"child": LIFE + AFTER + 1})]
    )
    assert draft.daughters(1) == []
    fresh = redecode(draft.tracks(), H2B, MINUTES * 60, 0.5)
    assert draft.column("stage").tolist() == fresh.cells["stage"].tolist()
    chance = np.column_stack([draft.column(f"p_{name}") for name in H2B.names])
    assert np.allclose(chance, fresh.cells[[f"p_{name}" for name in H2B.names]], atol=1e-5)
    assert len(draft_stages) == LIFE and edit is not None


def test_stages_are_those_of_deciding_everything_anew_after_any_edit():
    editor = editor_of(family(), classified=True, resolving=True)
    draft = editor.draft
    for operation, arguments in (
        ("unlink", {"child": cell(draft, 2, 2)}),
        ("swap", {"first": cell(draft, 4, 3), "second": cell(draft, 4, 5)}),
        ("set_stage", {"cells": [cell(draft, 1, 5)], "stage": METAPHASE}),
        ("delete_cells", {"cells": [cell(draft, 3, 3)]}),
    ):
        editor.do(operation, **arguments)
        fresh = redecode(draft.tracks(), H2B, 300.0, editor.bench.smoothing)
        assert draft.column("stage").tolist() == fresh.cells["stage"].tolist(), operation
        check(draft)


def test_undo_takes_back_what_followed(deciding):
    before = state_of(deciding.draft)
    deciding.do("set_stage", cells=[13], stage=METAPHASE)
    deciding.do("move_boundary", track=1, frame=change_at(deciding), to=3)
    deciding.undo()
    deciding.undo()
    assert not differences(before, state_of(deciding.draft))


def test_stages_can_be_set_where_nothing_was_classified():
    tracks = dividing()
    plain = Tracks(tracks.cells[["frame", "label", "y", "x"]], tracks.links)
    editor = Editor(Bench(Draft(plain)))
    editor.do("set_stage_from", cell=4, stage=METAPHASE)
    assert stages(editor) == [""] * 3 + [METAPHASE] * (LIFE - 3)
    assert editor.draft.tracks().cells["pinned"].eq(METAPHASE).sum() == LIFE - 3
    editor.undo()
    assert "pinned" not in editor.draft.tracks().cells
