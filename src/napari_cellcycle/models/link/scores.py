"""What a link model says: a probability for every candidate, once rivals are heard."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.features.candidates import Candidates


@dataclass(frozen=True)
class Scores:
    """How much is thought of every candidate.

    `link` (n,) and `division` (m,) are probabilities once rivals are taken into account.
    """

    link: np.ndarray
    division: np.ndarray


def probabilities(
    candidates: Candidates, link: np.ndarray, division: np.ndarray, n_cells: int
) -> Scores:
    """Turn energies into probabilities: softmax among the rivals, on both sides.

    A cell has one parent or none, and one child, two or none. Seen from each cell that a
    candidate involves, its probability is its share among all that this cell could do; the
    geometric mean of those views is returned.
    """
    c = candidates
    mother = c.parent[c.first]
    daughters = c.child[c.first], c.child[c.second]
    e_link, e_division = (np.exp(energy, dtype=float) for energy in (link, division))

    def total(*parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        found = np.ones(n_cells)
        for cells, values in parts:
            found += np.bincount(cells, values, minlength=n_cells)
        return found

    out = np.log(total((c.parent, e_link), (mother, e_division)))
    into = np.log(total((c.child, e_link), (daughters[0], e_division), (daughters[1], e_division)))
    del e_link, e_division
    return Scores(
        np.exp(link - (out[c.parent] + into[c.child]) / 2),
        np.exp(division - (out[mother] + into[daughters[0]] + into[daughters[1]]) / 3),
    )
