"""The recordings that the `simple` link model learns from, measured and with their truth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.simulate import random_settings, simulate
from napari_cellcycle.training.link.simple_examples import Measured

LONGEST_GAP = 4
"""Overlaps are measured so far, so that every second frame can be left out in training."""
REAL = {
    "Fluo-N2DL-HeLa": ("ctc/Fluo-N2DL-HeLa/01", "01_ST/SEG", 1.5),
    "DIC-C2DH-HeLa": ("ctc/DIC-C2DH-HeLa/01", "01_ST/SEG", 0.5),
    "PhC-C2DL-PSC": ("ctc/PhC-C2DL-PSC/01", "01_ST/SEG", 1.0),
    "Fluo-N2DH-SIM": ("ctc/Fluo-N2DH-SIM/01", "01_GT/SEG", 0.1),
    "ipsc-02/01": ("masks_only/ipsc-02/01", "01_GT/TRA", 0.4),
    "ipsc-02/02": ("masks_only/ipsc-02/02", "02_GT/TRA", 0.4),
    "ipsc-02/03": ("masks_only/ipsc-02/03", "03_GT/TRA", 0.4),
}
"""Images, masks beside them, and how much a sequence counts."""
SIMULATED: tuple[tuple[Literal[2, 3], int], ...] = ((2, 8), (3, 3))
"""How many movies of each dimension are simulated."""
SIMULATED_WEIGHT = 0.2
FIRST_SEED = 9000


def real_recordings(
    data_folder: str | Path, *, without: str = ""
) -> Iterator[tuple[Measured, float]]:
    """Measure the sequences of `REAL` that are there, except the one called `without`."""
    for name, (images, masks, weight) in REAL.items():
        folder = Path(data_folder) / images
        place = folder.parent / masks
        if name != without and place.is_dir():
            yield read_recording(name, folder, place), weight


def simulated_recordings(progress: Progress = silent) -> Iterator[tuple[Measured, float]]:
    """Simulate and measure movies of all kinds of cells."""
    jobs = [(ndim, FIRST_SEED + i) for ndim, count in SIMULATED for i in range(count)]
    for done, (ndim, seed) in enumerate(jobs):
        progress(done, len(jobs), "Simulating movies")
        yield simulated_recording(seed, ndim), SIMULATED_WEIGHT


def read_recording(name: str, images: Path, masks: Path) -> Measured:
    """Measure a sequence whose mask values are the track numbers of NAME_GT/TRA/man_track.txt.

    Without a folder of images, brightness is unknown and lengths are in pixels.
    """
    labels = open_labels(masks)
    movie = open_movie(images) if images.is_dir() else None
    size = movie.pixel_size if movie else (1.0,) * labels.ndim
    cells, overlaps = measure_overlaps(movie, labels, pixel_size=size, max_gap=LONGEST_GAP)
    truth = images.with_name(f"{images.name}_GT") / "TRA" / "man_track.txt"
    lines = np.loadtxt(truth, dtype=int, ndmin=2)
    known = np.isin(cells["label"], lines[:, 0])
    mother = {int(track): int(parent) for track, _, _, parent in lines if parent}
    cells = cells.assign(truth=np.where(known, cells["label"], 0))
    return Measured(name, cells, overlaps, mother, labels.shape[1:], size)


def simulated_recording(seed: int, ndim: Literal[2, 3]) -> Measured:
    """Measure a simulated movie of random settings."""
    small = {"frames": 40, "size": 512} if ndim == 2 else {"frames": 25, "size": 160, "cells": 15}
    settings = random_settings(seed, ndim).model_copy(update=small)
    made = simulate(settings)
    cells, overlaps = measure_overlaps(made.movie, made.labels, max_gap=LONGEST_GAP)
    cells = cells.assign(truth=cells["label"])
    shape, scale = made.labels.shape[1:], made.movie.pixel_size
    return Measured(f"simulated-{ndim}d-{seed}", cells, overlaps, made.tracks.mothers, shape, scale)
