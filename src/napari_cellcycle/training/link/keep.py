"""Hold a tracker to what it thought before, where nobody said anything else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


Energies = tuple["torch.Tensor", "torch.Tensor"]
"""Of links and of divisions, (..., n) and (..., m)."""
KEPT = 10.0
"""How much what is not known counts beside what is."""


class Options(NamedTuple):
    """What cells of a window could come from, or become.

    `cell` (k,) is the cell that each option is one of, `energy` (..., k) its energy now and
    `before` (..., k) that of the former network.
    """

    cell: "torch.Tensor"
    energy: "torch.Tensor"
    before: "torch.Tensor"


def both_sides(
    now: Energies,
    before: Energies,
    links: Sequence["torch.Tensor"],
    divisions: Sequence["torch.Tensor"],
) -> tuple[Options, Options]:
    """What cells could become, and what they could come from.

    `links` are the parents (n,) and children (n,), `divisions` the mothers (m,) and the first and
    second daughters (m,).
    """
    import torch

    (parent, child), (mother, one, two) = links, divisions

    def joined(*parts: "torch.Tensor") -> "torch.Tensor":
        return torch.cat(parts, dim=-1)

    future = Options(joined(parent, mother), joined(*now), joined(*before))
    past = Options(joined(child, one, two), joined(*now, now[1]), joined(*before, before[1]))
    return future, past


def drift(sides: Sequence[tuple[Options, "torch.Tensor"]], cells: int) -> "torch.Tensor":
    """How far thoughts moved from those of a former network, per cell.

    Each side (pasts, futures) comes with the cells (bool) it is asked of. It is the divergence
    (Kullback-Leibler) of the chances of a cell's options now from those before, where "none of
    them" is an option too: learning without forgetting (Li & Hoiem 2018).
    """
    total = sides[0][0].energy.new_zeros(())
    for options, asked in sides:
        if asked.any():
            total = total + _moved(options, cells)[..., asked].mean()
    return total / len(sides)


def _moved(options: Options, cells: int) -> "torch.Tensor":
    now, before = (_rivals(options.cell, e, cells) for e in (options.energy, options.before))
    share = (options.before - before[..., options.cell]).exp()
    change = share * (options.before - options.energy)
    lost = change.new_zeros(now.shape).index_add(-1, options.cell, change)
    return now - before + lost


def _rivals(cell: "torch.Tensor", energy: "torch.Tensor", cells: int) -> "torch.Tensor":
    """Logarithm of all that each cell could do, (..., cells)."""
    import torch

    total = energy.new_zeros((*energy.shape[:-1], cells)).index_add(-1, cell, energy.exp())
    return torch.log1p(total)
