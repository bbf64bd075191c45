"""When cells enter mitosis, told from their stages."""

import numpy as np

from napari_cellcycle.data.stages import StageSet


def resting(stages: StageSet) -> frozenset[str]:
    """Stages outside mitosis: the first of the set, and those that nothing follows."""
    followed = {before for before, _ in stages.successions} | stages.last
    return frozenset({stages.names[0]} | (set(stages.names) - followed))


def is_mitotic(codes: np.ndarray, stages: StageSet) -> np.ndarray:
    """Whether stages, as positions in `stages` (below 0 where none is known), are of mitosis."""
    rest = resting(stages)
    mitotic = np.array([name not in rest for name in stages.names])
    return (codes >= 0) & mitotic[np.maximum(codes, 0)]


def enters_mitosis(
    codes: np.ndarray, first: np.ndarray, daughters: np.ndarray, stages: StageSet
) -> np.ndarray:
    """Whether each of many sights (n,) is the first of a mitosis.

    Sights are in the order of track and time, `codes` their stages as positions in `stages`,
    below 0 where none is known; `first` (n,) bool marks the first sight of each track, and
    `daughters` (n,) bool the tracks that were born in a division. The mitosis that a cell is
    born in does not count, and a track that begins in a stage that daughters begin with counts
    as born, with or without its mother.
    """
    newborn = np.array([name in stages.first for name in stages.names])
    divides = is_mitotic(codes, stages)
    before = np.zeros_like(divides)
    before[1:] = divides[:-1] & ~first[1:]
    just_born = first & (codes >= 0) & (newborn[np.maximum(codes, 0)] | daughters)
    return divides & ~before & ~just_born
