"""How time and memory of linking grow from ten thousand to a million cells.

    python benchmarks/scaling.py [--linkers simple ...] [--sizes 10000 100000 1000000] [--laptrack]

Prints a Markdown table. Lineages are simulated as points with the measurements that masks would
have given, so that no image is needed. Each size is linked in a fresh process: seconds are for
building the graph, scoring the candidates and choosing among them, without starting Python,
reading the tables and opening the model. "processor s" is what all threads together took of the
processor for it, which other programs disturb less. Memory is the most that the process ever
took, all of this included. Agreement with the truth is shown to tell that the work was done (F1
of links).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from colonies import Colony, colony
from memory import peak_gb

SIZES = (10_000, 100_000, 1_000_000)
PARTS = ("graph", "scores", "choice")


def watch(linker: Any) -> list[float]:
    """The moments at which `linker` is asked and has answered, from now on."""
    kind, moments = type(linker), []

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        moments.append(time.perf_counter())
        answer = kind.__call__(self, *arguments, **options)
        moments.append(time.perf_counter())
        return answer

    linker.__class__ = type(kind.__name__, (kind,), {"__call__": call})
    return moments


Found = tuple[dict[str, float], float, pd.DataFrame]
"""Seconds of each part, seconds of the processor for all, and links as pairs of cell ids."""


def link_ours(points: Colony, model: str, device: str) -> Found:
    """Link with one of our models."""
    from napari_cellcycle.config import TrackSettings
    from napari_cellcycle.data.movie import Movie
    from napari_cellcycle.pipeline.track import choose, links_of, open_linker, score

    linker = open_linker(model, device)
    moments = watch(linker)
    nothing = np.broadcast_to(np.uint16(0), (points.frames, 1, points.side, points.side))
    movie = Movie(nothing, (1.0, 1.0), 300.0, ("H2B",))
    start, busy = time.perf_counter(), time.process_time()
    settings = TrackSettings()
    graph, scores = score(points.cells, points.overlaps, movie, settings, linker)
    links = links_of(graph, points.cells, *choose(graph, scores, settings))
    end, busy = time.perf_counter(), time.process_time() - busy
    seconds = np.diff([start, *moments, end]).tolist()
    return dict(zip(PARTS, seconds, strict=True)), busy, links


def link_laptrack(points: Colony, *_: str) -> Found:
    """LapTrack with cut-offs that suit these movies: a diameter, and one and a half."""
    from peers import laptrack

    cells = points.cells[["frame", "label", "y", "x"]]
    laptrack(cells[cells["frame"] < 3], 12, 18)  # imports and compiles what it needs
    start, busy = time.perf_counter(), time.process_time()
    tracks = laptrack(cells, 12, 18)
    seconds = {"choice": time.perf_counter() - start}
    return seconds, time.process_time() - busy, tracks.links


LINKERS: dict[str, Callable[[Colony, str, str], Found]] = {"LapTrack": link_laptrack}


def child(linker: str, device: str, file: Path) -> None:
    """Link one colony and print what it took, as JSON."""
    points = Colony.load(file)
    before = peak_gb()
    seconds, processor, links = LINKERS.get(linker, link_ours)(points, linker, device)
    figures = {
        "seconds": seconds,
        "processor": processor,
        "peak_gb": peak_gb(),
        "start_gb": before,
        "f1": points.agreement(links),
        "links": len(links),
    }
    print(json.dumps(figures))


def measure(linker: str, device: str, file: Path, limit: float) -> dict[str, Any]:
    """The figures of `child` in a process of its own, or why there are none."""
    command = [sys.executable, __file__, "--child", linker, device, str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit:.0f} s"}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        return {"failed": f"stopped ({done.returncode}): {' '.join(last)[:120]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def row(linker: str, size: int, figures: dict[str, Any]) -> str:
    """One line of the table."""
    if "failed" in figures:
        return f"| {linker} | {size:,} | {figures['failed']} " + "| " * 7 + "|"
    seconds = figures["seconds"]
    parts = " | ".join(f"{seconds[p]:.2f}" if p in seconds else "" for p in PARTS)
    total = sum(seconds.values())
    return (
        f"| {linker} | {size:,} | {total:.2f} | {parts} | {figures['processor']:.2f} "
        f"| {1e6 * total / size:.1f} "
        f"| {figures['peak_gb']:.2f} | {figures['f1']:.4f} |"
    )


def main() -> None:
    """Simulate, link in fresh processes, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--linkers", nargs="*", default=["cellcycle-links", "simple"])
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--device", default="cpu", help="where the graph network is computed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--laptrack", action="store_true", help="LapTrack as well")
    parser.add_argument("--limit", type=float, default=600, help="most seconds for one size")
    parser.add_argument("--out", type=Path, help="file for the figures, as JSON")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        linker, device, file = chosen.child
        return child(linker, device, Path(file))
    linkers = [*chosen.linkers, *(["LapTrack"] if chosen.laptrack else [])]
    head = ("linker", "cells", "s", *PARTS, "processor s", "us a cell", "peak GB", "F1 of links")
    print(f"| {' | '.join(head)} |\n" + "|---" * len(head) + "|")
    figures: dict[str, dict[int, dict[str, Any]]] = {linker: {} for linker in linkers}
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            file = Path(folder) / f"{size}.npz"
            colony(size, chosen.seed).save(file)
            for linker in linkers:
                figures[linker][size] = measure(linker, chosen.device, file, chosen.limit)
                print(row(linker, size, figures[linker][size]), flush=True)
            file.unlink()
    print(_growth(figures))
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=2))
    return None


def _growth(figures: dict[str, dict[int, dict[str, Any]]]) -> str:
    """How many times longer each ten times more cells take."""
    lines = []
    for linker, sizes in figures.items():
        done = {size: sum(f["seconds"].values()) for size, f in sizes.items() if "seconds" in f}
        for size in done:
            if size * 10 in done:
                ratio = done[size * 10] / done[size]
                lines.append(f"{linker}: {size * 10:,} cells take {ratio:.1f} times {size:,}.")
    return "\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
