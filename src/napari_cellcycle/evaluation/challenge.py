"""Scores of whole tracks by py-ctcmetrics, from tracks in memory."""

import contextlib
import io
import warnings
from itertools import pairwise

import numpy as np

from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.evaluation.matching import Matching
from napari_cellcycle.io.ctc import stretches

_WHOLE_TRACKS = ("CT", "TF", "BC", "CHOTA", "CCA")


def score_whole_tracks(
    tracks: Tracks, truth: Tracks, matching: Matching, frames: int
) -> dict[str, float | None]:
    """CT, TF, BC(0) to BC(3), CHOTA and CCA, as for tracks written in the challenge's layout.

    Empty if py-ctcmetrics is not installed or there are no tracks on one of the sides.
    """
    try:
        from ctc_metrics.scripts.evaluate import calculate_metrics
    except ImportError:
        return {}
    if not (len(tracks) and len(truth)):
        return {}
    number, lines = stretches(tracks)
    true_number, true_lines = stretches(truth)
    known = np.flatnonzero(matching.found >= 0)
    frame = truth.cells["frame"].to_numpy()
    found = {
        "labels_ref": _by_frame(true_number, frame, frames),
        "labels_comp": _by_frame(number, tracks.cells["frame"].to_numpy(), frames),
        "mapped_ref": _by_frame(true_number[known], frame[known], frames),
        "mapped_comp": _by_frame(number[matching.found[known]], frame[known], frames),
    }
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return dict(
            calculate_metrics(lines, true_lines, found, {}, list(_WHOLE_TRACKS), is_valid=True)
        )


def _by_frame(values: np.ndarray, frame: np.ndarray, frames: int) -> list[list[int]]:
    order = np.argsort(frame, kind="stable")
    cuts = np.searchsorted(frame[order], np.arange(frames + 1))
    return [values[order[start:stop]].tolist() for start, stop in pairwise(cuts)]
