"""Which fields of view are learned from, which choose the model and which score it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.cellular import Field
from napari_cellcycle.io.cellular_settings import SPLITS, SplitSettings


def split_fields(fields: Sequence[Field], settings: SplitSettings) -> dict[str, str]:
    """The split ("train", "valid" or "test") of each field, by its name.

    By chance, wells are split, not fields: sites and times of a well are alike.

    Raises
    ------
    BadInput
        Nothing to learn from, a field in two splits, an expression that cannot be read, or a list
        that is missing, lacks fields or names others.
    """
    if settings.split_by == "random":
        found = _by_chance(fields, settings)
    elif settings.split_by == "list":
        found = _by_list(fields, settings.split_list)
    else:
        found = _by_name(fields, settings)
    if "train" not in found.values():
        raise BadInput(
            f"None of the {len(found)} fields is left to learn from, as all of them are kept aside "
            "for choosing or scoring: change what the split looks for."
        )
    return found


def _by_name(fields: Sequence[Field], settings: SplitSettings) -> dict[str, str]:
    patterns = {"valid": settings.valid, "test": settings.test}
    if settings.split_by == "names":
        patterns = {split: re.escape(text) for split, text in patterns.items()}
    compiled = {split: _expression(text) for split, text in patterns.items() if text}
    found = {}
    for field in fields:
        splits = [split for split, pattern in compiled.items() if pattern.search(field.name)]
        if len(splits) > 1:
            raise BadInput(
                f"The field {field.name} matches both {settings.valid!r} and {settings.test!r}, so "
                "it would both choose the model and score it: look for something else."
            )
        found[field.name] = splits[0] if splits else "train"
    return found


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadInput(
            f"{text!r} is no regular expression ({error}); mend it, or split by plain text."
        ) from error


def _by_list(fields: Sequence[Field], file: Path | None) -> dict[str, str]:
    if file is None or not Path(file).is_file():
        raise BadInput(
            f"There is no list {file or 'given'}; give a table (CSV) with the columns field and "
            "split."
        )
    try:
        table = pd.read_csv(file, dtype=str, skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise BadInput(
            f"{file} cannot be read as a table ({type(error).__name__}); expected CSV with the "
            "columns field and split."
        ) from error
    if not {"field", "split"} <= set(table.columns):
        raise BadInput(
            f"{file} has the columns {', '.join(map(str, table.columns))}, but field and split are "
            "expected: add them as its first line."
        )
    listed = dict(zip(table["field"], table["split"], strict=True))
    _check_list(listed, table["field"], [field.name for field in fields], file)
    return {field.name: listed[field.name] for field in fields}


def _check_list(
    listed: Mapping[str, str], column: "pd.Series[str]", names: Sequence[str], file: Path
) -> None:
    twice = column[column.duplicated()].tolist()
    wrong = [split for split in listed.values() if split not in SPLITS]
    other = [name for name in listed if name not in set(names)]
    lacking = [name for name in names if name not in listed]
    problem = (
        (twice and f"names the field {twice[0]} twice")
        or (wrong and f"has the split {wrong[0]!r}, but train, valid or test is expected")
        or (other and f"names the field {other[0]}, which has no masks")
        or (lacking and f"lacks {len(lacking)} of the fields, such as {lacking[0]}")
    )
    if problem:
        raise BadInput(f"The list {file} {problem}: correct the list.")


def _by_chance(fields: Sequence[Field], settings: SplitSettings) -> dict[str, str]:
    wells = sorted({field.well for field in fields})
    order = np.random.default_rng(settings.split_seed).permutation(len(wells))
    counts = [
        max(1, round(part * len(wells))) if part else 0
        for part in (settings.valid_part, settings.test_part)
    ]
    if sum(counts) >= len(wells):
        raise BadInput(
            f"The fields are of {len(wells)} wells, too few to keep {sum(counts)} aside and learn "
            "from others: split by name or by a list, or keep fewer aside."
        )
    ends = np.cumsum(counts)
    split = {
        wells[well]: "valid" if place < ends[0] else "test" if place < ends[1] else "train"
        for place, well in enumerate(order)
    }
    return {field.name: split[field.well] for field in fields}
