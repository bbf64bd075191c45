"""Finding rows of the table of tracks by what is written in a search line."""

import re

import numpy as np
import pandas as pd

from napari_cellcycle.data.track_table import columns_of
from napari_cellcycle.errors import BadInput

_COMPARED: dict[str, np.ufunc] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}
_CONDITION = re.compile(r"^(?P<name>[^<>=!]+?)\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<value>\S+)$")


def rows_found(table: pd.DataFrame, words: str) -> np.ndarray:
    """Which rows, (m,) bool, `words` ask for.

    Conditions stand apart by semicolons, and all must hold: a number, for the track and its mother
    and daughters; "divides" or "confirmed", or "not divides"; or a column, by name or title, with
    a number, such as "hours > 20" or "lowest link < 0.5"; a title goes without its unit as well.
    Raises `BadInput` for anything else.
    """
    found = np.ones(len(table), bool)
    for part in words.lower().split(";") if len(table) else ():
        if condition := part.strip():
            found &= _holds(table, condition)
    return found


def _holds(table: pd.DataFrame, condition: str) -> np.ndarray:
    if condition.isdigit():
        number = int(condition)
        near = (table["track"] == number) | (table["mother"] == number)
        born = [condition in daughters.split() for daughters in table["daughters"]]
        return np.asarray(near, bool) | np.array(born, bool)
    named = _named(table)
    yes = condition.removeprefix("not ")
    if yes in named:
        column = table[named[yes]].to_numpy()
        there = column.astype(str) != "" if column.dtype == object else np.nan_to_num(column) != 0
        return np.asarray(there, bool) != (yes != condition)
    asked = _CONDITION.match(condition)
    name = named.get(asked["name"].strip()) if asked else None
    if asked is None or name is None or not pd.api.types.is_numeric_dtype(table[name]):
        raise BadInput(
            f"'{condition}' is not understood: write the number of a cell, or a column and a "
            "number, such as: hours > 20"
        )
    try:
        value = float(asked["value"])
    except ValueError as error:
        raise BadInput(f"'{asked['value']}' is no number: write, such as, hours > 20") from error
    values = table[name].to_numpy(float)
    return np.asarray(_COMPARED[asked["sign"]](values, value), bool) & ~np.isnan(values)


def _named(table: pd.DataFrame) -> dict[str, str]:
    """Columns by all that they can be called."""
    columns = columns_of(table)
    short = {column.title.lower().split(",")[0]: column.name for column in columns}
    whole = {column.title.lower(): column.name for column in columns}
    return short | whole | {column.name: column.name for column in columns}
