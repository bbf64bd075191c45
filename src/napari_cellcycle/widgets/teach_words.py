"""What is said of teachings, in plain words."""

from collections.abc import Sequence
from html import escape

from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import Contrast, TaughtModel, TruthCounts

TITLES: dict[Kind, str] = {"segment": "Segmentation", "link": "Tracker", "stage": "Stages"}
"""What models of a kind are called where they are taught."""
_SIGNS = {"better": "✓", "probably better": "✓", "no difference": "=", "worse": "⚠", "unknown": "?"}
_HEADS = {
    "better": "Better than {}",
    "probably better": "Probably better than {}",
    "no difference": "No better than {}",
    "worse": "Worse than {}",
    "unknown": "It is not known whether it is better than {}",
}
_MISSING: dict[Kind, str] = {
    "segment": "No mask was corrected or confirmed, and no frame is done: correct a frame, then "
    "press 'This frame is done'.",
    "link": "No link was corrected or confirmed: link, break or confirm some first.",
    "stage": "No stage was set by hand: choose a cell and set its stage first.",
}
_COLOURS = {"better": "#3fbf8f", "probably better": "#3fbf8f", "worse": "#ff9d2e"}


def known(kind: Kind, counts: TruthCounts) -> str:
    """What there is to learn from: "41 links, 5 of them divisions"; "nothing yet" if that is so."""
    if kind == "segment":
        parts = [
            _number(counts.frames, "frame done", "frames done"),
            _number(counts.cells, "mask", "masks") + (" elsewhere" if counts.frames else ""),
        ]
        parts = parts[: 1 + bool(counts.cells)]
    elif kind == "link":
        divisions = f", {counts.divisions:,} of them of divisions" if counts.divisions else ""
        parts = [
            _number(counts.links, "link", "links") + divisions if counts.links else "",
            _number(counts.rejected, "link taken away", "links taken away"),
        ]
    else:
        parts = [f"{number:,} {name}" for name, number in counts.stages.items() if number]
    return ", ".join(part for part in parts if part) or "nothing yet"


def hindrance(kind: Kind, counts: TruthCounts) -> str:
    """Why a kind of model cannot be taught; empty if it can."""
    there = {
        "segment": counts.frames + counts.cells,
        "link": counts.links + counts.rejected,
        "stage": counts.pinned,
    }
    return "" if there[kind] else _MISSING[kind]


def head(model: TaughtModel) -> str:
    """Whether a proposed model is better, as a line of rich text."""
    outcome = model.verdict.outcome
    words = f"{_SIGNS[outcome]} {_HEADS[outcome].format(escape(model.base))}"
    colour = _COLOURS.get(outcome)
    style = f' style="color: {colour}"' if colour else ""
    return f"<b{style}>{words}</b>"


def contrasts(found: Sequence[Contrast]) -> str:
    """Scores before and after, with intervals, as a table of rich text."""
    titles = ("", "Before", "After", "Difference")
    rows = "".join(_row(each) for each in found)
    line = "".join(f"<td><b>{title}</b></td>" for title in titles)
    return f'<table cellspacing="0" cellpadding="3"><tr>{line}</tr>{rows}</table>'


def _row(found: Contrast) -> str:
    cells = (
        f"{escape(found.name)}<br><small>{escape(found.on)}</small>",
        _score(found.before, found.before_interval),
        _score(found.after, found.after_interval),
        _score(found.gain, found.gain_interval, "+"),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _score(value: float, interval: tuple[float, float], sign: str = "") -> str:
    low, high = (f"{bound:{sign}.3f}" for bound in interval)
    return f"{value:{sign}.3f}<br><small>{low} to {high}</small>"


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""
