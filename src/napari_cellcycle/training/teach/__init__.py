"""Teach the models from corrections: what is known, what is missing, learning, and a proposal."""

from napari_cellcycle.training.teach.proposals import accept, discard, proposed, read_result
from napari_cellcycle.training.teach.request import (
    KINDS,
    Effort,
    TeachRequest,
    TeachSettings,
    read_request,
)
from napari_cellcycle.training.teach.result import (
    Contrast,
    Round,
    TaughtModel,
    TaughtResult,
    Verdict,
)
from napari_cellcycle.training.teach.suggestions import Suggestion, suggest
from napari_cellcycle.training.teach.teach import keep_best, teach
from napari_cellcycle.training.teach.truth import TruthCounts, count_truth

__all__ = [
    "KINDS",
    "Contrast",
    "Effort",
    "Round",
    "Suggestion",
    "TaughtModel",
    "TaughtResult",
    "TeachRequest",
    "TeachSettings",
    "TruthCounts",
    "Verdict",
    "accept",
    "count_truth",
    "discard",
    "keep_best",
    "proposed",
    "read_request",
    "read_result",
    "suggest",
    "teach",
]
