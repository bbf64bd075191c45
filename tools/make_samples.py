"""Make the sample movies of the package from the simulator: `python tools/make_samples.py`."""

from pathlib import Path

import numpy as np
import tifffile

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.io.samples import FOLDER
from napari_cellcycle.simulate import Simulation, simulate

PLANE = {
    "seed": 5,
    "frames": 36,
    "size": 288,
    "cells": 16,
    "pixel_size": 0.5,
    "frame_interval": 300.0,
    "cycle_hours": 9.0,
    "cycle_spread": 0.3,
    "mitosis_stretch": 1.5,
    "death_rate": 0.08,
    "brightness_spread": 0.3,
    "read_noise": 8.0,
    "gain": 0.3,
    "brightness": 500.0,
}
VOLUME = {
    **PLANE,
    "ndim": 3,
    "seed": 3,
    "frames": 10,
    "size": 112,
    "planes": 12,
    "cells": 8,
    "pixel_size": 0.6,
    "plane_spacing": 2.0,
    "frame_interval": 420.0,
    "cycle_hours": 5.0,
}


def main() -> None:
    """Write both samples with their truth."""
    for name, fields in {"nuclei_2d": PLANE, "nuclei_3d": VOLUME}.items():
        simulation = simulate(SimulateSettings(**fields))  # type: ignore[arg-type]
        write_movie(simulation, FOLDER / f"{name}.ome.tif")
        write_truth(simulation, FOLDER / f"{name}_GT")
        tracks = simulation.tracks
        stages = tracks.cells["stage"].value_counts().to_dict()
        print(name, len(tracks), "cells", len(tracks.divisions), "divisions", stages)  # noqa: T201


def write_movie(simulation: Simulation, path: Path) -> None:
    """Write the pixels as OME-TIFF with pixel size and frame interval."""
    movie = simulation.movie
    axes = "TZYX" if movie.ndim == 3 else "TYX"
    sizes = dict(zip(("X", "Y", "Z"), reversed(movie.pixel_size), strict=False))
    physical = {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    physical |= {f"PhysicalSize{axis}Unit": "µm" for axis in sizes}
    timing = {"TimeIncrement": movie.frame_interval, "TimeIncrementUnit": "s"}
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        np.asarray(movie.pixels)[:, 0],
        compression="zlib",
        compressionargs={"level": 9},
        predictor=True,
        metadata={"axes": axes, "Channel": {"Name": ["H2B"]}, **physical, **timing},
    )


def write_truth(simulation: Simulation, folder: Path) -> None:
    """Write masks, lineage and stages in the layout of the Cell Tracking Challenge."""
    tracks = simulation.tracks
    (folder / "TRA").mkdir(parents=True, exist_ok=True)
    for frame, mask in enumerate(simulation.labels):
        path = folder / "TRA" / f"man_track{frame:03d}.tif"
        tifffile.imwrite(path, mask.astype(np.uint16), compression="zlib")
    span = tracks.cells.groupby(tracks.track_id)["frame"].agg(["min", "max"])
    rows = [(t, first, last, tracks.mothers.get(t, 0)) for t, first, last in span.itertuples()]
    np.savetxt(folder / "TRA" / "man_track.txt", np.array(rows), fmt="%d")
    stages = tracks.cells.assign(track=tracks.track_id)[["track", "frame", "stage"]]
    stages.to_csv(folder / "stages.csv", index=False)


if __name__ == "__main__":
    main()
