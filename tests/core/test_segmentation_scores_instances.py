"""PQ, AJI, F1, counts and unknown pixels, worked out by hand and beside Cellpose's own."""

import numpy as np
import pytest

from napari_cellcycle.evaluation.mask_errors import FALSE, MISSED, RIGHT, judge, matched_masks
from napari_cellcycle.evaluation.overlap import matched_pairs, overlap_of
from napari_cellcycle.evaluation.segmentation import STEPS, ImageScore, score_masks


def strip(*lengths: int, width: int = 40) -> np.ndarray:
    """Cells 1, 2, ... of these lengths side by side in one row; a negative length is a gap."""
    row = np.zeros((1, width), np.int32)
    start = 0
    for number, length in enumerate(lengths, start=1):
        row[0, start : start + max(length, 0)] = number
        start += abs(length)
    return row


TRUTH = strip(10, -2, 10, -2, 10)
FOUND = np.where(np.arange(40) < 8, 1, 0)[None].astype(np.int32)
FOUND[0, 12:18] = 2
FOUND[0, 18:22] = 3
FOUND[0, 36:40] = 4
"""Cell 1 (10 pixels) has a mask of 8; cell 3 one of 6 and one of 4; cell 5 none; one is false."""


def test_precision_and_f1_count_matches_at_each_step():
    score = score_masks(FOUND, TRUTH)
    assert (score.masks, score.cells) == (4, 3)
    assert score.precision == {0.5: 2 / 5, 0.75: 1 / 6, 0.9: 0}
    assert score.f1[0.5] == 2 * 2 / 7
    assert [score.f1[step] for step in STEPS[1:]] == [
        pytest.approx(2 * n / 7) for n in (2, 2, 1, 1, 1, 1, 0, 0, 0)
    ]


def test_panoptic_quality_is_agreement_times_recognition():
    score = score_masks(FOUND, TRUTH)
    assert score.sq == pytest.approx((0.8 + 0.6) / 2)
    assert score.rq == pytest.approx(2 / (2 + 0.5 * 2 + 0.5 * 1))
    assert score.pq == pytest.approx(score.sq * score.rq)


def test_aggregated_jaccard_adds_up_pixels_of_best_pairs_and_of_what_is_left_over():
    shared, unions, missed, unused = 8 + 6, 10 + 10, 10, 4 + 4
    assert score_masks(FOUND, TRUTH).aji == pytest.approx(shared / (unions + missed + unused))


def test_a_mask_over_two_cells_is_the_best_of_both_in_the_aggregated_index():
    both, one = strip(10, 10), strip(20)
    assert score_masks(one, both).aji == pytest.approx((10 + 10) / (20 + 20))


def test_counts_do_not_cancel_over_images():
    more = score_masks(FOUND, TRUTH) + score_masks(TRUTH, FOUND)
    assert more.count_error == 1 and more.surplus == 0


def test_an_empty_image_has_no_quality_and_a_false_mask_spoils_it():
    nothing = np.zeros((1, 40), np.int32)
    empty = score_masks(nothing, nothing)
    assert empty.pq is None and empty.aji is None and empty.table()["AP@0.5"] is None
    assert score_masks(strip(5), nothing).pq == 0


def test_scores_of_images_are_pooled_over_cells():
    few, many = score_masks(strip(10), strip(10)), score_masks(strip(-1), TRUTH)
    assert (few + many).pq == pytest.approx(2 * 1 / (1 + 4))
    assert (few + many).aji == pytest.approx(10 / 40)


def test_pixels_nobody_knows_count_for_nothing():
    truth = TRUTH.copy()
    truth[0, 24:40] = -1
    score = score_masks(FOUND, truth)
    assert (score.masks, score.cells, score.false) == (3, 2, 1), "mask 4 is not known of"
    reaching = FOUND.copy()
    reaching[0, 12:18] = 0
    reaching[0, 18:28] = 2
    kept = score_masks(np.where(reaching == 3, 0, reaching), truth)
    assert kept.masks == 2, "six of its ten pixels are known"
    assert kept.overlap == pytest.approx(0.8), "and it covers less than half of the cell"


def test_a_mask_mostly_in_unknown_pixels_is_neither_right_nor_wrong():
    truth = TRUTH.copy()
    truth[0, 34:40] = -1
    found = TRUTH.copy()
    found[0, 33:40] = 9
    assert score_masks(found, truth).false == 0
    assert score_masks(found, truth).precision[0.9] == 1
    found[0, 24:34] = 0
    truth[0, 33] = -1
    assert score_masks(found, truth).missed == 1


@pytest.mark.parametrize("seed", range(3))
def test_scores_agree_with_those_of_cellpose(seed):
    metrics = pytest.importorskip("cellpose.metrics")
    truth, found = crowd(seed), crowd(seed, shift=2)
    score = score_masks(found, truth)
    theirs, matched, *_ = metrics.average_precision(truth, found, threshold=list(STEPS))
    assert score.matched == tuple(matched.astype(int))
    assert list(score.precision.values()) == pytest.approx(theirs[[0, 5, 8]].tolist())
    apart = np.where(np.isin(truth, [4, 5, 6]), 0, truth)
    alone = np.where(truth > 0, found, 0)
    assert score_masks(alone, truth).aji == pytest.approx(
        metrics.aggregated_jaccard_index([truth], [alone])[0], abs=0.05
    )
    assert score_masks(apart, truth).aji == pytest.approx(
        metrics.aggregated_jaccard_index([truth], [apart])[0]
    )


def crowd(seed: int, shift: int = 0) -> np.ndarray:
    """Discs of several sizes, numbered 1, 2, ..., moved by up to `shift` pixels."""
    chance = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(np.arange(8, 90, 16), np.arange(8, 90, 16)), -1).reshape(-1, 2)
    radii = chance.uniform(4, 8, len(places))
    moved = places + np.random.default_rng(seed + 9).integers(-shift, shift + 1, places.shape)
    grid = np.indices((96, 96))
    labels = np.zeros((96, 96), np.int32)
    for number, (place, radius) in enumerate(zip(moved, radii, strict=True), start=1):
        labels[((grid - place[:, None, None]) ** 2).sum(0) < radius**2] = number
    return labels


def test_contested_masks_are_matched_so_that_most_cells_have_one():
    overlap = overlap_of(strip(4, 4, -4, 4), strip(8, -4, 4))
    pairs = matched_pairs(overlap, 0.5)
    assert len(pairs) == 2
    assert len(set(overlap.pair_mask[pairs])) == len(set(overlap.pair_cell[pairs])) == 2


def test_labels_may_be_large_numbers():
    wide = np.where(TRUTH > 0, 2_000_000_000 - TRUTH, 0)
    assert score_masks(wide, TRUTH) == score_masks(TRUTH, TRUTH)
    assert judge(overlap_of(wide, TRUTH)).right.min() > 1_999_999_990


def test_volumes_have_all_scores_too():
    volume = np.stack([TRUTH, TRUTH])
    assert score_masks(volume, volume).pq == score_masks(volume, volume).aji == 1


def test_the_picture_of_agreement_shows_right_false_and_missed():
    codes = matched_masks(FOUND, TRUTH)[0]
    assert (codes[:8] == RIGHT).all() and (codes[8:12] == 0).all()
    assert (codes[12:18] == RIGHT).all() and (codes[18:22] == FALSE).all()
    assert (codes[24:34] == MISSED).all() and (codes[36:] == FALSE).all()
    strict = matched_masks(FOUND, TRUTH, iou=0.75)[0]
    assert (strict[:8] == RIGHT).all() and (strict[12:22] == FALSE).all()


def test_a_score_can_be_added_to_nothing():
    score = score_masks(FOUND, TRUTH)
    assert score + ImageScore() == score
