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


def stage_visits(experiment: Experiment, *, through_divisions: bool = False) -> pd.DataFrame:
    """Unbroken stays of tracks in a stage, one row each.

    Columns: `track`, `stage`, `first` and `last` (frames), `frames` (last - first + 1),
    `is_whole` (whether both its beginning and its end were seen), `begins` ("change", "birth",
    "start of the movie" or "came into view") and `ends` ("change", "division", "end of the movie"
    or "lost from view"). A cell that comes into view or is lost from it does so at the border of
    the field, or where tracking failed. With `through_divisions`, a stage that goes on from a
    mother to her daughters is one stay of each daughter, and none of the mother.
    """
    tracks = experiment.tracks
    assert tracks is not None
    table = tracks.cells[["frame", "stage"]].assign(track=tracks.track_id)
    table = table.sort_values(["track", "frame"])
    track, stage = table["track"].to_numpy(), table["stage"].astype(str).to_numpy()
    if not len(table):
        columns = ["track", "stage", "first", "last", "frames", "is_whole", "begins", "ends"]
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
    first_of_track, last_of_track = new_track[begins], np.r_[new_track[1:], True][ends]
    born = visits["track"].isin(list(tracks.mothers)).to_numpy()
    divided = visits["track"].isin(set(tracks.mothers.values())).to_numpy()
    visits["is_whole"] = (~first_of_track | born) & (~last_of_track | divided)
    at_start = visits["first"].to_numpy() == 0
    at_end = visits["last"].to_numpy() == len(experiment.movie) - 1
    visits["begins"] = np.select(
        [~first_of_track, born, at_start],
        ["change", "birth", "start of the movie"],
        "came into view",
    )
    visits["ends"] = np.select(
        [~last_of_track, divided, at_end],
        ["change", "division", "end of the movie"],
        "lost from view",
    )
    return _joined(visits, tracks.mothers) if through_divisions else visits


def _joined(visits: pd.DataFrame, mothers: dict[int, int]) -> pd.DataFrame:
    """Let stays that go on in a daughter begin where that of her oldest ancestor in it began."""
    last = visits[visits["ends"] == "division"]
    mother = visits["track"].map(mothers).where(visits["begins"] == "birth")
    before = mother.map(pd.Series(last.index, index=last["track"])).fillna(-1).to_numpy(np.int64)
    stage = visits["stage"].to_numpy()
    goes_on = (before >= 0) & (stage[before] == stage)
    source = np.where(goes_on, before, np.arange(len(visits)))
    while (source != source[source]).any():
        source = source[source]
    joined = visits.assign(
        first=visits["first"].to_numpy()[source], begins=visits["begins"].to_numpy()[source]
    )
    joined["frames"] = joined["last"] - joined["first"] + 1
    begun = joined["begins"].isin(["change", "birth"])
    joined["is_whole"] = begun & joined["ends"].isin(["change", "division"])
    return joined.drop(index=np.unique(before[goes_on])).reset_index(drop=True)
