"""Scores of masks, on cases worked out by hand."""

import numpy as np
import pytest
import tifffile

from napari_cellcycle.evaluation.segmentation import (
    ImageScore,
    score_cells,
    score_markers,
    score_masks,
    score_sequence,
)


def squares(*corners: tuple[int, int], side: int = 10, shape: tuple[int, int] = (60, 60)):
    """Squares numbered 1, 2, ... with these upper left corners."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


TRUTH = squares((5, 5), (5, 30), (30, 5))


def test_the_truth_itself_is_perfect():
    score = score_masks(TRUTH, TRUTH)
    assert score.seg == score.det == 1
    assert set(score.precision.values()) == {1.0}


def test_nothing_found_scores_zero():
    score = score_masks(np.zeros_like(TRUTH), TRUTH)
    assert score.seg == score.det == 0
    assert score.missed == 3
    assert set(score.precision.values()) == {0.0}


def test_numbers_of_masks_do_not_matter():
    renumbered = np.where(TRUTH > 0, 70_000 - 7 * TRUTH, 0)
    assert score_masks(renumbered, TRUTH) == score_masks(TRUTH, TRUTH)


def test_a_shifted_mask_counts_by_its_jaccard_index():
    shifted = squares((7, 5), (5, 30), (30, 5))
    score = score_masks(shifted, TRUTH)
    assert score.seg == pytest.approx((8 / 12 + 2) / 3)
    assert score.det == 1
    assert score.precision == {0.5: 1.0, 0.75: 2 / 4, 0.9: 2 / 4}


def test_a_mask_over_exactly_half_of_a_cell_is_no_match():
    half = TRUTH.copy()
    half[5:10, 5:15] = 0
    score = score_masks(half, TRUTH)
    assert score.seg == pytest.approx(2 / 3)
    assert (score.missed, score.false) == (1, 1)
    assert score.det == pytest.approx(1 - (10 + 1) / 30)


def test_a_mask_over_two_cells_costs_one_split():
    merged = np.where(TRUTH == 2, 1, TRUTH)
    score = score_markers(merged, TRUTH)
    assert (score.missed, score.false, score.merged) == (0, 0, 1)
    assert score.det == pytest.approx(1 - 5 / 30)


def test_false_masks_cost_one_and_never_more_than_everything():
    many = squares((5, 5), *[(20, x) for x in range(0, 60, 12)])
    score = score_markers(many, TRUTH)
    assert (score.missed, score.false) == (2, 5)
    assert score.det == pytest.approx(1 - 25 / 30)
    assert ImageScore(markers=1, missed=1, false=40).det == 0


def test_cells_in_the_border_are_left_out():
    edge = squares((5, 5), (5, 30), (30, 5), (55, 55), side=10)
    assert score_masks(edge, TRUTH, border_px=5).false == 0
    assert score_masks(edge, TRUTH).false == 1


def test_images_are_pooled_over_cells_not_over_images():
    one = score_masks(squares((5, 5)), squares((5, 5)))
    none = score_masks(np.zeros((60, 60), np.int32), TRUTH)
    assert (one + none).seg == pytest.approx(1 / 4)
    assert (one + none).det == pytest.approx(1 - 30 / 40)


def test_no_truth_gives_no_score():
    assert ImageScore().seg is None
    assert ImageScore().det is None
    assert score_cells(TRUTH, np.zeros_like(TRUTH)).seg is None


def test_volumes_are_scored_too():
    volume = np.stack([TRUTH, TRUTH])
    assert score_masks(volume, volume).seg == 1


@pytest.fixture
def sequence(tmp_path):
    """Two frames with truth, the second with outlines of one cell only."""
    for name in ("TRA", "SEG"):
        (tmp_path / "01_GT" / name).mkdir(parents=True)
    for time, outlines in enumerate((TRUTH, np.where(TRUTH == 2, 2, 0))):
        tifffile.imwrite(tmp_path / f"01_GT/TRA/man_track{time:03d}.tif", TRUTH.astype(np.uint16))
        tifffile.imwrite(tmp_path / f"01_GT/SEG/man_seg{time:03d}.tif", outlines.astype(np.uint16))
    (tmp_path / "01_GT/TRA/man_track.txt").write_text("1 0 1 0\n2 0 1 0\n3 0 1 0\n")
    return tmp_path / "01_GT"


def worsened() -> np.ndarray:
    found = squares((7, 5), (5, 31), (30, 5), (48, 48))
    return np.where(found == 3, 2, found)


def test_a_sequence_pools_frames_with_outlines_for_seg_and_all_for_det(sequence):
    score = score_sequence([(0, TRUTH), (1, worsened())], sequence)
    assert score.segmented == 4
    assert score.markers == 6
    assert (score.false, score.merged) == (1, 1)


def test_scores_agree_with_the_official_definitions(sequence, tmp_path):
    metrics = pytest.importorskip("ctc_metrics.scripts.evaluate")
    result = tmp_path / "01_RES"
    result.mkdir()
    frames = [worsened(), TRUTH]
    for time, masks in enumerate(frames):
        tifffile.imwrite(result / f"mask{time:03d}.tif", masks.astype(np.uint16))
    (result / "res_track.txt").write_text("1 0 1 0\n2 0 1 0\n3 1 1 0\n4 0 0 0\n")
    theirs = metrics.evaluate_sequence(
        res=str(result), gt=str(sequence), metrics=["SEG", "DET"], threads=1
    )
    ours = score_sequence(enumerate(frames), sequence)
    assert ours.seg == pytest.approx(theirs["SEG"])
    assert ours.det == pytest.approx(theirs["DET"])
