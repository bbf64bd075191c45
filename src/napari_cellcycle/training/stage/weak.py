"""Learn stages from transcripts: the stages that a cell goes through, without their times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from napari_cellcycle.config import Settings
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.training.stage.alignment import (
    Alignment,
    Boundary,
    LengthModel,
    LengthTable,
    align_all,
)
from napari_cellcycle.training.stage.sequences import CellSequences, transcript

Transcript = tuple[int, ...]
IMPOSSIBLE = 20.0
"""How far the log-score of a stage is lowered where a division all but rules it out."""


class AlignerSettings(Settings):
    """How sequences are laid onto their transcripts while a network learns."""

    soft: bool = Field(True, description="Learn from how likely each stage is, not from one path")
    partial: bool = Field(
        False, description="A cell may show any part of its transcript, instead of all of it"
    )
    open_ends: bool = Field(
        True, description="The first and the last stage may be cut off by the movie"
    )
    lengths: Literal["poisson", "negative binomial"] = Field(
        "negative binomial", description="How the length of a stage varies between cells"
    )
    shape: float = Field(2.0, gt=0, description="Higher: lengths vary less (negative binomial)")
    longest: int | None = Field(None, ge=1, description="Most frames of a stage; empty: any")
    boundary: Boundary = Field("new", description="Whose first frame a boundary's frame is")
    prior_weight: float = Field(
        0.0, ge=0, le=1, description="How far frequent stages are held back when frames are scored"
    )
    learn_lengths: bool = Field(
        False, description="Learn how long stages last even where that is given beforehand"
    )
    memory: float = Field(
        200.0, ge=0, description="Sequences that running averages are taken of; 0: the latest one"
    )


PAPER = AlignerSettings(
    soft=False,
    open_ends=False,
    lengths="poisson",
    longest=59,
    boundary="old",
    prior_weight=1.0,
    learn_lengths=True,
    memory=0.0,
)
"""The published choices, but for their mistake of normalising class scores over time."""


class Aligner(nn.Module):
    """Makes targets for sequences of which only the order of stages is known.

    Frames are scored by the network's probability; stages last about as long as is known, or as
    they did so far (a hidden semi-Markov model, as in Richard et al. 2018, who also divide by how
    frequent a stage is: `prior_weight`). Both learned and given at once, alignments drift towards
    stages of equal length. Running averages over all sequences live in buffers, so a network that
    this is a part of keeps them in its checkpoint. `transcripts` holds one a sequence, or a single
    one for all; `mean_length` (S,), in frames, is what is known of lengths beforehand.
    """

    frames: torch.Tensor
    ends: torch.Tensor

    def __init__(
        self,
        stages: StageSet,
        transcripts: Sequence[Transcript] | Transcript,
        settings: AlignerSettings | None = None,
        *,
        mean_length: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.stages, self.settings = stages, settings or AlignerSettings()
        self._one = bool(transcripts) and isinstance(transcripts[0], int | np.integer)
        given = [transcripts] if self._one else transcripts
        self.transcripts: list[Transcript] = [tuple(t) for t in given]  # type: ignore[arg-type]
        _check(self.transcripts, stages)
        occurs = np.zeros(len(stages))
        np.add.at(occurs, np.concatenate([np.array(t, int) for t in self.transcripts]), 1)
        self._occurs = occurs / occurs.sum()
        frames, ends = np.zeros((2, len(stages)))
        if mean_length is not None:
            frames, ends = self._occurs * mean_length, self._occurs
        self._fixed = None if self.settings.learn_lengths else mean_length
        self.register_buffer("frames", torch.tensor(frames, dtype=torch.float64))
        self.register_buffer("ends", torch.tensor(ends, dtype=torch.float64))
        self._latest: dict[int, np.ndarray] = {}

    @property
    def grammar(self) -> list[Transcript]:
        """All transcripts, each once, in their order."""
        return sorted(set(self.transcripts))

    @property
    def prior(self) -> np.ndarray:
        """Share of the frames that show each stage, (S,); never nearly none."""
        frames = self.frames.cpu().numpy()
        share = frames / max(frames.sum(), 1e-12)
        return np.asarray(np.maximum(share, 0.02 / len(share)))

    @property
    def about(self) -> dict[str, Any]:
        """What it was told: orders and lengths of stages, and how it learns from them."""
        lengths = [] if self._fixed is None else self._fixed.tolist()
        return {
            "transcripts": [list(map(int, t)) for t in self.transcripts],
            "lengths": lengths,
            "soft": self.settings.soft,
        }

    @property
    def knows_lengths(self) -> bool:
        """Whether it was told how long stages last."""
        return self._fixed is not None

    @property
    def mean_length(self) -> np.ndarray:
        """Mean frames that each stage lasts, (S,): as given, or as seen so far.

        Of those never seen to end, frames seen; as if one more of each had lasted as long as
        stages do in the mean, unless only the latest sequence counts.
        """
        if self._fixed is not None:
            return np.maximum(self._fixed, 1.0)
        frames, ends = self.frames.cpu().numpy(), self.ends.cpu().numpy()
        overall = frames.sum() / max(ends.sum(), 1e-12)
        if self.settings.memory:
            mean = (frames + overall) / (ends + 1)
        else:
            mean = np.where(ends > 0.5, frames / np.maximum(ends, 0.5), overall)
        return np.asarray(np.maximum(mean, 1.0))

    def targets(
        self,
        log_probs: torch.Tensor,
        valid: torch.Tensor,
        which: Sequence[int] | np.ndarray | torch.Tensor,
        *,
        learn: bool = True,
    ) -> torch.Tensor:
        """Stages (B, T, S) that sequences `which` (B,) should be told, each in its whole length.

        `log_probs` (B, T, S) are the network's, normalised over stages; frames that are not
        `valid` (B, T) take no part and get 0. The running averages `learn` from the result.
        """
        order, count, scores = self._packed(log_probs, valid)
        chosen = [int(i) for i in which]
        known = [self.transcripts[0 if self._one else i] for i in chosen]
        self._start(count, known)
        found = self._align(self.held_back(scores), count, known)
        if learn:
            self._learn(found, count)
        result = np.zeros(scores.shape, np.float32)
        np.put_along_axis(result, order[..., None], found.stages.astype(np.float32), 1)
        for row, i in enumerate(chosen):
            self._latest[i] = found.stages[row, : count[row]].astype(np.float16)
        return torch.from_numpy(result).to(log_probs.device)

    def held_back(self, log_probs: np.ndarray) -> np.ndarray:
        """Scores (..., S) of frames by log-probabilities: over how frequent stages are."""
        return np.asarray(log_probs - self.settings.prior_weight * np.log(self.prior))

    def lay(self, sequences: CellSequences, scores: np.ndarray) -> np.ndarray:
        """Chances (n, S) of the stages of all crops of `sequences`, whose transcripts these are.

        `scores` (n, S) are log-likelihoods of the crops, or `held_back`; stages that a division
        all but rules out count even less. Crops on several paths, a mother's, get the mean over
        them. Lengths that are not given are learned from the result, all at once.
        """
        paths = sequences.paths
        count = np.array([len(path) for path in paths])
        seen = np.arange(count.max()) < count[:, None]
        row = np.zeros(seen.shape, np.int64)
        row[seen] = np.concatenate(paths)
        scores = scores[row]
        if sequences.born is not None:
            _lower_at_divisions(scores, sequences.born[row] & seen, self.stages)
        known = [self.transcripts[0 if self._one else i] for i in range(len(paths))]
        self._start(count, known)
        found = self._align(scores, count, known)
        self.frames.copy_(torch.from_numpy(found.stages.sum((0, 1))))
        self.ends.copy_(torch.from_numpy(found.ended.sum(0)))
        chances = np.zeros((len(sequences.images), len(self.stages)))
        np.add.at(chances, row[seen], found.stages[seen])
        return np.asarray(chances / np.maximum(chances.sum(1, keepdims=True), 1e-12))

    def recall(self, which: int) -> np.ndarray | None:
        """The latest targets (T, S) of the valid frames of a sequence, for windows of it.

        None if it was not laid onto its transcript yet.
        """
        found = self._latest.get(int(which))
        return None if found is None else found.astype(np.float32)

    def decode(self, log_probs: torch.Tensor, valid: torch.Tensor) -> np.ndarray:
        """Best codes (B, T) of sequences whose transcript is any of the grammar; -1 if not valid.

        Sequences shorter than every transcript may show a part of one.
        """
        order, count, scores = self._packed(log_probs, valid)
        result = np.full(scores.shape[:2], -1)
        for row, frames in enumerate(count):
            if not frames:
                continue
            ways = [t for t in self.grammar if len(t) <= frames]
            partial = self.settings.partial or not ways
            ways = ways or self.grammar
            some = self.held_back(scores[row : row + 1, :frames])
            repeated = np.repeat(some, len(ways), axis=0)
            found = self._align(repeated, np.full(len(ways), frames), ways, partial, soft=False)
            result[row, order[row, :frames]] = found.code[int(found.score.argmax())]
        return result

    def _packed(
        self, log_probs: torch.Tensor, valid: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Valid frames moved to the front: their order (B, T), count (B,) and log-probabilities."""
        seen = valid.detach().cpu().numpy().astype(bool)
        order = np.argsort(~seen, axis=1, kind="stable")
        scores = log_probs.detach().double().cpu().numpy()
        return order, seen.sum(1), np.take_along_axis(scores, order[..., None], 1)

    def _align(
        self,
        scores: np.ndarray,
        count: np.ndarray,
        transcripts: Sequence[Transcript],
        partial: bool | None = None,
        soft: bool | None = None,
    ) -> Alignment:
        settings = self.settings
        return align_all(
            scores,
            count,
            transcripts,
            self._lengths(scores.shape[1]),
            soft=settings.soft if soft is None else soft,
            partial=settings.partial if partial is None else partial,
            boundary=settings.boundary,
        )

    def _lengths(self, frames: int) -> LengthTable:
        settings = self.settings
        model = LengthModel(settings.lengths, settings.shape, settings.longest)
        return model.table(self.mean_length, frames, open_ends=settings.open_ends)

    def _start(self, count: np.ndarray, known: Sequence[Transcript]) -> None:
        """Let all stages last equally long until something is known."""
        if not float(self.frames.sum()):
            mean = count.sum() / sum(len(t) for t in known)
            self.frames.copy_(torch.from_numpy(self._occurs * max(mean, 1.0)))
            self.ends.copy_(torch.from_numpy(self._occurs))

    def _learn(self, found: Alignment, count: np.ndarray) -> None:
        """Move the running averages by a batch: frames of each stage, and how many ended.

        Frames over ends is the mean length also of stages that are cut off now and then.
        """
        frames, ends = found.stages.sum(1), found.ended.copy()
        if not self.settings.open_ends:
            ends += found.stages[np.arange(len(count)), np.maximum(count - 1, 0)]
        if self.settings.memory:
            kept = float(np.exp(-len(count) / self.settings.memory))
            self.frames.mul_(kept).add_(torch.from_numpy(frames.sum(0)).to(self.frames))
            self.ends.mul_(kept).add_(torch.from_numpy(ends.sum(0)).to(self.ends))
            return
        last = torch.from_numpy(frames[-1]).to(self.frames)
        self.frames.copy_(torch.where(last > 0, last, self.frames))
        self.ends.copy_(torch.from_numpy(ends[-1]).to(self.ends))


def _lower_at_divisions(scores: np.ndarray, born: np.ndarray, stages: StageSet) -> None:
    """Lower, in place, scores (B, T, S) of what cannot be just before and after a division.

    Tracks say when a mother divides: she was in one of the last stages then, and her daughter,
    whose first frame is where `born` (B, T) is, begins with one of the first.
    """
    first, last = (np.isin(stages.names, list(some)) for some in (stages.first, stages.last))
    if first.any() and last.any():
        before = np.zeros_like(born)
        before[:, :-1] = born[:, 1:]
        scores[born] -= IMPOSSIBLE * ~first
        scores[before] -= IMPOSSIBLE * ~last


def transcripts_of(sequences: CellSequences) -> list[Transcript]:
    """The transcript of each sequence, collapsed from its stages.

    Raises `BadInput` if a sequence has no known stage.
    """
    found = [transcript(sequences.code[path]) for path in sequences.paths]
    unknown = sum(not t for t in found)
    if unknown:
        raise BadInput(
            f"{unknown} of {len(found)} sequences have no known stage, so no transcript; give "
            "the transcript of the experiment, or leave these cells out."
        )
    return found


def parse_transcript(text: str, stages: StageSet) -> Transcript:
    """Read a transcript as typed: names of stages in order, with commas or ">" between them.

    Raises `BadInput` if a name is not in `stages`.
    """
    names = [name.strip() for name in text.replace("->", ",").replace(">", ",").split(",")]
    names = [name for name in names if name]
    known = {name.lower(): code for code, name in enumerate(stages.names)}
    wrong = [name for name in names if name.lower() not in known]
    if wrong or not names:
        found = repr(wrong[0]) if wrong else "no stage"
        raise BadInput(
            f"The transcript {text.strip()!r} names {found}; expected names of stages with "
            f"commas between them, of {', '.join(stages.names)}."
        )
    return tuple(known[name.lower()] for name in names)


def write_grammar(path: str | Path, transcripts: Sequence[Transcript], stages: StageSet) -> None:
    """Write all transcripts that occur as text, each once, one a line."""
    lines = [", ".join(stages.names[code] for code in t) for t in sorted(set(transcripts))]
    path = Path(path)
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, "\n".join(lines) + "\n")


def read_grammar(path: str | Path, stages: StageSet) -> list[Transcript]:
    """Read transcripts, one a line; empty lines and those that begin with # are left out.

    Raises `BadInput` if the file cannot be read, is empty or names an unknown stage.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The transcripts in {path} cannot be read ({error}); give a text file with one "
            "transcript a line."
        ) from error
    found = [parse_transcript(line, stages) for line in lines if line and line[0] != "#"]
    if not found:
        raise BadInput(f"{path} holds no transcript; write one a line, such as 'a, b, a'.")
    return found


def _check(transcripts: Sequence[Transcript], stages: StageSet) -> None:
    """Raise `BadInput` unless there are transcripts, and of known stages."""
    if not transcripts or not all(transcripts):
        raise BadInput("A transcript is empty; name the stages that occur, in their order.")
    codes = {int(code) for t in transcripts for code in t}
    if not codes <= set(range(len(stages))):
        raise BadInput(
            f"A transcript holds the code {max(codes)}, but there are {len(stages)} stages, "
            "numbered from 0; correct it."
        )
    if len(codes) == 1:
        only = stages.names[codes.pop()]
        raise BadInput(
            f"All transcripts name {only!r} alone; at least two stages have to occur to tell "
            "them apart."
        )
