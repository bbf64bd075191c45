"""The movies that trackers are compared on: images, masks of several kinds, and the truth."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.io.ctc import write_ctc
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen

WORSE = WorsenSettings(missing=0.05, merged=0.03, split=0.03)
WORSE_SEED = 0


@dataclass(frozen=True)
class Grid:
    """Cut-offs that LapTrack is tried with, in pixels (in um for volumes), and typical size."""

    near: tuple[float, ...]
    split: tuple[float, ...]
    diameter: float


@dataclass(frozen=True)
class Sequence:
    """A sequence 01 of the Cell Tracking Challenge."""

    name: str
    grid: Grid


SEQUENCES = {
    "HeLa": Sequence("Fluo-N2DL-HeLa", Grid((15, 20, 25, 30), (25, 30, 40), 20)),
    "DIC": Sequence("DIC-C2DH-HeLa", Grid((25, 40, 60, 80), (50, 80, 110), 75)),
    "PSC": Sequence("PhC-C2DL-PSC", Grid((8, 10, 12, 15), (12, 15, 20), 10)),
}
MASKS = ("silver", "markers", "worsened")


@dataclass(frozen=True)
class Case:
    """One movie with one kind of masks, on disk: every linker is given a process of its own.

    `images` is a folder of frames, or an .npy file (T, C, Z, Y, X) with `pixel_size`; `labels`
    an .npy file; `truth` a folder as NAME_GT. Of simulated movies nothing is learned, so
    `shipped` weights may be used.
    """

    sequence: str
    masks: str
    images: Path
    labels: Path
    truth: Path
    grid: Grid
    pixel_size: tuple[float, ...] = ()

    @property
    def shipped(self) -> bool:
        """Whether the weights as shipped never saw the movie."""
        return bool(self.pixel_size)

    def movie(self) -> Movie:
        """The recording."""
        if self.images.is_dir():
            return open_movie(self.images)
        pixels = np.load(self.images, mmap_mode="r")
        return Movie(pixels, self.pixel_size, 300.0, ("H2B",))

    def stack(self) -> LabelStack:
        """The masks, in memory."""
        return LabelStack(np.load(self.labels))


def cases(key: str, kinds: list[str], data: Path, folder: Path) -> Iterator[Case]:
    """The sequence called `key` with each of the kinds of masks; files are put into `folder`.

    "silver" masks are the challenge's silver truth, "markers" the truth's own markers of every
    cell, "worsened" the silver truth with faults as `WORSE` says.
    """
    sequence = SEQUENCES[key]
    place = data / "ctc" / sequence.name
    truth = place / "01_GT"
    for kind in kinds:
        source = truth / "TRA" if kind == "markers" else place / "01_ST" / "SEG"
        labels = open_labels(source).to_array()
        if kind == "worsened":
            rng = np.random.default_rng(WORSE_SEED)
            labels = worsen(LabelStack(labels), WORSE, rng)[0].to_array()
        file = folder / f"{key}-{kind}.npy"
        np.save(file, labels)
        yield Case(key, kind, place / "01", file, truth, sequence.grid)
        file.unlink()


def embryo(seed: int) -> SimulateSettings:
    """A crowded ball of cells that divide often, seen in planes four times coarser than pixels."""
    return SimulateSettings(
        ndim=3,
        seed=seed,
        frames=32,
        size=192,
        planes=20,
        cells=90,
        pixel_size=0.8,
        plane_spacing=3.2,
        frame_interval=180.0,
        nucleus_diameter=11.0,
        cycle_hours=1.4,
        cycle_spread=0.25,
        mitosis_stretch=0.5,
        death_rate=0.01,
        speed=12.0,
        persistence=0.3,
        clustering=0.8,
        spacing=1.0,
        irregularity=0.2,
    )


EMBRYO_SEEDS = (31, 32, 33, 34)
"""Seeds that no training uses."""


def volumes(folder: Path) -> Iterator[Case]:
    """Simulated embryos with the masks of the simulation."""
    for seed in EMBRYO_SEEDS:
        settings = embryo(seed)
        made = simulate(settings)
        images, labels = folder / f"{seed}-images.npy", folder / f"{seed}-labels.npy"
        np.save(images, made.movie.pixels)
        np.save(labels, made.labels.to_array())
        truth = folder / f"{seed}_GT"
        write_truth(made.labels, made.tracks, truth)
        grid = Grid((4, 6, 8, 10), (6, 8, 12), settings.nucleus_diameter)
        size = made.movie.pixel_size
        yield Case(f"embryo {seed}", "given", images, labels, truth, grid, size)
        images.unlink()
        labels.unlink()


def write_truth(labels: LabelStack, tracks: object, folder: Path) -> None:
    """Write known tracks as the challenge's truth: TRA/man_track000.tif ... and man_track.txt."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        result = Path(draft) / "TRA"
        write_ctc(labels, tracks, result)
        folder.mkdir()
        for file in list(result.iterdir()):
            new = file.name.replace("mask", "man_track").replace("res_track", "man_track")
            file.rename(file.with_name(new))
        result.rename(folder / "TRA")
