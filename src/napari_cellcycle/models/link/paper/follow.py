"""From scored candidate links to lineages: the published post-processing, made a forest."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.models.link.paper.graph import Candidates


class Lineage(NamedTuple):
    """Links between rows of cells: `score` is the network's, 0 if it never saw the pair.

    `guessed` marks links to a mother that the rule of the nearest ended track gave.
    """

    parent: np.ndarray
    child: np.ndarray
    score: np.ndarray
    guessed: np.ndarray


def follow(
    frame: np.ndarray,
    centroid: np.ndarray,
    links: Candidates,
    score: np.ndarray,
    threshold: float = 0.5,
) -> Lineage:
    """Follow each cell from frame to frame, then find mothers for tracks that begin.

    Links above `threshold` are active. A cell with several goes on to the nearest, whatever
    the scores; with none its track ends. A track that begins after the first frame gets the
    nearest track that ended one frame before as its parent, at any distance.

    The published rules let two tracks run into one cell and fuse them afterwards, and give any
    number of daughters; no forest can hold that. Here the nearest of rival sources keeps the
    cell and the others end, and a mother keeps the two nearest daughters. A mother with one
    daughter is, in a forest, one and the same track.
    """
    active = np.flatnonzero(score > threshold)
    source, target = links.source[active], links.target[active]
    away = np.linalg.norm(centroid[source] - centroid[target], axis=1)
    kept = _nearest(source, away, target)
    kept = kept[_nearest(target[kept], away[kept], source[kept])]
    parent, child = source[kept], target[kept]
    mother, daughter = _mothers(frame, centroid, parent, child)
    ends = np.concatenate([parent, mother]), np.concatenate([child, daughter])
    values = np.concatenate([score[active][kept], _score_of(mother, daughter, links, score)])
    guessed = np.repeat([False, True], [len(parent), len(mother)])
    rows = np.lexsort((ends[1], ends[0]))
    return Lineage(ends[0][rows], ends[1][rows], values[rows], guessed[rows])


def _score_of(
    parent: np.ndarray, child: np.ndarray, links: Candidates, score: np.ndarray
) -> np.ndarray:
    """Score of the candidates that join `parent` and `child`; 0 where there is none."""
    found = np.zeros(len(parent))
    if not len(score):
        return found
    width = 1 + max(int(links.target.max()), int(child.max(initial=0)))
    code, wanted = links.source * width + links.target, parent * width + child
    order = np.argsort(code)
    place = order[np.minimum(np.searchsorted(code, wanted, sorter=order), len(code) - 1)]
    seen = code[place] == wanted
    found[seen] = score[place[seen]]
    return found


def _nearest(group: np.ndarray, away: np.ndarray, tie: np.ndarray) -> np.ndarray:
    """The place of the least `away` of each group, equals by the lesser `tie`."""
    order = np.lexsort((tie, away, group))
    return order[np.unique(group[order], return_index=True)[1]]


def _mothers(
    frame: np.ndarray, centroid: np.ndarray, parent: np.ndarray, child: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ended cells and of the beginning ones they are taken for the mothers of."""
    ends, begins = np.ones(len(frame), bool), np.ones(len(frame), bool)
    ends[parent] = begins[child] = False
    found = [np.empty((2, 0), np.int64)]
    for time in range(1, int(frame.max(initial=0)) + 1):
        old = np.flatnonzero(ends & (frame == time - 1))
        new = np.flatnonzero(begins & (frame == time))
        if len(old) and len(new):
            away, place = cKDTree(centroid[old]).query(centroid[new])
            order = np.lexsort((new, away, place))
            first = np.searchsorted(place[order], place[order])
            two = order[np.arange(len(order)) - first < 2]
            found.append(np.stack([old[place[two]], new[two]]))
    mother, daughter = np.concatenate(found, 1)
    return mother, daughter
