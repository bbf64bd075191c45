"""Laying sequences onto the stages that they are known to show."""

from itertools import combinations

import numpy as np
import pytest

from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.stage.alignment import LengthModel, LengthTable, align, align_all

POISSON = LengthModel("poisson")
SIX = (0, 1, 2, 3, 4, 5)


def lengths(codes: np.ndarray) -> list[int]:
    """Frames of each segment."""
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1], True])
    return np.diff(starts).tolist()


def clear(true: list[int], stages: int) -> np.ndarray:
    """Log-scores of a network that is nearly sure of the stages of `true` lengths."""
    code = np.repeat(np.arange(len(true)), true)
    return np.log(np.where(np.arange(stages) == code[:, None], 0.9, 0.1 / (stages - 1)))


def test_without_a_clue_all_stages_last_equally_long() -> None:
    table = POISSON.table(np.ones(6), 40)
    found = lengths(align(np.zeros((40, 6)), SIX, table))
    assert sum(found) == 40
    assert max(found) - min(found) <= 1


def test_known_mean_lengths_alone_place_the_boundaries() -> None:
    true = [15, 6, 4, 5, 3, 7]
    assert lengths(align(np.zeros((40, 6)), SIX, POISSON.table(np.array(true), 40))) == true


def test_boundaries_are_where_the_frames_change_and_a_frame_earlier_as_published() -> None:
    true = [15, 6, 4, 5, 3, 7]
    table = POISSON.table(np.full(6, 40 / 6), 40)
    assert lengths(align(clear(true, 6), SIX, table)) == true
    assert lengths(align(clear(true, 6), SIX, table, "old")) == [14, 6, 4, 5, 3, 8]


def test_long_stages_have_a_path_unless_the_published_limit_is_asked_for() -> None:
    scores, mean = clear([70, 60], 2), np.ones(2)
    assert lengths(align(scores, (0, 1), POISSON.table(mean, 130))) == [70, 60]
    with pytest.raises(BadInput, match="130 frames cannot show 2 stages"):
        align(scores, (0, 1), LengthModel("poisson", longest=59).table(mean, 130))


def test_a_stage_may_come_again() -> None:
    scores = clear([5, 3, 2, 6], 4)[:, :3] + np.zeros((16, 3))
    scores[10:, 0] = 0.0
    table = LengthModel().table(np.full(3, 4.0), 16)
    assert align(scores, (0, 1, 2, 0), table).tolist() == [0] * 5 + [1] * 3 + [2] * 2 + [0] * 6


def test_a_stage_cut_off_by_the_movie_may_be_short() -> None:
    scores, mean = clear([2, 18], 2), np.array([40.0, 20.0])
    whole = LengthModel("poisson").table(mean, 20)
    cut = LengthModel("poisson").table(mean, 20, open_ends=True)
    flat = 0.2 * scores
    assert lengths(align(flat, (0, 1), whole))[0] > 10
    assert lengths(align(flat, (0, 1), cut)) == [2, 18]


@pytest.mark.parametrize("transcript", [(0, 1), (0, 1, 0), (2, 0, 1), (1,), (0, 2, 0, 2)])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("open_ends", [False, True])
def test_best_path_and_posteriors_agree_with_trying_every_path(
    transcript: tuple[int, ...], partial: bool, open_ends: bool
) -> None:
    rng = np.random.default_rng(len(transcript))
    scores = rng.normal(size=(2, 9, 3))
    table = LengthModel(shape=1.5).table(np.array([2.0, 3.0, 4.5]), 9, open_ends=open_ends)
    count = np.array([7, 9])
    other = (0, 1, 2, 1)
    given = [transcript, other]
    best = align_all(scores, count, given, table, partial=partial)
    soft = align_all(scores, count, given, table, partial=partial, soft=True)
    for row, (frames, stages) in enumerate(zip(count, given, strict=True)):
        ways = every_way(scores[row, :frames], stages, table, partial)
        score = np.array([s for s, *_ in ways])
        share = np.exp(score - np.logaddexp.reduce(score))
        likeliest = ways[int(score.argmax())]
        assert best.score[row] == pytest.approx(score.max())
        assert best.code[row, :frames].tolist() == likeliest[1]
        assert best.ended[row].tolist() == likeliest[2].tolist()
        assert soft.score[row] == pytest.approx(np.logaddexp.reduce(score))
        expected = sum(p * np.eye(3)[way[1]] for p, way in zip(share, ways, strict=True))
        np.testing.assert_allclose(soft.stages[row, :frames], expected, atol=1e-9)
        ends = sum(p * way[2] for p, way in zip(share, ways, strict=True))
        np.testing.assert_allclose(soft.ended[row], ends, atol=1e-9)
        assert not soft.stages[row, frames:].any()


def every_way(
    scores: np.ndarray, transcript: tuple[int, ...], table: LengthTable, partial: bool
) -> list[tuple[float, list[int], np.ndarray]]:
    """Score, codes and number of ended segments of every way to cut a sequence."""
    frames, ways = len(scores), []
    n = len(transcript)
    parts = [transcript[a:b] for a in range(n) for b in range(a + 1, n + 1)]
    for part in parts if partial else [transcript]:
        for cuts in combinations(range(1, frames), len(part) - 1):
            edges = (0, *cuts, frames)
            score, codes, ended = 0.0, [], np.zeros(3)
            for k, stage in enumerate(part):
                first, last = edges[k], edges[k + 1]
                cut = first == 0 or last == frames
                score += scores[first:last, stage].sum()
                score += (table.cut if cut else table.closed)[stage, last - first]
                codes += [stage] * (last - first)
                ended[stage] += last < frames
            ways.append((score, codes, ended))
    return ways


def test_many_long_sequences_are_aligned_in_parts() -> None:
    scores = np.stack([clear([500, 700], 2)] * 6)
    table = POISSON.table(np.full(2, 500.0), 1200)
    found = align_all(scores, np.full(6, 1200), [(0, 1)] * 6, table, soft=True)
    assert found.code.sum(1).tolist() == [700] * 6


def test_a_transcript_longer_than_its_sequence_is_refused() -> None:
    table = POISSON.table(np.ones(6), 4)
    with pytest.raises(BadInput, match="6 stages, but its sequence has only 4 frames"):
        align(np.zeros((4, 6)), SIX, table)
    with pytest.raises(BadInput, match="empty"):
        align(np.zeros((4, 6)), (), table)
