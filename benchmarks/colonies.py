"""Simulated lineages of any size without images: what masks would have been measured as."""

from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

DIAMETER = 12.0
CYCLE = 60.0
"""Mean number of frames from birth to division."""
SPACE = 1.3
"""Mean distance of cells, in diameters, when the field is fullest."""
MISSED = 0.01
"""Share of sightings that the segmentation misses."""
LONGEST_GAP = 2


@dataclass(frozen=True)
class Colony:
    """Cells and overlaps as `measure_overlaps` gives them, and the true links (k, 2) of ids."""

    cells: pd.DataFrame
    overlaps: pd.DataFrame
    links: np.ndarray
    side: int

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.cells["frame"].iloc[-1]) + 1

    def agreement(self, links: pd.DataFrame) -> float:
        """F1 of found links."""
        width = len(self.cells) + 1
        found = links["parent"].to_numpy() * width + links["child"].to_numpy()
        right = np.isin(found, self.links @ [width, 1]).sum()
        return float(2 * right / max(len(found) + len(self.links), 1))

    def save(self, file: Path) -> None:
        """Write to an .npz file."""
        tables = {
            f"{name}.{column}": getattr(self, name)[column].to_numpy()
            for name in ("cells", "overlaps")
            for column in getattr(self, name)
        }
        np.savez(file, **tables, links=self.links, side=self.side)

    @classmethod
    def load(cls, file: Path) -> "Colony":
        """Read what `save` wrote."""
        with np.load(file) as stored:
            tables = {
                name: pd.DataFrame(
                    {k.partition(".")[2]: stored[k] for k in stored if k.startswith(f"{name}.")}
                )
                for name in ("cells", "overlaps")
            }
            links, side = stored["links"], int(stored["side"])
        tables["cells"].index = pd.RangeIndex(1, len(tables["cells"]) + 1, name="cell_id")
        return cls(tables["cells"], tables["overlaps"], links, side)


@dataclass(frozen=True)
class Living:
    """All cells alive.

    `position` and `velocity` (n, 2), `age` and `life` in frames, `size` relative to others,
    `angle` of the long axis, `light`, and in `last` the row of the cell's last sighting or,
    before the first, of its mother's (-1: none).
    """

    position: np.ndarray
    velocity: np.ndarray
    age: np.ndarray
    life: np.ndarray
    size: np.ndarray
    angle: np.ndarray
    light: np.ndarray
    last: np.ndarray

    def take(self, rows: np.ndarray) -> "Living":
        """Some of the cells, in the order of `rows`."""
        return Living(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def colony(cells: int, seed: int = 0) -> Colony:
    """A colony seen `cells` times in all: cells move, keep their distance, divide and leave.

    Ten times as many cells are five times as many a frame, in twice as many frames: 200 in 50
    frames for ten thousand, 5,000 in 200 for a million. Some sightings are missing.
    """
    rng = np.random.default_rng(seed)
    frames = 50 * 2 ** np.log10(cells / 1e4)
    founders = max(2, round(cells / frames / 1.44 / (1 - MISSED)))
    side = int(np.ceil(SPACE * DIAMETER * (2 * founders) ** 0.5))
    leaving = max(0.0, np.log(2) / CYCLE - np.log(2) / frames)
    living, seen, parts, parents = _founders(founders, side, rng), 0, [], []
    drift = rng.normal(0, 0.02 * DIAMETER, 2)
    while seen < cells:
        shown = np.flatnonzero(rng.random(len(living.age)) >= MISSED)
        shown = rng.permutation(shown)[: cells - seen]
        parts.append({"frame": np.full(len(shown), len(parts)), **_look(living, shown, side, rng)})
        parents.append(living.last[shown])
        living.last[shown] = seen + np.arange(len(shown))
        seen += len(shown)
        living = _step(living, side, leaving, drift, rng)
    columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    table = pd.DataFrame(columns, index=pd.RangeIndex(1, seen + 1, name="cell_id"))
    parent = np.concatenate(parents)
    child = np.flatnonzero(parent >= 0)
    return Colony(table, _overlaps(parts), np.column_stack([parent[child], child]) + 1, side)


def _founders(n: int, side: int, rng: np.random.Generator) -> Living:
    age = CYCLE * (1 - np.log2(1 + rng.random(n)))
    position = rng.uniform(0, side, (n, 2))
    for _ in range(20):
        position = _apart(position, side)
    return Living(
        position,
        rng.normal(0, 0.1 * DIAMETER, (n, 2)),
        age,
        np.maximum(_lives(n, rng), age + 1),
        rng.lognormal(0, 0.12, n),
        rng.uniform(0, np.pi, n),
        rng.lognormal(0, 0.3, n),
        np.full(n, -1),
    )


def _lives(n: int, rng: np.random.Generator) -> np.ndarray:
    return CYCLE * rng.lognormal(0, 0.15, n)


def _step(
    living: Living, side: int, leaving: float, drift: np.ndarray, rng: np.random.Generator
) -> Living:
    """One frame later: who is due divides, some leave, all move."""
    due = living.age >= living.life
    stays = np.flatnonzero(~due & (rng.random(len(due)) >= leaving))
    mothers = np.flatnonzero(due)
    after = living.take(np.concatenate([stays, mothers, mothers]))
    n, old, pairs = len(after.age), len(stays), len(mothers)
    axis = rng.uniform(0, 2 * np.pi, pairs)
    away = 0.4 * DIAMETER * np.column_stack([np.sin(axis), np.cos(axis)])
    after.position[old:] += np.concatenate([away, -away])
    after.angle[old:] = np.tile(axis + np.pi / 2, 2)
    after.size[old:] *= rng.lognormal(0, 0.05, 2 * pairs)
    after.age[old:] = -1
    after.life[old:] = _lives(2 * pairs, rng)
    velocity = 0.8 * after.velocity + rng.normal(0, 0.07 * DIAMETER, (n, 2))
    position = _apart(after.position + velocity + drift, side)
    return Living(
        position,
        velocity,
        after.age + 1,
        after.life,
        after.size,
        after.angle + rng.normal(0, 0.1, n),
        after.light,
        after.last,
    )


def _apart(position: np.ndarray, side: int) -> np.ndarray:
    """Push cells that lie on top of each other halfway apart, and back into the field."""
    tree = cKDTree(position)
    one, two = tree.query_pairs(0.95 * DIAMETER, output_type="ndarray").T
    step = position[two] - position[one]
    length = np.maximum(np.linalg.norm(step, axis=1), 1e-6)
    push = 0.25 * (0.95 * DIAMETER / length - 1)[:, None] * step
    push = np.clip(push, -DIAMETER, DIAMETER)
    moved = [
        np.bincount(two, push[:, i], minlength=len(position))
        - np.bincount(one, push[:, i], minlength=len(position))
        for i in range(2)
    ]
    inside = np.abs(position + np.column_stack(moved))
    return np.minimum(inside, 2 * (side - 1e-3) - inside)


def _look(
    living: Living, rows: np.ndarray, side: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The columns of `measure_frame` for the cells in `rows`."""
    cells, n = living.take(rows), len(rows)
    mitosis = (cells.age > cells.life - 3) | (cells.age < 2)
    grown = 0.75 + 0.5 * np.clip(cells.age / cells.life, 0, 1)
    area = np.pi / 4 * DIAMETER**2 * cells.size * grown * rng.lognormal(0, 0.04, n)
    area *= np.where(mitosis, 0.75, 1)
    stretch = np.where(mitosis, 1.1, 1.35) * rng.lognormal(0, 0.08, n)
    length, width = np.sqrt(area * 4 / np.pi * stretch), np.sqrt(area * 4 / np.pi / stretch)
    reach = cKDTree(cells.position).query(cells.position, k=[2])[0][:, 0] if n > 1 else np.inf
    light = 300 * cells.light * np.where(mitosis, 2.2, 1) * rng.lognormal(0, 0.05, n)
    margin = np.minimum(cells.position, side - cells.position).min(axis=1)
    return {
        "label": np.arange(1, n + 1),
        "y": cells.position[:, 0],
        "x": cells.position[:, 1],
        "area": area,
        "perimeter": 4 * np.sqrt(area / np.pi * 4) * rng.lognormal(0, 0.03, n),
        "touching": np.clip(1 - reach / DIAMETER, 0, 1) * np.ones(n),
        "length": length,
        "width": width,
        "axis_y": np.sin(cells.angle),
        "axis_x": np.cos(cells.angle),
        "fill": np.clip(rng.normal(0.97, 0.02, n), 0.5, 1),
        "at_edge": margin < DIAMETER / 2,
        "intensity_mean": 100 + light,
        "intensity_std": light * 0.2 * np.where(mitosis, 1.5, 1) * rng.lognormal(0, 0.1, n),
        "intensity_max": 100 + 1.5 * light * rng.lognormal(0, 0.05, n),
        "background": np.full(n, 100.0),
    }


def _overlaps(parts: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    """Shared pixels of discs of the cells' areas, up to `LONGEST_GAP` frames apart."""
    starts = list(accumulate((len(p["label"]) for p in parts), initial=0))
    trees = [cKDTree(np.column_stack([p["y"], p["x"]])) for p in parts]
    radius = [np.sqrt(p["area"] / np.pi) for p in parts]
    found = [np.empty((0, 3), np.int64)]
    for later in range(1, len(parts)):
        for earlier in range(max(0, later - LONGEST_GAP), later):
            near = trees[earlier].sparse_distance_matrix(
                trees[later], 2 * DIAMETER, output_type="ndarray"
            )
            shared = _lens(near["v"], radius[earlier][near["i"]], radius[later][near["j"]])
            rows = np.column_stack([near["i"] + starts[earlier], near["j"] + starts[later]])
            found.append(np.column_stack([rows, shared.astype(np.int64)])[shared >= 1])
    return pd.DataFrame(np.concatenate(found), columns=["parent", "child", "pixels"])


def _lens(apart: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Area that two discs share, from the distance of their centres and their radii."""
    apart = np.maximum(apart, 1e-6)
    first = np.clip((apart**2 + one**2 - two**2) / (2 * apart * one), -1, 1)
    second = np.clip((apart**2 + two**2 - one**2) / (2 * apart * two), -1, 1)
    corner = (one + two - apart) * (apart + one - two) * (apart - one + two) * (apart + one + two)
    sectors = one**2 * np.arccos(first) + two**2 * np.arccos(second)
    return sectors - np.sqrt(np.maximum(corner, 0)) / 2
