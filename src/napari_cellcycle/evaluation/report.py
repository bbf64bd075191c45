"""A page for each cell: its pictures, its stages and how sure they are; and an index of pages."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.duration_table import mitosis_table, visit_table
from napari_cellcycle.evaluation.filmstrips import Strip, draw_strip, filmstrips
from napari_cellcycle.evaluation.stage_matrix import StageMatrix, stage_matrix
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN = r"index\.html|cell_\d+\.(html|png)"
"""What `write_report` writes."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1250px; padding: 0 1em;
  color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .25em .9em; text-align: left;
  border-bottom: 1px solid #ddd } td.n { text-align: right } img { max-width: 100% }
.dot { display: inline-block; width: .9em; height: .9em; margin-right: .4em;
  vertical-align: -.1em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1d1f24 }
  a { color: #8ab4f8 } th, td { border-color: #444 } img { background: #fff } }
"""


def write_report(
    experiment: Experiment,
    folder: str | Path,
    cells: Sequence[int] | None = None,
    *,
    channel: str | None = None,
    side: float | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a page and a filmstrip for each cell, and an index sorted by the onset of mitosis.

    `cells` are numbers of tracks (all if None). Each page `cell_7.html` holds all it shows:
    filmstrip (of volumes the maximum over depth and the middle plane), probabilities over time
    and the table of stays; `cell_7.png` is the filmstrip alone. An earlier report in
    `folder` is replaced. Gives the path of `index.html`.

    Raises
    ------
    BadInput
        The cells have no stages, or one of them is not there.
    CannotWrite
        The disk refuses, or `folder` holds anything else; it is then as it was.
    """
    tracks, folder = experiment.tracks, Path(folder).expanduser()
    if tracks is None or "stage" not in tracks.cells or not len(tracks):
        raise BadInput("The cells have no stages yet, and a report shows them: track and classify.")
    matrix = stage_matrix(tracks, experiment.stages, len(experiment.movie))
    chosen = list(matrix.tracks if cells is None else dict.fromkeys(cells))
    strips = {
        strip.track: strip
        for strip in filmstrips(experiment, chosen, channel=channel, side=side, progress=progress)
    }
    order = [track for track in matrix.tracks.tolist() if track in strips]
    visits = visit_table(experiment)
    with writing_to(folder), replaced_folder(folder, own=_OWN) as draft:
        for track in track_progress(order, len(order), progress, "Writing pages"):
            picture = _png(draw_strip(strips[track], experiment))
            (draft / f"cell_{track}.png").write_bytes(picture)
            page = _page(experiment, strips[track], visits, picture, order)
            (draft / f"cell_{track}.html").write_text(page, encoding="utf-8")
        index = _index(experiment, matrix, order)
        (draft / "index.html").write_text(index, encoding="utf-8")
    return folder / "index.html"


def draw_probabilities(experiment: Experiment, track: int) -> "Figure":
    """Draw the probability of every stage of one track over time, as stacked areas."""
    from matplotlib.figure import Figure

    tracks, stages = experiment.tracks, experiment.stages
    assert tracks is not None
    own = tracks.cells[tracks.track_id == track].sort_values("frame")
    names = [name for name in stages.names if f"p_{name}" in own]
    hours = own["frame"].to_numpy() * experiment.movie.frame_interval / 3600
    step = experiment.movie.frame_interval / 3600
    odds = own[[f"p_{name}" for name in names]].to_numpy(float).T
    figure = Figure(figsize=(11, 2.3), layout="constrained", facecolor="white")
    axes = figure.subplots()
    edges = np.append(hours, hours[-1:] + step)
    odds = np.concatenate([odds, odds[:, -1:]], axis=1)
    colours = [stages.colours[name] for name in names]
    axes.stackplot(edges, odds, colors=colours, step="post", linewidth=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1)
    axes.set_xlabel("hours", color="#222222", fontsize=11)
    axes.set_ylabel("probability", color="#222222", fontsize=11)
    axes.tick_params(labelsize=11, colors="#222222")
    return figure


def _page(
    experiment: Experiment, strip: Strip, visits: pd.DataFrame, picture: bytes, pages: list[int]
) -> str:
    tracks = experiment.tracks
    assert tracks is not None
    track = strip.track
    own = visits[visits["track"] == track]
    parts = [f"<h1>Cell {track}</h1>", f"<p>{_kin(experiment, track, pages)}</p>"]
    parts += [_legend(experiment), f"<h2>Pictures</h2>{_image(picture, f'Cell {track}')}"]
    views = "" if strip.tiles.shape[1] == 1 else " Above: maximum over depth; below: middle plane."
    parts.append(f"<p>Each picture is {strip.side:.3g} µm wide; below it the frame.{views}</p>")
    parts += _assumed(experiment)
    if any(str(name).startswith("p_") for name in tracks.cells):
        drawn = io.BytesIO()
        draw_probabilities(experiment, track).savefig(drawn, format="png", dpi=110)
        parts += ["<h2>Probabilities</h2>", _image(drawn.getvalue(), "probabilities")]
    parts += ["<h2>Stays</h2>", _visit_rows(experiment, own)]
    return _document(f"Cell {track}", parts)


def _kin(experiment: Experiment, track: int, pages: list[int]) -> str:
    """Sentence about when a cell was seen, its mother and its daughters."""
    tracks = experiment.tracks
    assert tracks is not None
    own = tracks.cells.loc[tracks.track_id == track, "frame"]
    minutes = experiment.movie.frame_interval / 60
    first, last = int(own.min()), int(own.max())
    text = f"Seen in frames {first + 1} to {last + 1}, from {_clock(first * minutes)} to "
    text += f"{_clock((last + 1) * minutes)}."
    mother = tracks.mothers.get(track)
    if mother is not None:
        text += f" Daughter of {_link(mother, pages)}."
    daughters = sorted(d for d, m in tracks.mothers.items() if m == track)
    if daughters:
        text += f" Divides into {' and '.join(_link(d, pages) for d in daughters)}."
    return text + ' <a href="index.html">All cells</a>'


def _visit_rows(experiment: Experiment, visits: pd.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{_dot(experiment, stage)}{escape(stage)}</td><td class=n>{first + 1}</td>"
        f"<td class=n>{last + 1}</td><td class=n>{'' if whole else '&gt; '}{minutes:g}</td>"
        f"<td>{escape(begins)}</td><td>{escape(ends)}</td></tr>"
        for stage, first, last, minutes, whole, begins, ends in zip(
            visits["stage"],
            visits["first_frame"],
            visits["last_frame"],
            visits["duration_min"],
            visits["is_whole"],
            visits["begins"],
            visits["ends"],
            strict=True,
        )
    )
    heads = ("Stage", "From frame", "To frame", "Minutes", "Begins with", "Ends with")
    note = (
        "<p>&gt; marks a stay that was not seen whole. A stay that goes on in daughters "
        "is on their pages.</p>"
    )
    return _table(heads, rows) + note


def _index(experiment: Experiment, matrix: StageMatrix, order: list[int]) -> str:
    minutes, frames = experiment.movie.frame_interval / 60, len(experiment.movie)
    divisions = mitosis_table(experiment).set_index("track")["mitosis_min"]
    place = {track: k for k, track in enumerate(matrix.tracks.tolist())}
    rows = []
    for track in order:
        codes, onset = matrix.told[place[track]], int(matrix.onset[place[track]])
        begins = _clock(onset * minutes) if onset < frames else ""
        mitosis = divisions.get(track, np.nan)
        lasts = f"{mitosis:g}" if np.isfinite(mitosis) else ""
        rows.append(
            f"<tr><td>{_link(track, order)}</td><td>{begins}</td><td class=n>{lasts}</td>"
            f"<td class=n>{int((codes >= 0).sum())}</td><td>{_bar(codes, experiment)}</td></tr>"
        )
    heads = ("Cell", "Mitosis begins", "Mitosis, min", "Frames", "Stages over time")
    total = f"<p>{len(order):,} cells, sorted by the onset of mitosis.</p>"
    parts = ["<h1>Cells</h1>", total, *_assumed(experiment), _legend(experiment)]
    return _document("Cells", [*parts, _table(heads, "".join(rows))])


def _assumed(experiment: Experiment) -> list[str]:
    """A line that says so where times are only as good as a guess."""
    words = experiment.movie.assumed_interval
    return [f"<p><b>{escape(words)}</b></p>"] if words else []


def _bar(codes: np.ndarray, experiment: Experiment) -> str:
    """A line of colours, one piece a stay, as an inline picture."""
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    ends = np.r_[starts[1:], len(codes)]
    stages = experiment.stages.stages
    pieces = "".join(
        f'<rect x="{a}" width="{b - a}" height="1" fill="{stages[codes[a]].colour}"/>'
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
        if codes[a] >= 0
    )
    size = f'viewBox="0 0 {len(codes)} 1" width="500" height="14" preserveAspectRatio="none"'
    return f"<svg {size}>{pieces}</svg>"


def _legend(experiment: Experiment) -> str:
    dots = (f"{_dot(experiment, name)}{escape(name)}" for name in experiment.stages.names)
    return f"<p>{' &nbsp; '.join(dots)}</p>"


def _dot(experiment: Experiment, stage: str) -> str:
    colour = experiment.stages.colours.get(stage, "#dddddd")
    return f'<span class="dot" style="background:{colour}"></span>'


def _link(track: int, pages: list[int]) -> str:
    return f'<a href="cell_{track}.html">cell {track}</a>' if track in pages else f"cell {track}"


def _image(png: bytes, words: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(words)}" src="data:image/png;base64,{data}">'


def _table(heads: Sequence[str], rows: str) -> str:
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"


def _document(title: str, parts: Sequence[str]) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    drawn = io.BytesIO()
    Image.fromarray(picture).save(drawn, format="PNG")
    return drawn.getvalue()


def _clock(minutes: float) -> str:
    return f"{round(minutes) // 60} h {round(minutes) % 60:02d} min"
