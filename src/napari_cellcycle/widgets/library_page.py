"""What is shown of a model, and of two, in plain words: pages of rich text."""

from collections.abc import Iterable
from html import escape
from typing import Any

from napari_cellcycle.models.library import Entry
from napari_cellcycle.models.library_cards import (
    Comparison,
    Difference,
    card_in_words,
    compare_cards,
    number_in_words,
)
from napari_cellcycle.models.store import ModelCard

STEPS = {"segment": "Segment", "link": "Track", "stage": "Classify"}
EMPTY = "<p>Choose a model to see what is known of it.</p>"
_SMALL_PRINT = ("Conditions", "Kind", "Command", "File", "Software", "Settings")
_MOST = 60


def page_of(entry: Entry, folder: str | None) -> str:
    """What the card of a model says: what matters first, the small print last."""
    told = card_in_words(entry.model, folder, used=entry.used)
    told.sort(key=lambda each: each[0] in _SMALL_PRINT)
    origin = "came with the package" if entry.shipped else "your own"
    head = (
        f"<h3>{escape(entry.model.card.name)}</h3><p>{STEPS[entry.model.card.kind]}, {origin}</p>"
    )
    rows = "".join(
        f"<tr><td><b>{escape(title)}</b></td><td>{_lines(t)}</td></tr>" for title, t in told
    )
    return f'{head}<table cellspacing="0" cellpadding="4">{rows}</table>'


def page_of_two(one: ModelCard, other: ModelCard) -> str:
    """What two models differ in."""
    found = compare_cards(one, other)
    head = f"<h3>{escape(one.name)} and {escape(other.name)}</h3>"
    return head + "".join(_parts(found)) or head


def _parts(found: Comparison) -> Iterable[str]:
    one, other = found.one, found.other
    if one.kind != other.kind:
        yield f"<p>One is for {STEPS[one.kind]}, the other for {STEPS[other.kind]}.</p>"
    if found.scores:
        yield _table("Scores on what was kept aside", found.scores, one, other)
        if not found.same_measure:
            yield (
                "<p>⚠ They were not measured on the same data, so they tell little beside each "
                "other.</p>"
            )
    data = (
        (f"Only {one.name} learned from", found.data_one),
        (f"Only {other.name} learned from", found.data_other),
        ("Both learned from", found.data_both),
    )
    for title, names in data:
        if names:
            yield f"<p><b>{escape(title)}</b><br>{_lines(chr(10).join(names))}</p>"
    if found.settings:
        yield _table("Settings that differ", found.settings, one, other)


def _table(title: str, rows: list[Difference], one: ModelCard, other: ModelCard) -> str:
    head = (
        f"<tr><td></td><td><b>{escape(one.name)}</b></td><td><b>{escape(other.name)}</b></td></tr>"
    )
    body = "".join(
        f"<tr><td>{escape(row.name)}</td><td>{_value(row.one)}</td><td>{_value(row.other)}</td></tr>"
        for row in rows
    )
    return (
        f'<p><b>{escape(title)}</b></p><table cellspacing="0" cellpadding="4">{head}{body}</table>'
    )


def _value(value: Any) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    text = number_in_words(value)
    return escape(text if len(text) <= _MOST else text[: _MOST - 1] + "…")


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.splitlines())
