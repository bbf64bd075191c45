"""Where each stage of a known order begins and ends: exact alignment over (stage, time)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import gammaln

from napari_cellcycle.errors import BadInput

Boundary = Literal["new", "old"]
_MOST_PAIRS = 8_000_000
"""Most pairs of frames, over all sequences, that are weighed against each other at once."""


@dataclass(frozen=True)
class LengthModel:
    """How likely a stage lasts so many frames, given its mean.

    "poisson" is the published model, whose spread is the root of the mean. "negative binomial"
    is wider: the mean itself varies between cells by one over the root of `shape`. Lengths
    above `longest` cannot be.
    """

    kind: Literal["poisson", "negative binomial"] = "negative binomial"
    shape: float = 2.0
    longest: int | None = None

    def table(self, mean: np.ndarray, frames: int, *, open_ends: bool = False) -> "LengthTable":
        """Log-scores (S, frames + 1) of lasting 0, 1 ... `frames` frames, for means (S,).

        With `open_ends`, a stage that the movie's beginning or end cuts off is scored by the
        chance of lasting at least as long as it is seen.
        """
        length = np.arange(2 * frames + 60)
        score = self._log_chance(np.asarray(mean, float)[:, None], length)
        score[:, 0] = -np.inf
        if self.longest is not None:
            score[:, self.longest + 1 :] = -np.inf
        at_least = np.logaddexp.accumulate(score[:, ::-1], axis=1)[:, ::-1].copy()
        at_least[:, 0] = -np.inf
        closed = score[:, : frames + 1]
        return LengthTable(closed, at_least[:, : frames + 1] if open_ends else closed)

    def _log_chance(self, mean: np.ndarray, length: np.ndarray) -> np.ndarray:
        if self.kind == "poisson":
            return np.asarray(length * np.log(mean) - mean - gammaln(length + 1))
        more = np.maximum(mean - 1, 0.1)  # of frames after the first, which there always is
        after = np.maximum(length - 1, 0)
        chance = gammaln(after + self.shape) - gammaln(self.shape) - gammaln(after + 1)
        chance = chance + self.shape * np.log(self.shape / (self.shape + more))
        return np.asarray(chance + after * np.log(more / (self.shape + more)))


@dataclass(frozen=True)
class LengthTable:
    """Log-scores (S, longest + 1) of lengths of stages seen whole, and of those cut off."""

    closed: np.ndarray
    cut: np.ndarray


@dataclass(frozen=True)
class Alignment:
    """Sequences laid onto their transcripts.

    `stages` (B, T, S) is how surely each frame shows each stage: posteriors, or 0 and 1 of the
    best path; 0 after a sequence's end. `ended` (B, S) is the number of stages seen to end, and
    `score` (B,) the log-score of the best path, or of all paths together.
    """

    stages: np.ndarray
    ended: np.ndarray
    score: np.ndarray

    @property
    def code(self) -> np.ndarray:
        """The likeliest stage of each frame, (B, T) int."""
        return np.asarray(self.stages.argmax(2))


def align(
    log_scores: np.ndarray,
    transcript: Sequence[int],
    log_length: np.ndarray | LengthTable,
    boundary: Boundary = "new",
) -> np.ndarray:
    """Best stage of each frame of one sequence, codes (T,), in the order of its transcript.

    The best path maximises the sum of `log_scores` (T, S) of its frames and of `log_length`
    (S, T + 1) of its segments: V[k, t] = max over l of V[k-1, t-l] + frames + length, exactly.
    See `align_all` for the rest.
    """
    table = log_length
    if isinstance(table, np.ndarray):
        table = LengthTable(table, table)
    count = np.array([len(log_scores)])
    found = align_all(log_scores[None], count, [tuple(transcript)], table, boundary=boundary)
    return np.asarray(found.code[0])


def align_all(
    log_scores: np.ndarray,
    count: np.ndarray,
    transcripts: Sequence[tuple[int, ...]],
    lengths: LengthTable,
    *,
    soft: bool = False,
    partial: bool = False,
    boundary: Boundary = "new",
) -> Alignment:
    """Lay many sequences onto their transcripts at once.

    Parameters
    ----------
    log_scores
        Log-score of each stage in each frame, (B, T, S).
    count
        Frames of each sequence, (B,); what lies behind them is not looked at.
    transcripts
        The stages of each sequence in order, as codes; a stage may come again.
    lengths
        Log-scores of lengths, for up to T frames.
    soft
        Posteriors of all paths (forward-backward) instead of the best path.
    partial
        A sequence may show any part of its transcript, without a gap, instead of all of it.
    boundary
        To which stage the first frame after a boundary is scored: the "new" one, or the "old"
        one, as the publication does (which puts boundaries a frame early).

    Raises
    ------
    BadInput
        A transcript has more stages than its sequence has frames, or none, or no way through
        it is allowed by the lengths.
    """
    _check(count, transcripts, partial)
    n, frames = log_scores.shape[:2]
    half = n // 2
    if half and n * (frames + 1) ** 2 > _MOST_PAIRS:
        parts = [
            align_all(
                log_scores[part],
                count[part],
                transcripts[part],
                lengths,
                soft=soft,
                partial=partial,
                boundary=boundary,
            )
            for part in (slice(0, half), slice(half, n))
        ]
        both = [[getattr(p, name) for p in parts] for name in ("stages", "ended", "score")]
        return Alignment(*(np.concatenate(values) for values in both))
    lattice = _Lattice(log_scores, count, transcripts, lengths, partial, boundary)
    starting, ending, score = lattice.posteriors() if soft else lattice.best()
    if not np.isfinite(score).all():
        wrong = int(np.flatnonzero(~np.isfinite(score))[0])
        raise BadInput(
            f"A sequence of {count[wrong]} frames cannot show {len(transcripts[wrong])} stages "
            "within the longest that a stage may last; raise that limit."
        )
    return lattice.told(starting, ending, score)


class _Lattice:
    """All ways to cut sequences into the segments of their transcripts.

    Boundaries are numbered 0 to T; segment k of a sequence lasts from boundary j to t and shows
    the frames j to t - 1. `begin[k]` (B, T + 1) holds the scores of all before segment k begins
    at a boundary, `done[k]` of all up to its end.
    """

    def __init__(
        self,
        log_scores: np.ndarray,
        count: np.ndarray,
        transcripts: Sequence[tuple[int, ...]],
        lengths: LengthTable,
        partial: bool,
        boundary: Boundary,
    ) -> None:
        n, frames, self.stages = log_scores.shape
        self.count = np.asarray(count)
        self.segments = np.array([len(transcript) for transcript in transcripts])
        self.label = np.zeros((n, self.segments.max()), np.int64)
        for row, transcript in enumerate(transcripts):
            self.label[row, : len(transcript)] = transcript
        self.lengths, self.partial, self.n, self.frames = lengths, partial, n, frames
        seen = np.arange(frames) < self.count[:, None]
        scores = np.where(seen[..., None], log_scores, 0.0)
        self.sums = np.zeros((n, frames + 1, self.stages))
        np.cumsum(scores, axis=1, out=self.sums[:, 1:])
        if boundary == "old":
            self.sums[:, 1:-1] = self.sums[:, 2:].copy()
        lag = np.arange(frames + 1)[:, None] - np.arange(frames + 1)
        self.lag = np.maximum(lag, 0)
        self.rows = np.arange(n)

    def _segment(self, k: int) -> np.ndarray:
        """Scores (B, T + 1, T + 1) of segment k of each sequence, by its end and beginning."""
        label = self.label[:, k]
        sums = self.sums[self.rows, :, label]
        cut = self.lengths.cut[label]
        length = self.lengths.closed[label][:, self.lag]
        length[:, :, 0] = cut[:, : self.frames + 1]
        length[self.rows, self.count] = cut[self.rows[:, None], self.lag[self.count]]
        length += sums[:, :, None]
        length -= sums[:, None, :]
        return length

    def _begin(self, k: int, done: np.ndarray | None) -> np.ndarray:
        """Scores of all before segment k, by the boundary at which it begins."""
        begin = np.full((self.n, self.frames + 1), -np.inf) if done is None else done.copy()
        may = (k < self.segments) if self.partial else np.full(self.n, k == 0)
        begin[:, 0] = np.where(may, 0.0, -np.inf)
        begin[self.rows, self.count] = -np.inf
        return begin

    def _last(self, k: int) -> np.ndarray:
        """Whether segment k may be the last one, (B,)."""
        return np.asarray(k < self.segments if self.partial else k == self.segments - 1)

    def best(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where segments of the best path begin and end, (B, K, T + 1) of 0 and 1; its score."""
        count = self.label.shape[1]
        back = np.zeros((self.n, count, self.frames + 1), np.int64)
        final = np.full((self.n, count), -np.inf)
        done = None
        for k in range(count):
            total = self._segment(k) + self._begin(k, done)[:, None, :]
            back[:, k] = total.argmax(2)
            done = np.take_along_axis(total, back[:, k, :, None], 2)[..., 0]
            final[:, k] = np.where(self._last(k), done[self.rows, self.count], -np.inf)
        starting, ending = np.zeros((2, self.n, count, self.frames + 1))
        last, end = final.argmax(1), self.count.copy()
        for k in range(count - 1, -1, -1):
            active = self.rows[(k <= last) & (end > 0)]
            begin = back[active, k, end[active]]
            ending[active, k, end[active]] = 1
            starting[active, k, begin] = 1
            end[active] = begin
        return starting, ending, final.max(1)

    def posteriors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chances (B, K, T + 1) that segments begin and end at boundaries; score of all paths."""
        count = self.label.shape[1]
        begin = np.zeros((count, self.n, self.frames + 1))
        done = np.zeros((count, self.n, self.frames + 1))
        for k in range(count):
            begin[k] = self._begin(k, done[k - 1] if k else None)
            done[k] = _log_sum(self._segment(k) + begin[k][:, None, :], 2)
        finals = [
            np.where(self._last(k), done[k][self.rows, self.count], -np.inf) for k in range(count)
        ]
        score = _log_sum(np.array(finals), 0)
        starting, ending = np.zeros((2, self.n, count, self.frames + 1))
        after = np.full((self.n, self.frames + 1), -np.inf)
        known = np.where(np.isfinite(score), score, 0.0)[:, None]
        for k in range(count - 1, -1, -1):
            after[self.rows, self.count] = np.where(self._last(k), 0.0, -np.inf)
            ending[:, k] = np.exp(done[k] + after - known)
            after = _log_sum(self._segment(k) + after[:, :, None], 1)
            starting[:, k] = np.exp(begin[k] + after - known)
            after[:, 0] = -np.inf
        return starting, ending, score

    def told(self, starting: np.ndarray, ending: np.ndarray, score: np.ndarray) -> Alignment:
        """Stages of frames from where segments begin and end."""
        inside = np.clip(np.cumsum(starting - ending, axis=2)[:, :, :-1], 0, 1)
        before_end = np.arange(self.frames + 1) < self.count[:, None]
        whole = (ending * before_end[:, None]).sum(2)
        stages = np.zeros((self.n, self.stages, self.frames))
        ended = np.zeros((self.n, self.stages))
        for k in range(self.label.shape[1]):
            stages[self.rows, self.label[:, k]] += inside[:, k]
            ended[self.rows, self.label[:, k]] += whole[:, k]
        stages *= before_end[:, None, :-1]
        stages /= np.maximum(stages.sum(1, keepdims=True), 1e-12)
        return Alignment(np.ascontiguousarray(stages.transpose(0, 2, 1)), ended, score)


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    """Logarithm of the sum of exponentials along an axis; -inf of nothing but -inf."""
    highest = values.max(axis=axis, keepdims=True)
    highest[~np.isfinite(highest)] = 0.0
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - highest).sum(axis=axis))
    return np.asarray(total + highest.squeeze(axis))


def _check(count: np.ndarray, transcripts: Sequence[tuple[int, ...]], partial: bool) -> None:
    """Raise `BadInput` unless every sequence has room for its transcript."""
    for frames, transcript in zip(count, transcripts, strict=True):
        if not len(transcript):
            raise BadInput("A transcript is empty; name the stages that occur, in their order.")
        if frames < (1 if partial else len(transcript)):
            raise BadInput(
                f"A transcript names {len(transcript)} stages, but its sequence has only "
                f"{frames} frames; shorten the transcript, or leave the sequence out."
            )
