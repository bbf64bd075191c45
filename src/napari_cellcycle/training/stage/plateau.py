"""Adam whose learning rate falls when the held-out loss no longer does."""

from collections.abc import Iterable
from typing import Any

import torch


class PlateauAdam(torch.optim.Adam):
    """Adam with a rate that is multiplied by `factor` after `patience` reports without progress.

    Its state stands in its parameter groups, so that an interrupted training goes on with it.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        rate: float,
        weight_decay: float = 0.0,
        factor: float = 0.2,
        patience: int = 10,
    ) -> None:
        super().__init__(parameters, lr=rate, weight_decay=weight_decay)
        self.factor, self.patience = factor, patience
        for group in self.param_groups:
            group.update(share=1.0, least=float("inf"), waited=0)

    def step(self, closure: Any = None) -> Any:
        """One step at the share of the rate that is left."""
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= group["share"]
        result = super().step(closure)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        return result

    def report(self, loss: float) -> None:
        """Tell the held-out loss of an epoch."""
        for group in self.param_groups:
            if loss < group["least"] * (1 - 1e-4):
                group.update(least=loss, waited=0)
                continue
            group["waited"] += 1
            if group["waited"] > self.patience:
                group.update(share=group["share"] * self.factor, waited=0)
