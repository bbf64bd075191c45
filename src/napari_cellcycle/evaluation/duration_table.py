"""How long stages and divisions last, with stays that were not seen whole kept apart."""

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.durations import stage_visits

LONGEST_MITOSIS = 240.0
"""Minutes; a stage whose usual longest duration is longer is none of mitosis."""

DURATION_COLUMNS = [
    "visits_whole",
    "visits_cut",
    "median_min",
    "lower_quartile_min",
    "upper_quartile_min",
    "kaplan_meier_median_min",
    "kaplan_meier_visits",
]


def visit_table(experiment: Experiment) -> pd.DataFrame:
    """Every stay in a stage, in the order of track and time, as it is written to a file.

    Columns: `track`, `stage`, `first_frame`, `last_frame`, `start_min`, `duration_min`,
    `is_whole`, `begins`, `ends` (see `stage_visits`). Raises `BadInput` without stages.
    """
    visits = _visits(experiment)
    minutes = experiment.movie.frame_interval / 60
    return pd.DataFrame(
        {
            "track": visits["track"],
            "stage": visits["stage"],
            "first_frame": visits["first"],
            "last_frame": visits["last"],
            "start_min": visits["first"] * minutes,
            "duration_min": visits["frames"] * minutes,
            "is_whole": visits["is_whole"],
            "begins": visits["begins"],
            "ends": visits["ends"],
        }
    )


def duration_table(experiment: Experiment) -> pd.DataFrame:
    """Durations of each stage of the set, one row a stage.

    Median and quartiles are those of the stays that were seen from beginning to end
    (`visits_whole`); those cut off by an end of the movie or by the field of view are only
    counted (`visits_cut`), so the median leans to short stays where many are cut. The
    Kaplan-Meier median also uses the stays whose beginning was seen but not their end; it is
    NaN where fewer than half of them are known to have ended. Raises `BadInput` without stages.
    """
    visits = visit_table(experiment)
    rows = {}
    for name in experiment.stages.names:
        own = visits[visits["stage"] == name]
        whole = own.loc[own["is_whole"], "duration_min"]
        begun = own[own["begins"].isin(["change", "birth"])]
        curve = survival(begun["duration_min"].to_numpy(), begun["is_whole"].to_numpy(bool))
        half = curve.loc[curve["share"] <= 0.5, "duration"]
        quartiles = whole.quantile([0.5, 0.25, 0.75]).tolist()
        median = float(half.iloc[0]) if len(half) else np.nan
        rows[name] = (len(whole), len(own) - len(whole), *quartiles, median, len(begun))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=DURATION_COLUMNS)
    return table.rename_axis("stage")


def survival(duration: np.ndarray, is_whole: np.ndarray) -> pd.DataFrame:
    """Share of stays that last longer than a duration, after Kaplan and Meier (1958).

    `duration` (n,) in any unit; those that are not whole lasted at least as long. One row a
    duration at which stays ended, after one at 0: `duration`, `share`, and its 95 per cent
    bounds `low` and `high` (Greenwood's formula on the log-log scale).
    """
    times = np.unique(duration[is_whole])
    at_risk = (duration[:, None] >= times).sum(axis=0)
    ended = (duration[is_whole][:, None] == times).sum(axis=0)
    share = np.cumprod(1 - ended / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(ended / (at_risk * (at_risk - ended)))
        spread = 1.96 * np.sqrt(variance) / np.log(share)
        low, high = share ** np.exp(-spread), share ** np.exp(spread)
    low, high = np.where(share > 0, low, 0.0), np.where(share > 0, high, 0.0)
    columns = {"duration": times, "share": share, "low": low, "high": high}
    start = pd.DataFrame({"duration": [0.0], "share": [1.0], "low": [1.0], "high": [1.0]})
    return pd.concat([start, pd.DataFrame(columns, dtype=float)], ignore_index=True)


def mitotic_stages(stages: StageSet) -> tuple[str, ...]:
    """Stages that a cell only goes through around a division: short ones that lead on."""
    leads_on = {before for before, _ in stages.successions} | stages.last
    return tuple(
        stage.name
        for stage in stages.stages
        if stage.name in leads_on and stage.duration[1] <= LONGEST_MITOSIS
    )


def mitosis_table(experiment: Experiment) -> pd.DataFrame:
    """Timing of every division, one row each, in the order of frames.

    `track` (of the mother), `last_frame` (the mother's), `daughters`, `onset_min` (from the
    start of the movie), `before_division_min` (from the onset of mitosis to the first frame of
    the daughters), `after_division_min` (from there to the end of mitosis, mean of the
    daughters who are seen to end it), `mitosis_min` (both), `is_whole`, and `<stage>_min` for
    each mitotic stage (the mother's time in it plus the daughters' mean). What was not seen is
    NaN: an onset before the mother was first seen, the end of a daughter's mitosis that lies
    after she was last seen; a mother without mitosis has 0 min before the division. Where
    `is_whole` is false, the time in each stage is the least it can be. Raises `BadInput` without
    stages.
    """
    _visits(experiment)
    tracks, minutes = experiment.tracks, experiment.movie.frame_interval / 60
    assert tracks is not None
    names = mitotic_stages(experiment.stages)
    stage = tracks.cells["stage"].astype(str)
    cells = pd.DataFrame({"frame": tracks.cells["frame"], "track": tracks.track_id, "stage": stage})
    cells["rests"] = ~stage.isin(names)
    daughters = _daughters(cells, pd.Series(tracks.mothers, dtype=np.int64))
    before = _before_division(cells, daughters["mother"].unique())
    group = daughters.groupby("mother")
    born = group["born"].min()
    last = cells.groupby("track")["frame"].max().reindex(born.index)
    rested = cells[cells["rests"]].groupby("track").size().reindex(born.index)
    onset = before.groupby("track")["frame"].min().reindex(born.index)
    onset = onset.fillna(born).where(rested.notna())
    after = (daughters["ends"] - daughters["born"]).groupby(daughters["mother"]).mean()
    table = pd.DataFrame(
        {
            "last_frame": last,
            "daughters": group["track"].agg(lambda own: " ".join(map(str, sorted(own)))),
            "onset_min": onset * minutes,
            "before_division_min": (born - onset) * minutes,
            "after_division_min": after * minutes,
        }
    )
    table["mitosis_min"] = table["before_division_min"] + table["after_division_min"]
    table["is_whole"] = table["mitosis_min"].notna()
    for name in names:
        time = _time_in(name, before, cells, daughters).reindex(table.index, fill_value=0)
        table[f"{name.replace(' ', '_')}_min"] = time * minutes
    table = table.rename_axis("track").reset_index()
    return table.sort_values(["last_frame", "track"], ignore_index=True)


def _daughters(cells: pd.DataFrame, mother: pd.Series) -> pd.DataFrame:
    """Mother, first frame and first frame after mitosis (NaN: not seen) of each daughter."""
    born = cells.groupby("track")["frame"].min()
    ends = cells[cells["rests"]].groupby("track")["frame"].min()
    columns = {"mother": mother, "track": mother.index}
    columns |= {"born": born.reindex(mother.index), "ends": ends.reindex(mother.index)}
    return pd.DataFrame(columns)


def _before_division(cells: pd.DataFrame, mothers: np.ndarray) -> pd.DataFrame:
    """Cells of mothers after the last frame in which each of them was not in mitosis."""
    rested = cells[cells["rests"]].groupby("track")["frame"].max()
    own = cells[cells["track"].isin(mothers)]
    return own[own["frame"] > own["track"].map(rested).fillna(-1)]


def _time_in(
    name: str, before: pd.DataFrame, cells: pd.DataFrame, daughters: pd.DataFrame
) -> pd.Series:
    """Frames in one stage around each division: the mother's and the mean of her daughters."""
    until = cells["track"].map(daughters["ends"]).fillna(np.inf)
    is_daughter = cells["track"].isin(daughters.index)
    early = cells[is_daughter & (cells["frame"] < until) & (cells["stage"] == name)]
    later = early["track"].map(daughters["mother"]).value_counts() / 2
    own = before.loc[before["stage"] == name, "track"].value_counts()
    return own.add(later, fill_value=0)


def _visits(experiment: Experiment) -> pd.DataFrame:
    tracks = experiment.tracks
    if tracks is None or "stage" not in tracks.cells:
        raise BadInput("The cells have no stages yet, and durations are made from them: classify.")
    return stage_visits(experiment, through_divisions=True)
