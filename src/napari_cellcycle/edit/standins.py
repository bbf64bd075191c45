"""How likely links are that no tracker has looked at, such as those of a cell drawn by hand."""

import numpy as np

from napari_cellcycle.data.draft import Draft

_NEAREST = 3
_REACH = 0.6
"""Distance, in diameters of a cell and per frame, at which a link is a third as likely."""
_SUREST = 0.9
_GAP = 0.5
"""How much less likely a link is for every frame that a cell was not seen in."""


def stand_ins(draft: Draft, cells: np.ndarray, max_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Links (k, 2) of `cells` to their nearest of up to `max_gap` frames, and their chances (k,).

    Only the distance counts: exp(-(distance / 0.6 diameters)^2), halved for each missed frame.
    """
    frames = draft.column("frame")
    place = np.column_stack([draft.column(axis) for axis in draft.axes])
    size = np.ones(len(draft.axes)) if draft.pixel_size is None else np.array(draft.pixel_size)
    found, chance = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for cell in cells.tolist():
        row = draft.row(cell)
        unit = _diameter(draft, row)
        for gap in (g for n in range(1, max_gap + 1) for g in (-n, n)):
            there = np.flatnonzero(frames == frames[row] + gap)
            away = np.linalg.norm((place[there] - place[row]) * size, axis=1) / unit
            near = np.argsort(away, kind="stable")[:_NEAREST]
            other = draft.ids[there[near]]
            ends = (np.full(len(near), cell), other)
            found.append(np.column_stack(ends if gap > 0 else ends[::-1]))
            fit = np.exp(-((away[near] / (_REACH * abs(gap) ** 0.5)) ** 2))
            chance.append(_SUREST * fit * _GAP ** (abs(gap) - 1))
    return np.concatenate(found), np.concatenate(chance)


def _diameter(draft: Draft, row: int) -> float:
    """Diameter in um of the ball as large as a cell; of a usual one where that is not known."""
    if "area" not in draft.names or not draft.column("area")[row] > 0:
        return 20.0 if draft.pixel_size is None else 20.0 * draft.pixel_size[-1]
    area = float(draft.column("area")[row])
    return (4 * area / np.pi) ** 0.5 if len(draft.axes) == 2 else (6 * area / np.pi) ** (1 / 3)
