"""Splits keep whole groups together, depend on the seed alone, and go to text and back."""

import numpy as np
import pytest

from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.stage.split import (
    Split,
    deal_groups,
    folds,
    kept_aside,
    parts_of,
    read_split,
    write_split,
)

RNG = np.random.default_rng(0)
GROUP = RNG.integers(0, 40, 400)
CODE = RNG.integers(0, 4, 40)[GROUP]


def test_whole_groups_are_kept_aside_with_every_stage():
    aside = kept_aside(GROUP, CODE, 0.25)
    assert not set(GROUP[aside]) & set(GROUP[~aside])
    assert 0.15 < aside.mean() < 0.35
    assert set(CODE[aside]) == set(CODE) == set(CODE[~aside])
    assert (kept_aside(GROUP, CODE, 0.25) == aside).all()


def test_another_seed_keeps_others_aside():
    assert (kept_aside(GROUP, CODE, 0.25, seed=1) != kept_aside(GROUP, CODE, 0.25)).any()


def test_each_cell_is_in_one_fold():
    found = folds(GROUP, CODE, 5)
    assert (np.sum(found, axis=0) == 1).all()
    for fold in found:
        assert not set(GROUP[fold]) & set(GROUP[~fold])


def test_unknown_stages_do_not_count_but_are_dealt():
    code = np.where(GROUP < 20, -1, CODE)
    assert set(deal_groups(GROUP, code, 3)) == {0, 1, 2}


def test_one_group_cannot_be_split():
    with pytest.raises(BadInput, match="belong to one group"):
        kept_aside(np.zeros(5), np.arange(5), 0.2)
    with pytest.raises(BadInput, match="too few for 5 folds"):
        folds(np.arange(4), np.zeros(4, int), 5)


def test_a_split_is_read_as_it_was_written(tmp_path):
    split = Split(("a: lineage 2", "b"), ("c",), ())
    write_split(split, tmp_path / "mine.split.txt")
    assert read_split(tmp_path / "mine.split.txt") == split
    assert parts_of(["c", "b", "strange"], split).tolist() == ["validation", "train", ""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("a\nb\n", "where \\[train\\]"), ("[train]\na\n[test]\na\n", "more than once")],
)
def test_what_is_no_split_is_refused(tmp_path, text, sentence):
    (tmp_path / "split.txt").write_text(text)
    with pytest.raises(BadInput, match=sentence):
        read_split(tmp_path / "split.txt")
    with pytest.raises(BadInput, match="cannot be read"):
        read_split(tmp_path / "none.txt")
