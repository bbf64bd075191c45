"""The table of cells that people open in a spreadsheet or in R."""

from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file, writing_to


def cell_table(experiment: Experiment) -> pd.DataFrame:
    """Give one row per cell and frame, in the order of track and frame.

    Columns: `cell_id`, `track_id`, `mother_track` and `generation` (founders: no mother, 0),
    `lineage` (the founder's track), `divides` (whether this is a mother's last frame), `frame`,
    `time_min` (minutes since the first frame), `x_um`, `y_um` and in 3D `z_um` (micrometres),
    `x_px`, `y_px`, `z_px`, `label`, the cell before it `parent_id` with `link_score` and
    `link_by`, then the measurements, and once classified `stage`, one probability `p_<stage>` a
    stage, what the network saw in the frame alone (`seen_<stage>`), and last `by`.

    Raises
    ------
    BadInput
        The cells have not been tracked yet.
    """
    tracks = experiment.tracks
    if tracks is None:
        raise BadInput("There are no tracks yet, and the table is made from them: track first.")
    movie = experiment.movie
    cells = tracks.cells
    track = tracks.track_id.loc[cells.index].to_numpy()
    ancestry = _ancestry(tracks, track).loc[track]
    table = pd.DataFrame(
        {
            "cell_id": cells.index.to_numpy(),
            "track_id": track,
            "mother_track": ancestry["mother"].to_numpy(),
            "generation": ancestry["generation"].to_numpy(),
            "lineage": ancestry["lineage"].to_numpy(),
            "divides": cells.index.isin(tracks.divisions),
            "frame": cells["frame"].to_numpy(),
            "time_min": cells["frame"].to_numpy() * movie.frame_interval / 60,
        }
    )
    table["mother_track"] = table["mother_track"].astype("Int64")
    size = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    for axis in reversed(tracks.axes):
        table[f"{axis}_um"] = cells[axis].to_numpy() * size[axis]
    for axis in reversed(tracks.axes):
        table[f"{axis}_px"] = cells[axis].to_numpy()
    table["label"] = cells["label"].to_numpy()
    link = tracks.links.set_index("child").reindex(cells.index)
    table["parent_id"] = link["parent"].astype("Int64").array
    table["link_score"], table["link_by"] = link["score"].array, link["by"].array
    taken = {*table.columns, *tracks.axes}
    named = [name for name in ("stage",) if name in cells]
    odds = [name for start in ("p_", "seen_") for name in cells if str(name).startswith(start)]
    rest = [name for name in cells if name not in {*taken, *named, *odds, "by"}]
    for name in (*rest, *named, *odds, "by"):
        table[name] = cells[name].array
    return table.sort_values(["track_id", "frame"], ignore_index=True)


def write_cell_table(experiment: Experiment, path: str | Path) -> None:
    """Write the table of cells as CSV (UTF-8, point as decimal sign), whole or not at all.

    Raises
    ------
    BadInput
        The cells have not been tracked yet.
    CannotWrite
        The disk refuses; what `path` held is still there.
    """
    path = Path(path).expanduser()
    text = cell_table(experiment).to_csv(index=False, lineterminator="\n", float_format="%.7g")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)


def _ancestry(tracks: Tracks, track: np.ndarray) -> pd.DataFrame:
    """Mother, generation and founder of every track, indexed by track."""
    known = np.unique(track)
    mother = pd.Series(known, known).map(tracks.mothers)
    found = pd.DataFrame({"mother": mother, "generation": 0, "lineage": known}, index=known)
    above = mother
    while above.notna().any():
        found.loc[above.notna(), "generation"] += 1
        found["lineage"] = above.where(above.notna(), found["lineage"])
        above = above.map(tracks.mothers)
    return found.astype({"lineage": np.int64})
