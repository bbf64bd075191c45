"""Draw the curves and the distribution that `learning.py --json` measured.

    python benchmarks/learning_figure.py FILE.json [FILE.json ...] --out learning.png

One panel for each case: error against corrections, by the suggestions and at random, the mean of
all seeds and each of them; what is in use after each verdict as lines, what was proposed as dots.
A last panel has how much better or worse each accepted model, and each proposal, of the guard is.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"suggested": "#0072b2", "random": "#d55e00"}
ACCEPTED, PROPOSED = "#009e73", "#999999"
FINE = 0.02
"""Gain up to which the scale is linear, so that small losses are seen beside great gains."""
TICKS = (-0.05, -0.02, 0, 0.02, 0.05, 0.2, 0.8)


def draw_case(axes: Axes, case: dict[str, Any]) -> None:
    """Error against the number of corrections."""
    for order, colour in COLOURS.items():
        curves = [each["points"] for each in case["curves"] if each["order"] == order]
        x = [point["corrections"] for point in curves[0]]
        errors = np.array([[point["error"] for point in points] for points in curves])
        for each in errors if len(errors) > 1 else []:
            axes.plot(x, each, color=colour, alpha=0.3, linewidth=1)
        axes.plot(x, errors.mean(axis=0), color=colour, marker="o", label=f"in use, {order}")
        proposed = [
            (point["corrections"], point["proposed"])
            for points in curves
            for point in points
            if point["proposed"] is not None
        ]
        axes.scatter(*zip(*proposed, strict=True), s=14, marker="x", color=colour, alpha=0.6)
    axes.set(title=case["case"], xlabel="corrections", ylabel="error", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)


def draw_guard(axes: Axes, guard: list[dict[str, Any]]) -> None:
    """Gains of the accepted and of all proposed models, from the least to the greatest."""
    for name, colour in (("proposed", PROPOSED), ("accepted", ACCEPTED)):
        gains = sorted(each[name]["gain"] for each in guard if each[name] is not None)
        axes.plot(np.linspace(0, 1, len(gains)), gains, color=colour, marker=".", label=name)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(title=f"{len(guard)} teachings", xlabel="share of them", ylabel="score, new - old")
    axes.set_yscale("symlog", linthresh=FINE)
    axes.set_yticks(TICKS, [f"{tick:+g}" if tick else "0" for tick in TICKS])
    axes.legend(frameon=False, fontsize=8)


def main() -> None:
    """Read the files and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    found = [json.loads(file.read_text()) for file in chosen.files]
    cases = [case for one in found for case in one["curves"]]
    guard = [each for one in found for each in one["guard"]]
    panels = len(cases) + bool(guard)
    figure = Figure(figsize=(4 * panels, 3.2), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for each, case in zip(axes, cases, strict=False):
        draw_case(each, case)
    if guard:
        draw_guard(axes[-1], guard)
    figure.savefig(chosen.out, dpi=110)


if __name__ == "__main__":
    main()
