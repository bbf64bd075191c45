"""Which examples are learned from and which are kept aside: whole groups, by a seed, as text."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file, writing_to

PARTS = ("train", "validation", "test")
"""Names of the parts of a split, as they stand in its file."""


class Split(NamedTuple):
    """Names of groups (a cell, a lineage, an embryo, a movie) by the part that they belong to."""

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


def deal_groups(
    group: np.ndarray, code: np.ndarray, parts: int, seed: int = 0, stages: int | None = None
) -> np.ndarray:
    """Deal whole groups into `parts` alike in size and in their mixture of stages, (n,).

    `group` (n,) and `code` (n,) are those of each example; negative codes count as no stage. The
    largest groups are dealt first, each to the part that lacks its stages most; ties and the
    order of equal groups are random.
    """
    rng = np.random.default_rng(seed)
    groups, index = np.unique(group, return_inverse=True)
    stages = stages or int(code.max(initial=0)) + 1
    counts = np.zeros((len(groups), stages))
    known = code >= 0
    np.add.at(counts, (index[known], code[known]), 1)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    order = rng.permutation(len(groups))
    order = order[np.argsort(-share[order].sum(axis=1), kind="stable")]
    held = np.zeros((parts, stages))
    part = np.zeros(len(groups), int)
    for number in order:
        cost = ((held + share[number]) ** 2).sum(axis=1) - (held**2).sum(axis=1)
        part[number] = int(np.argmin(cost + 1e-9 * rng.random(parts)))
        held[part[number]] += share[number]
    return part[index]


def kept_aside(
    group: np.ndarray, code: np.ndarray, fraction: float, seed: int = 0, stages: int | None = None
) -> np.ndarray:
    """About `fraction` of the examples as whole groups, alike in their stages, (n,) bool.

    Raises `BadInput` if there are fewer than two groups, so that nothing would be left of one part.
    """
    groups = len(np.unique(group))
    if groups < 2:
        raise BadInput(
            "All cells belong to one group (a lineage, or a cell), so none can be kept aside: name "
            "another source with --held-out, or keep nothing aside with --held-out-part 0."
        )
    parts = int(np.clip(round(1 / fraction), 2, groups))
    dealt = deal_groups(group, code, parts, seed, stages)
    wanted = fraction * len(group)
    sizes = np.bincount(dealt, minlength=parts)
    taken = int(np.argmin(np.abs(np.where(sizes > 0, sizes, 10 * len(group)) - wanted)))
    return np.asarray(dealt == taken)


def folds(group: np.ndarray, code: np.ndarray, k: int = 5, seed: int = 0) -> list[np.ndarray]:
    """The examples of each of `k` folds, (n,) bool: each is kept aside once, in whole groups.

    Raises `BadInput` if there are fewer groups than folds.
    """
    groups = len(np.unique(group))
    if groups < k:
        raise BadInput(
            f"There are {groups} groups of cells, too few for {k} folds; ask for fewer folds."
        )
    dealt = deal_groups(group, code, k, seed)
    return [dealt == number for number in range(k)]


def write_split(split: Split, path: Path) -> None:
    """Store a split as plain text: a line [train], then a name a line, and so on."""
    lines = []
    for part, names in zip(PARTS, split, strict=True):
        lines += [f"[{part}]", *sorted(names), ""]
    with writing_to(path):
        replace_file(path, "\n".join(lines))


def read_split(path: Path) -> Split:
    """Read the file that `write_split` stores.

    Raises `BadInput` if it is not there, names a part that there is not, or names a group twice.
    """
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    current = None
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The split {path} cannot be read ({error}); check the path.") from error
    for line in (line.strip() for line in lines):
        if line.startswith("[") and line.endswith("]"):
            current = found.get(line[1:-1])
        elif line and current is not None:
            current.append(line)
        if line and current is None:
            raise BadInput(
                f"{path} is no list of a split: {line!r} stands where [train], [validation] or "
                "[test] was expected."
            )
    times = Counter(name for part in found.values() for name in part)
    twice = sorted(name for name, count in times.items() if count > 1)
    if twice:
        raise BadInput(
            f"{path} names {twice[0]!r} more than once, so it would be learned from and scored "
            "on; leave one of them out."
        )
    return Split(*(tuple(part) for part in found.values()))


def parts_of(names: Sequence[str] | np.ndarray, split: Split) -> np.ndarray:
    """The part of each example by the name of its group, (n,) str; "" where the split has none."""
    part = {name: p for p, chosen in zip(PARTS, split, strict=True) for name in chosen}
    return np.array([part.get(str(name), "") for name in names], dtype="U10")
