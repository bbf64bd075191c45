"""Link given masks side by side with LapTrack and score both against the truth.

    python benchmarks/linking.py [--data FOLDER] [--weights FOLDER] [--only HeLa DIC PSC]

Prints a Markdown table. Ours is scored with weights that never saw the links being scored:
"other" was trained without the sequence at all, "half" on the other half of its frames as
well (frames 0 to middle, and the rest; links across the middle are in neither half). Both are
trained here, on two cores in some minutes, unless --weights holds them from a former run.
Simulated movies are part of the training of both. Seconds are for measuring + linking, on the
same masks in memory in the same process; reading the images (which LapTrack does not use) is
counted as measuring.

Needs the extra `evaluate` and the dependency group `bench`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.evaluation.tracking import score_tracking
from napari_cellcycle.features.graph import build_graph
from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.io.ctc import write_ctc
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.models.link.simple import SimpleLinker
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.pipeline.track import choose, links_of
from napari_cellcycle.training.link import examples_of, train_linker
from napari_cellcycle.training.link_data import REAL, real_recordings, simulated_recordings
from napari_cellcycle.training.link_examples import Example, Measured, between

SEQUENCES = {
    "HeLa": ("Fluo-N2DL-HeLa", 20, 30),
    "DIC": ("DIC-C2DH-HeLa", 40, 80),
    "PSC": ("PhC-C2DL-PSC", 10, 15),
}
"""Name and LapTrack's best cut-offs in pixels: for links and for divisions."""
SHOWN = ("LNK", "TRA", "CT", "BC(1)", "CHOTA")


@dataclass(frozen=True)
class Linked:
    """One linker's answer: tracks, and the seconds for measuring and for linking."""

    tracks: Tracks
    measuring: float
    linking: float


def laptrack(labels: LabelStack, near: float, split: float) -> Linked:
    """LapTrack as in its examples: frame-to-frame assignment, gap closing, splitting."""
    from laptrack import LapTrack
    from skimage.measure import regionprops_table

    start = time.perf_counter()
    parts = [
        pd.DataFrame(regionprops_table(mask, properties=("label", "centroid"))).assign(frame=t)
        for t, mask in enumerate(labels)
    ]
    cells = pd.concat(parts, ignore_index=True)
    measured = time.perf_counter()
    tracker = LapTrack(
        cutoff=near**2,
        splitting_cutoff=split**2,
        gap_closing_cutoff=near**2,
        gap_closing_max_frame_count=1,
    )
    found, splits, _ = tracker.predict_dataframe(
        cells,
        coordinate_cols=["centroid-0", "centroid-1"],
        frame_col="frame",
        only_coordinate_cols=False,
    )
    linked = time.perf_counter()
    return Linked(_tracks(found, splits), measured - start, linked - measured)


def _tracks(found: pd.DataFrame, splits: pd.DataFrame) -> Tracks:
    """LapTrack's table of track numbers and splits as our links."""
    found = found.reset_index()
    frame = "frame" if "frame" in found else "frame_y"
    cells = pd.DataFrame(
        {
            "frame": found[frame].to_numpy(int),
            "label": found["label"].to_numpy(int),
            "y": found["centroid-0"].to_numpy(),
            "x": found["centroid-1"].to_numpy(),
            "track": found["track_id"].to_numpy(int),
        }
    ).sort_values(["frame", "label"], ignore_index=True)
    cells.index += 1
    in_track = cells.sort_values(["track", "frame"])
    same = (in_track["track"].diff() == 0).to_numpy()[1:]
    ids = in_track.index.to_numpy()
    links = [np.column_stack([ids[:-1][same], ids[1:][same]])]
    first, last = in_track.groupby("track").head(1), in_track.groupby("track").tail(1)
    begin = dict(zip(first["track"], first.index, strict=True))
    end = dict(zip(last["track"], last.index, strict=True))
    if len(splits):
        pairs = splits[["parent_track_id", "child_track_id"]].to_numpy(int)
        links.append(np.array([(end[p], begin[c]) for p, c in pairs]))
    table = pd.DataFrame(np.concatenate(links), columns=["parent", "child"]).assign(score=1.0)
    return Tracks(cells.drop(columns="track"), table)


def ours(movie: Movie, labels: LabelStack, linkers: list[SimpleLinker]) -> Linked:
    """Our linker; with two linkers, links within the first half are scored by the first."""
    settings = TrackSettings()
    start = time.perf_counter()
    cells, overlaps = measure_overlaps(movie, labels, max_gap=settings.max_gap)
    measured = time.perf_counter()
    graph = build_graph(
        cells, overlaps, movie.frame_shape, movie.pixel_size, max_gap=settings.max_gap
    )
    scores = [linker(graph) for linker in linkers]
    early = graph.frame[graph.candidates.parent] < len(labels) // 2
    joined = Scores(
        np.where(early, scores[0].link, scores[-1].link),
        np.where(early[graph.candidates.first], scores[0].division, scores[-1].division),
    )
    tracks = Tracks(cells, links_of(graph, cells, *choose(graph, joined, settings)))
    return Linked(tracks, measured - start, time.perf_counter() - measured)


def crossed_linkers(name: str, source: "Source", folder: Path) -> dict[str, list[SimpleLinker]]:
    """Linkers for the sequence `name`: "other" never saw it, "half" the other half of it."""

    def halves(first_half: bool) -> list[tuple[Example, float]]:
        own, weight = source.recording(name)
        last = int(own.cells["frame"].max())
        middle = (last + 1) // 2
        half = between(own, 0, middle - 1) if first_half else between(own, middle, last)
        return [*source.others(name), *examples_of(half, weight)]

    return {
        "other": [_linker(f"{name}-other", lambda: source.others(name), folder)],
        "half": [
            _linker(f"{name}-second", lambda: halves(False), folder),
            _linker(f"{name}-first", lambda: halves(True), folder),
        ],
    }


class Source:
    """Recordings and examples, made when first needed."""

    def __init__(self, data: Path) -> None:
        self._data = data

    @cached_property
    def _recordings(self) -> list[tuple[Measured, float]]:
        return [*real_recordings(self._data), *simulated_recordings()]

    @cached_property
    def _examples(self) -> dict[str, list[tuple[Example, float]]]:
        return {r.name: examples_of(r, weight) for r, weight in self._recordings}

    def recording(self, name: str) -> tuple[Measured, float]:
        """The recording called `name`, and its weight."""
        return next((r, weight) for r, weight in self._recordings if r.name == name)

    def others(self, name: str) -> list[tuple[Example, float]]:
        """Examples of all recordings but one."""
        return [e for key, part in self._examples.items() if key != name for e in part]


def _linker(
    name: str, examples: Callable[[], list[tuple[Example, float]]], folder: Path
) -> SimpleLinker:
    card = ModelCard(name=name, kind="link", architecture="perceptrons, cross-fitted")
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        network, _ = train_linker(examples())
        save_model(network.state_dict(), card, folder)
    return SimpleLinker.open(Model(card, path))


def row(sequence: str, linker: str, linked: Linked, labels: LabelStack, truth: Path) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_ctc(labels, linked.tracks, Path(folder) / "RES")
        scores = score_tracking(Path(folder) / "RES", truth, seg=False).table()
    values = " | ".join(f"{scores[name]:.4f}" for name in SHOWN)
    seconds = f"{linked.measuring:.2f} + {linked.linking:.2f}"
    return f"| {sequence} | {linker} | {values} | {len(linked.tracks)} | {seconds} |"


def main() -> None:
    """Train what is missing, link, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("CELLCYCLE_DATA", str(Path(__file__).parents[2] / "shared/data"))
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--weights", type=Path, default=Path(tempfile.gettempdir()) / "cellcycle")
    parser.add_argument("--only", nargs="*", default=list(SEQUENCES), choices=list(SEQUENCES))
    chosen = parser.parse_args()
    source = Source(chosen.data)
    print("| sequence | linker | " + " | ".join(SHOWN) + " | cells | measuring + linking, s |")
    print("|---" * (len(SHOWN) + 4) + "|")
    for sequence in chosen.only:
        name, near, split = SEQUENCES[sequence]
        images, masks, _ = REAL[name]
        folder = chosen.data / images
        movie = open_movie(folder)
        labels = LabelStack(open_labels(folder.parent / masks).to_array())
        truth = folder.with_name(f"{folder.name}_GT")
        warm_up(labels)
        linked = laptrack(labels, near, split)
        print(row(sequence, f"LapTrack {near}/{split} px", linked, labels, truth), flush=True)
        for kind, linkers in crossed_linkers(name, source, chosen.weights).items():
            linked = ours(movie, labels, linkers)
            print(row(sequence, f"ours, {kind}", linked, labels, truth), flush=True)


def warm_up(labels: LabelStack) -> None:
    """Let LapTrack import and compile what it needs outside of the measured time."""
    laptrack(LabelStack(labels.base[:3]), 10, 10)


if __name__ == "__main__":
    main()
