"""What cards tell: where a model comes from, what two differ in, and all of it in plain words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellcycle.models.library import parent_of
from napari_cellcycle.models.store import Ancestor, Model, ModelCard

DOES = {
    "segment": "finds cells",
    "link": "follows cells over time",
    "stage": "tells the stage of cells",
}
_MOST_ANCESTORS = 100
_BEFORE = ", before"
_HEADLINES = ("AP 0.5", "link F1", "macro_f1", "SEG", "f1", "links", "DET")
"""Of the figures on a card, the one that says most, by what the model does."""


def ancestry(base: ModelCard) -> list[Ancestor]:
    """The `history` of a model that is taught from `base`."""
    first = Ancestor(name=base.name, created=base.created, data=base.data)
    return [first, *base.history][:_MOST_ANCESTORS]


def lineage(card: ModelCard, folder: str | Path | None = None) -> list[Ancestor]:
    """The models that this one goes back to, the one it was taught from first.

    Of those that are not there any more, what the cards of the others tell; a name at least.
    """
    found: list[Ancestor] = []
    names = {card.name}
    while card.parent is not None and len(found) < _MOST_ANCESTORS:
        parent = parent_of(card, folder)
        if parent is None:
            return [*found, *(card.history or [Ancestor(name=card.parent)])][:_MOST_ANCESTORS]
        if parent.card.name in names:
            break
        card = parent.card
        names.add(card.name)
        found.append(Ancestor(name=card.name, created=card.created, data=card.data))
    return found


@dataclass(frozen=True)
class Difference:
    """Something that two cards say differently; None where one says nothing of it."""

    name: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Comparison:
    """What two models have in common, and what they differ in.

    `data` that both learned from, that only `one` did and only the `other`; `settings` that
    differ; all `scores`, the same or not. A model that was taught from the other tells what that
    one did on the same data before. Scores are comparable only where `same_measure`: both were
    measured on the same data, as far as the cards tell.
    """

    one: ModelCard
    other: ModelCard
    data_both: list[str]
    data_one: list[str]
    data_other: list[str]
    settings: list[Difference]
    scores: list[Difference]
    same_measure: bool


def compare_cards(one: ModelCard, other: ModelCard) -> Comparison:
    """What differs between two models in data, settings and scores."""
    first, second = dict(_flat(one.settings)), dict(_flat(other.settings))
    kind = (("kind", one.kind, other.kind), ("architecture", one.architecture, other.architecture))
    about = [Difference(*each) for each in kind if each[1] != each[2]]
    names = dict.fromkeys([*first, *second])
    settings = [Difference(name, first.get(name), second.get(name)) for name in names]
    scores, same_measure = _scores_of_two(one, other)
    return Comparison(
        one,
        other,
        [name for name in one.data if name in other.data],
        [name for name in one.data if name not in other.data],
        [name for name in other.data if name not in one.data],
        about + [each for each in settings if each.one != each.other],
        scores,
        same_measure,
    )


def _scores_of_two(one: ModelCard, other: ModelCard) -> tuple[list[Difference], bool]:
    """Figures of both, and whether they were measured on the same data."""
    if other.parent == one.name and (told := _before_and_after(other)):
        return [Difference(name, before, after) for name, before, after in told], True
    if one.parent == other.name and (told := _before_and_after(one)):
        return [Difference(name, after, before) for name, before, after in told], True
    first, second = (
        {name: value for name, value in scores_of(card) if _BEFORE not in name}
        for card in (one, other)
    )
    names = dict.fromkeys([*first, *second])
    scores = [Difference(name, first.get(name), second.get(name)) for name in names]
    return scores, bool(one.split) and one.split == other.split


def _before_and_after(card: ModelCard) -> list[tuple[str, Any, Any]]:
    """Figures of a taught model that its card tells for before the teaching as well."""
    scores = dict(scores_of(card))
    found = []
    for name, before in scores.items():
        group, separator, figure = name.partition(f"{_BEFORE}: ")
        after = f"{group}: {figure}"
        if separator and after in scores:
            found.append((after, before, scores[after]))
    return found


def scores_of(card: ModelCard) -> list[tuple[str, float | int]]:
    """All figures on a card, each with its name: "kept aside: AP 0.5"."""
    return [
        (name, value)
        for name, value in _flat(card.metrics)
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def headline(card: ModelCard) -> str:
    """The figure that says most, and what it was before teaching: "AP 0.5  0.86, before 0.62"."""
    scores = {n: v for n, v in scores_of(card) if "interval" not in n}
    for wanted in (*_HEADLINES, ""):
        name = next((n for n in scores if _BEFORE not in n and _last(n).startswith(wanted)), None)
        if name is not None:
            group = name.rpartition(": ")[0]
            before = scores.get(f"{group}{_BEFORE}: {_last(name)}")
            told = f"{_plain_name(_last(name))} {number_in_words(scores[name])}"
            return told if before is None else f"{told}, before {number_in_words(before)}"
    return ""


def _last(name: str) -> str:
    return name.rpartition(": ")[2]


def _plain_name(name: str) -> str:
    words = {"macro_f1": "mean F1 of stages", "f1": "F1", "links": "links right"}
    return words.get(name, name)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested tables, by name; a list is one thing."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}: {key}" if name else str(key))
    else:
        yield name, value


def card_in_words(
    model: Model, folder: str | Path | None = None, *, used: bool = False
) -> list[tuple[str, str]]:
    """What a card says, as titles and texts; a text may have several lines."""
    card = model.card
    line = lineage(card, folder)
    told = [
        ("What it does", _does(card, used)),
        ("Made", _made(card)),
        ("Taught from", ", which was taught from ".join(each.name for each in line)),
        ("Learned from", _listed(card.data)),
        ("How much", ", ".join(f"{number:,} {what}" for what, number in card.examples.items())),
        ("Kept aside", card.split),
        ("Scores", "\n".join(_score_lines(card.metrics))),
        ("Stages", ", ".join(_stage_names(card))),
        ("Settings", "\n".join(_setting_lines(card.settings))),
        ("Before this name", ", ".join(card.former_names)),
        ("Software", ", ".join(f"{name} {version}" for name, version in card.software.items())),
        ("Conditions", card.licence),
        ("Kind", card.architecture),
        ("Command", card.command),
        ("File", str(model.path)),
    ]
    return [(title, text) for title, text in told if text]


def _does(card: ModelCard, used: bool) -> str:
    about = f" {card.description}" if card.description else ""
    return f"It {DOES[card.kind]}.{about}" + ("\nIn use now." if used else "")


def _made(card: ModelCard) -> str:
    when = f"{card.created:%d %B %Y, %H:%M}".lstrip("0")
    return f"{when}, in {duration_in_words(card.seconds)}" if card.seconds else when


def duration_in_words(seconds: float) -> str:
    """A time span: "12 s", "46 min", "2 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _listed(data: list[str], most: int = 12) -> str:
    more = [f"and {len(data) - most} more"] if len(data) > most else []
    return "\n".join([*data[:most], *more])


def _score_lines(metrics: Mapping[str, Any]) -> list[str]:
    lines, alone = [], []
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            lines.append(f"{name}: " + ", ".join(_figures(value)))
        else:
            alone.append(f"{name}: {number_in_words(value)}")
    return alone + lines


def _figures(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if name == "interval":
            continue
        inner = value
        if isinstance(value, Mapping):
            inner = "(" + ", ".join(f"{k} {number_in_words(v)}" for k, v in value.items()) + ")"
        told = f"{_plain_name(name)} {number_in_words(inner)}"
        if name == "macro_f1" and "interval" in values:
            low, high = (number_in_words(bound) for bound in values["interval"])
            told += f" ({low} to {high})"
        yield told


def number_in_words(value: Any) -> str:
    """A value of a card: fractions with three digits, lists by their length unless short."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not 0.001 <= abs(value) <= 1:
            return f"{value:g}"
        return f"{value:.4f}" if 0.9995 <= value < 1 else f"{value:.3f}"
    if isinstance(value, list):
        is_short = len(value) <= 4 and not any(isinstance(v, list | dict) for v in value)
        inner = ", ".join(map(number_in_words, value))
        return inner if is_short else f"{len(value)} values"
    return str(value)


def _stage_names(card: ModelCard) -> list[str]:
    named = card.settings.get("stages")
    try:
        stages = named["stages"] if isinstance(named, Mapping) else named or []
        return [str(each["name"] if isinstance(each, Mapping) else each) for each in stages]
    except (KeyError, TypeError):
        return []


def _setting_lines(settings: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {number_in_words(value)}"
        for name, value in _flat(settings)
        if not name.startswith(("stages", "scaling", "history"))
    ]
