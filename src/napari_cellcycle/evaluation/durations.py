"""How long cells stay in each stage."""

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment


def stage_times(experiment: Experiment) -> pd.DataFrame:
    """Time that the cells spend in each stage, one row a stage in the set's order.

    Columns: `observations` (cells times frames), `hours` (those, as time), `visits` (stays of
    a track in the stage) and `median_minutes` of the visits that were seen from beginning to
    end (NaN if there is none): both neighbouring frames show the track in another stage, or a
    division. Empty without tracks and stages.
    """
    tracks, names = experiment.tracks, experiment.stages.names
    if tracks is None or "stage" not in tracks.cells:
        return pd.DataFrame(columns=["observations", "hours", "visits", "median_minutes"])
    minutes = experiment.movie.frame_interval / 60
    visits = stage_visits(experiment)
    whole = visits[visits["is_whole"]]
    seen = tracks.cells["stage"].astype(str).value_counts()
    return pd.DataFrame(
        {
            "observations": seen.reindex(names, fill_value=0),
            "hours": seen.reindex(names, fill_value=0) * minutes / 60,
            "visits": visits["stage"].value_counts().reindex(names, fill_value=0),
            "median_minutes": (whole.groupby("stage")["frames"].median() * minutes).reindex(names),
        },
        index=pd.Index(names, name="stage"),
    )


def stage_visits(experiment: Experiment) -> pd.DataFrame:
    """Unbroken stays of tracks in a stage, one row each.

    Columns: `track`, `stage`, `first` and `last` (frames), `frames` (last - first + 1) and
    `is_whole` (whether both its beginning and its end were seen).
    """
    tracks = experiment.tracks
    assert tracks is not None
    table = tracks.cells[["frame", "stage"]].assign(track=tracks.track_id)
    table = table.sort_values(["track", "frame"])
    track, stage = table["track"].to_numpy(), table["stage"].astype(str).to_numpy()
    if not len(table):
        columns = ["track", "stage", "first", "last", "frames", "is_whole"]
        return pd.DataFrame(columns=columns)
    new_track = np.r_[True, track[1:] != track[:-1]]
    begins = new_track | np.r_[True, stage[1:] != stage[:-1]]
    ends = np.r_[begins[1:], True]
    frame = table["frame"].to_numpy()
    visits = pd.DataFrame(
        {
            "track": track[begins],
            "stage": stage[begins],
            "first": frame[begins],
            "last": frame[ends],
            "frames": frame[ends] - frame[begins] + 1,
        }
    )
    starts_seen = ~new_track[begins] | visits["track"].isin(list(tracks.mothers)).to_numpy()
    last_of_track = np.r_[new_track[1:], True][ends]
    divided = visits["track"].isin(set(tracks.mothers.values())).to_numpy()
    visits["is_whole"] = starts_seen & (~last_of_track | divided)
    return visits
