"""The truth of a sequence of the Cell Tracking Challenge, frame by frame: outlines and markers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

File = tuple[Path, int | None]
"""A file of reference masks, with the plane that it shows (None: all)."""


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """What is known of one frame.

    `outlines` are reference masks of all or some cells, each with the plane that it shows (None:
    all). `markers` show where all cells are, but not their outlines.
    """

    outlines: tuple[tuple[np.ndarray, int | None], ...] = ()
    markers: np.ndarray | None = None

    @property
    def whole(self) -> np.ndarray | None:
        """Outlines of all cells: each marker lies, at least in part, in one; None without."""
        for drawn, plane in self.outlines:
            if plane is None and (self.markers is None or _hold_all(drawn, self.markers)):
                return drawn
        return None


@dataclass(frozen=True)
class SequenceTruth:
    """Files of outlines and of markers of each frame."""

    outlines: dict[int, list[File]]
    markers: dict[int, list[File]]

    @property
    def frames(self) -> list[int]:
        """Frames of which something is known."""
        return sorted({*self.outlines, *self.markers})

    def frame(self, number: int) -> FrameTruth:
        """Read what is known of one frame."""
        drawn = [(_read(file), plane) for file, plane in self.outlines.get(number, [])]
        marked = [_read(file) for file, _ in self.markers.get(number, [])]
        return FrameTruth(tuple(drawn), marked[0] if marked else None)


def open_sequence_truth(folder: str | Path) -> SequenceTruth:
    """Find `SEG/man_seg*.tif` (also single planes, `man_seg_T_Z.tif`) and `TRA/man_track*.tif`."""
    folder = Path(folder).expanduser()
    return SequenceTruth(
        _by_frame(folder / "SEG", "man_seg"), _by_frame(folder / "TRA", "man_track")
    )


def _read(file: Path) -> np.ndarray:
    import tifffile

    return np.asarray(tifffile.imread(file))


def _hold_all(drawn: np.ndarray, markers: np.ndarray) -> bool:
    marked = np.unique(markers[markers > 0])
    return bool(np.isin(marked, markers[drawn > 0]).all())


def _by_frame(folder: Path, prefix: str) -> dict[int, list[File]]:
    found: dict[int, list[File]] = {}
    for file in sorted(folder.glob(f"{prefix}*.tif")):
        parts = file.stem[len(prefix) :].strip("_").split("_")
        plane = int(parts[1]) if len(parts) > 1 else None
        found.setdefault(int(parts[0]), []).append((file, plane))
    return found
