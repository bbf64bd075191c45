"""Tables as plain arrays that can be changed, and the arrays as such tables again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.changes import Table

_WHOLE = 2.0**53
"""Whole numbers below this are exact as floats."""


class Form:
    """How a table was: the types of its columns, what was missing, and the order of its rows.

    `ids` (n,) name its rows, `exact` the columns of whole numbers that stay whole; others become
    floats, as what is measured anew is seldom whole.
    """

    def __init__(self, table: pd.DataFrame, ids: np.ndarray, exact: Sequence[str]) -> None:
        self._ids = np.asarray(ids, np.int64)
        self._ascending = bool((np.diff(self._ids) > 0).all())
        self._exact = set(exact)
        self._types = {str(name): column.dtype for name, column in table.items()}
        self._missing: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        """By column: ids of the rows that lack a text, and what stood there instead."""

    def __contains__(self, name: str) -> bool:
        return name in self._types

    def arrays(self, table: pd.DataFrame) -> Table:
        """The columns of the table by ascending id: numbers, or objects with "" for no text."""
        order = np.argsort(self._ids, kind="stable")
        return {str(name): self._plain(str(name), column)[order] for name, column in table.items()}

    def _plain(self, name: str, column: pd.Series) -> np.ndarray:
        kind, missing = column.dtype, column.isna().to_numpy()
        if isinstance(kind, np.dtype) and kind.kind in "bf":
            return column.to_numpy()
        if pd.api.types.is_numeric_dtype(kind):
            if missing.any():
                return column.to_numpy(float, na_value=np.nan)
            whole: Any = getattr(kind, "numpy_dtype", kind)
            values = column.to_numpy(whole)
            inexact = values.dtype.kind in "iu" and name not in self._exact
            return values.astype(float) if inexact and _fit_floats(values) else values
        values = column.astype(object).to_numpy(object, copy=True)
        self._missing[name] = self._ids[missing], values[missing]
        values[missing] = ""
        return values

    def table(self, ids: np.ndarray, arrays: Table) -> pd.DataFrame:
        """A table of `arrays`, whose rows are those of `ids` (m,), ascending; these are its index.

        Types are as they were, wherever the values allow it. Rows that were there before are in
        their former order, others follow.
        """
        columns = {name: self._restored(name, values, ids) for name, values in arrays.items()}
        table = pd.DataFrame(columns, index=pd.Index(ids))
        if self._ascending and np.isin(ids, self._ids).all():
            return table
        place = pd.Index(self._ids).get_indexer(table.index)
        order = np.argsort(np.where(place >= 0, place, len(self._ids)), kind="stable")
        return table.iloc[order]

    def _restored(self, name: str, values: np.ndarray, ids: np.ndarray) -> Any:
        kind = self._types.get(name)
        if name in self._missing:
            values = self._with_missing(values, ids, *self._missing[name])
        if kind is None or kind == values.dtype != object:
            return values
        if isinstance(kind, pd.CategoricalDtype):
            kind = _widened(kind, values)
        is_text = isinstance(kind, pd.StringDtype) or pd.api.types.is_object_dtype(kind)
        if values.dtype == object and not is_text:
            values = values.copy()
            values[values == ""] = None
        try:
            return pd.Series(values, pd.Index(ids), dtype=kind)
        except (TypeError, ValueError):  # it has other values now than this type can hold
            return values

    def _with_missing(
        self, values: np.ndarray, ids: np.ndarray, lacking: np.ndarray, instead: np.ndarray
    ) -> np.ndarray:
        place = pd.Index(lacking).get_indexer(pd.Index(ids))
        still = (place >= 0) & (values == "")
        if not still.any():
            return values
        values = values.copy()
        values[still] = instead[place[still]]
        return values


def _fit_floats(values: np.ndarray) -> bool:
    return not len(values) or max(abs(float(values.min())), abs(float(values.max()))) < _WHOLE


def _widened(kind: pd.CategoricalDtype, values: np.ndarray) -> pd.CategoricalDtype:
    """A type of categories that holds all of `values`; "" is none of them."""
    new = set(values[~pd.isna(values)].tolist()) - {"", *kind.categories}
    return pd.CategoricalDtype([*kind.categories, *sorted(new)], kind.ordered) if new else kind
