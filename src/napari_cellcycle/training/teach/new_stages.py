"""Teach a stage model stages that its base does not tell yet."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.training.stage.crop_examples import Examples

if TYPE_CHECKING:
    import torch

_UNLIKELY = 3.0
"""How much less likely than others, in logits, a stage is told that was never learned."""


def stages_with(base: StageSet, sets: Sequence[StageSet], told: set[str]) -> StageSet | None:
    """The set that a model of `base` can be taught: its own, or one that holds all of its stages.

    `sets` are those of the experiments, `told` the stages that cells were set to. None if no set
    holds both.
    """
    for one in (base, *sets):
        if told | set(base.names) <= set(one.names):
            return one
    return None


def widened(
    state: "dict[str, torch.Tensor]", old: StageSet, new: StageSet
) -> "dict[str, torch.Tensor]":
    """Weights of a model of the stages `old` that tells `new` ones, which it has not learned yet.

    What the last layer makes of a new stage is the mean of all others, and less likely.
    """
    import torch

    from napari_cellcycle.training.fit import bare_name

    if old.names == new.names:
        return state
    changed = dict(state)
    for name in (each for each in state if bare_name(each).startswith("head.")):
        rows = state[name]
        mean = rows.mean(dim=0) - (_UNLIKELY if name.endswith("bias") else 0.0)
        known = {stage: rows[at] for at, stage in enumerate(old.names)}
        changed[name] = torch.stack([known.get(stage, mean) for stage in new.names])
    return changed


def as_told(data: Any, old: StageSet, new: StageSet) -> Any:
    """Crops, or sequences of them, of the stages `old`, as examples of the stages `new`."""
    if old.names == new.names:
        return data
    at = np.array([new.names.index(name) for name in old.names])
    code = np.where(data.code >= 0, at[data.code], data.code)
    return replace(data, code=code, stages=new.names if isinstance(data, Examples) else new)
