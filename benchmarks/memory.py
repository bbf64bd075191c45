"""How much memory a process has taken, and how much segmentation takes.

`python benchmarks/memory.py --huge` segments one frame of 8192 x 8192 pixels, stored as zarr, piece
by piece. `python benchmarks/memory.py --frames` segments 1,000 small frames, and says the memory
after the first 100. Nothing else should run in the process: what is counted is its peak.
"""

import argparse
import contextlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_SIDE, _BLOCK = 8192, 1024


def peak_gb() -> float:
    """The most memory (GB, resident) that this process has held since it started.

    Taken from the kernel's own book-keeping, so no sample is missed. On Linux what a parent
    process held before is not counted, which `ru_maxrss` would.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e6
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> None:
    """Let `peak_gb` count from now on, where the kernel can."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{os.getpid()}/clear_refs").write_text("5")


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--huge", action="store_true", help="one frame of 8192 x 8192 pixels")
    parser.add_argument("--frames", action="store_true", help="1,000 frames of 128 x 128 pixels")
    parser.add_argument("--model", default="cellcycle-nuclei")
    parser.add_argument("--side", type=int, default=_SIDE, help="pixels along the huge frame")
    parser.add_argument("--diameter", type=float, default=13.0, help="micrometres; 0: to be found")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.huge:
            measure_huge(Path(folder), given.model, given.side, given.diameter or None)
        if given.frames:
            measure_frames(Path(folder), given.model, given.diameter or None)


def measure_huge(folder: Path, model: str, side: int, diameter: float | None) -> None:
    """Segment one frame of simulated nuclei that is read and written as zarr."""
    from napari_cellcycle.config import SegmentSettings
    from napari_cellcycle.data.movie import Movie
    from napari_cellcycle.io.labelstore import new_label_store
    from napari_cellcycle.pipeline.segment import segment

    movie: Movie = _stored(folder / "huge.zarr", side)
    masks = new_label_store(folder / "masks", (1, side, side))
    settings = SegmentSettings(model=model, diameter=diameter)
    _warm(movie, settings)
    forget_peak()
    before = peak_gb()
    begin = time.perf_counter(), time.process_time()
    labels = segment(movie, settings, into=masks)
    seconds, of_processor = time.perf_counter() - begin[0], time.process_time() - begin[1]
    peak = peak_gb()
    print(
        f"{side} x {side} pixels, {int(labels.frame(0).max()):,} cells: {seconds:.0f} s "
        f"({of_processor:.0f} s of the processor), memory {before:.2f} GB before, {peak:.2f} GB "
        f"at most; the frame itself {side * side * 2 / 1e9:.2f} GB, its masks "
        f"{side * side * 4 / 1e9:.2f} GB"
    )


def measure_frames(folder: Path, model: str, diameter: float | None) -> None:
    """Segment 1,000 frames into zarr and print the peak after 100 and after all."""
    from napari_cellcycle.config import SegmentSettings, SimulateSettings
    from napari_cellcycle.data.movie import Movie
    from napari_cellcycle.io.labelstore import new_label_store
    from napari_cellcycle.pipeline.segment import segment
    from napari_cellcycle.simulate import simulate

    made = simulate(SimulateSettings(frames=20, size=128, cells=6, seed=1)).movie
    movie = Movie(_Again(made.pixels, 1000), made.pixel_size, made.frame_interval, made.channels)
    masks = new_label_store(folder / "masks", (1000, 128, 128))
    settings = SegmentSettings(model=model, diameter=diameter)
    _warm(made, settings)
    forget_peak()
    peaks = {}

    def watch(done: int, total: int, message: str = "") -> None:
        if done in (1, 100, 500, 1000):
            peaks[done] = peak_gb()

    begin = time.perf_counter(), time.process_time()
    segment(movie, settings, into=masks, progress=watch)
    seconds, of_processor = time.perf_counter() - begin[0], time.process_time() - begin[1]
    said = ", ".join(f"{peak:.3f} GB after {done:,}" for done, peak in peaks.items())
    print(f"1,000 frames: {said}; {seconds:.0f} s ({of_processor:.0f} s of the processor)")


class _Again:
    """An array that shows a few frames over and over."""

    def __init__(self, pixels: Any, frames: int) -> None:
        self._pixels = pixels
        self.shape = (frames, *pixels.shape[1:])

    def __getitem__(self, index: Any) -> Any:
        return self._pixels[(index[0] % len(self._pixels), *index[1:])]


def _stored(place: Path, side: int) -> Any:
    """A movie of one frame: a simulated block of nuclei, repeated, with new noise in each."""
    import numpy as np
    import zarr

    from napari_cellcycle.config import SimulateSettings
    from napari_cellcycle.io.movies import open_movie
    from napari_cellcycle.simulate import simulate

    block = simulate(SimulateSettings(frames=1, size=_BLOCK, cells=300, seed=3)).movie
    image = block.frame(0).astype(np.float32)
    rng = np.random.default_rng(0)
    array = zarr.create_array(
        str(place), shape=(1, 1, side, side), dtype="u2", chunks=(1, 1, _BLOCK, _BLOCK)
    )
    for top in range(0, side, _BLOCK):
        for left in range(0, side, _BLOCK):
            turned = np.rot90(image, int(rng.integers(4)))
            noisy = turned + rng.normal(0, 5, turned.shape)
            part = noisy[: side - top, : side - left].clip(0, 65535)
            array[0, 0, top : top + _BLOCK, left : left + _BLOCK] = part.astype(np.uint16)
    return open_movie(place, pixel_size=block.pixel_size[-1], frame_interval=60)


def _warm(movie: Any, settings: Any) -> None:
    """Import and open everything by one small run, so that what is counted is the work."""
    from napari_cellcycle.data.region import Region
    from napari_cellcycle.pipeline.preview import preview

    preview(movie, 0, settings, Region(0, 0, 128, 128))


if __name__ == "__main__":
    main()
