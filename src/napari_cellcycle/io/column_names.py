"""What programs call the columns of a table of tracked cells, and the properties of a graph."""

import re
from collections.abc import Hashable, Iterable, Mapping

from napari_cellcycle.errors import BadInput

NAMES = {
    "cell_id": ("cell_id", "id", "node_id", "spot_id", "object_id"),
    "frame": ("frame", "t", "time", "frames", "time_point", "timepoint", "tp", "position_t"),
    "z": ("z", "z_px", "pos_z", "position_z", "centroid_z", "coords_z"),
    "y": ("y", "y_px", "pos_y", "position_y", "centroid_y", "coords_y"),
    "x": ("x", "x_px", "pos_x", "position_x", "centroid_x", "coords_x"),
    "z_um": ("z_um", "z_micron", "z_microns"),
    "y_um": ("y_um", "y_micron", "y_microns"),
    "x_um": ("x_um", "x_micron", "x_microns"),
    "label": ("label", "seg_id", "segmentation_id", "label_id", "mask_id", "mask"),
    "track": ("track_id", "track", "tracklet_id", "tracklet", "trackid", "particle"),
    "mother": ("mother_track", "parent_track_id", "parent_track", "mother", "mother_track_id"),
    "parent": ("parent_id", "parent", "parent_cell", "parent_cell_id", "parent_node"),
    "score": ("link_score", "edge_score", "edge_prob", "link_probability"),
    "link_by": ("link_by",),
    "by": ("by",),
    "stage": ("stage", "cell_stage", "phase", "cell_cycle_stage", "cell_cycle_phase"),
    "pinned": ("pinned", "pinned_stage"),
}  # fmt: skip
"""The names that a thing may have, best first; case and signs between words do not matter."""


def recognised(
    columns: Iterable[Hashable],
    given: Mapping[str, str] | None = None,
    wanted: Iterable[str] = tuple(NAMES),
) -> dict[str, str]:
    """Find the column of each thing in `wanted`: as `given`, else by the names it usually has.

    No column is taken twice. Raises `BadInput` if a given one is not there or names a thing that
    is not known.
    """
    there = [str(name) for name in columns]
    found: dict[str, str] = {}
    for thing, name in (given or {}).items():
        if thing not in NAMES:
            raise BadInput(f"There is nothing called {thing!r} to find; choose of {_list(NAMES)}.")
        if name not in there:
            raise BadInput(
                f"There is no column {name!r} for {thing!r}; the columns are {_list(there)}."
            )
        found[thing] = name
    plain: dict[str, str] = {}
    for name in there:
        if name not in found.values():
            plain.setdefault(_plain(name), name)
    for thing in wanted:
        if thing in found:
            continue
        named = next((plain[name] for name in NAMES[thing] if name in plain), None)
        if named is not None and named not in found.values():
            found[thing] = named
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    more = ", ..." if len(shown) > 20 else ""
    return ", ".join(map(str, shown[:20])) + more
