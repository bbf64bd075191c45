"""Movies and masks as OME-Zarr (0.4 and 0.5), and as plain Zarr arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import take
from napari_cellcycle.io.axes import resolve_axes
from napari_cellcycle.io.calibration import Calibration, axis_letter, from_multiscales

LARGEST_CHUNK = 16_000_000
"""Pixels; larger frames are stored in tiles."""

TILE = 2048
MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


@dataclass(frozen=True)
class ZarrFrames:
    """Frames of one Zarr array on disk."""

    path: str
    axes: str

    def __call__(self, time: int, channel: int = 0) -> np.ndarray:
        """Read one channel of one time as ([Z,] Y, X)."""
        return self._take(None, time, channel)

    def part(self, part: tuple[slice, ...], time: int, channel: int = 0) -> np.ndarray:
        """Read a piece of a frame, and no more chunks than it lies in."""
        return self._take(part, time, channel)

    def _take(self, part: tuple[slice, ...] | None, time: int, channel: int) -> np.ndarray:
        try:
            return take(open_array(self.path), self.axes, time, channel, part)
        except Exception as error:
            raise BadInput(
                f"Frame {time} of {self.path} cannot be read ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:120]}): copy or export it again."
            ) from error


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    return any((path / marker).is_file() for marker in MARKERS)


def open_zarr(
    path: Path, *, given: str | None = None
) -> tuple[ZarrFrames, tuple[int, ...], np.dtype, Calibration]:
    """Open the full resolution of an OME-Zarr image, or a plain array.

    Returns
    -------
    frames, shape, dtype, calibration
        `shape` is (T, C, [Z,] Y, X).

    Raises
    ------
    BadInput
        Not Zarr, a plate, no image inside, or axes that cannot be told apart.
    """
    place, entry, omero = _find_image(path)
    array = open_array(str(place))
    axes = _axis_letters(entry, array)
    if array.dtype.kind not in "buif":
        raise BadInput(
            f"{path} holds values of type {array.dtype}, but whole or decimal numbers are expected."
        )
    resolved = resolve_axes(axes, array.shape, path.name, given=given)
    length = dict(zip(resolved, array.shape, strict=True))
    spatial = tuple(length[axis] for axis in "ZYX" if axis in length)
    shape = (length.get("T", 1), length.get("C", 1), *spatial)
    calibration = from_multiscales(entry, omero) if entry else Calibration()
    return ZarrFrames(str(place), resolved), shape, np.dtype(array.dtype), calibration


def create_image(
    folder: Path,
    shape: Sequence[int],
    dtype: Any,
    axes: str,
    *,
    scale: Mapping[str, float],
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Create an OME-Zarr 0.5 image with one array, "0", and return that zarr array.

    One chunk holds one frame of one channel, or a tile of it where frames are huge; empty
    frames are written too, so that a missing one can be told from an empty one. `scale` gives
    micrometres (z, y, x) and seconds (t) by lower-case axis.
    """
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.open_group(folder, mode="w-", zarr_format=3)
    array = group.create_array(
        "0",
        shape=tuple(shape),
        dtype=dtype,
        chunks=_chunks(shape, axes),
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        dimension_names=tuple(axes.lower()),
        config={"write_empty_chunks": True},
    )
    group.attrs["ome"] = _ome(folder.stem, axes.lower(), scale, attributes or {})
    return array


def open_array(path: str) -> Any:
    """Open a Zarr array for reading; its metadata are kept while they do not change."""
    documents = [Path(path) / name for name in ("zarr.json", ".zarray")]
    return _array(path, tuple(d.stat().st_mtime_ns for d in documents if d.is_file()))


def stored_at(array: Any) -> Path | None:
    """Folder of the Zarr array that a lazy or plain zarr array reads, if it is one."""
    path = getattr(getattr(array, "read", None), "path", None)
    if path is not None and (Path(path) / "zarr.json").is_file():
        return Path(path)
    store = getattr(array, "store", None)
    root = getattr(store, "root", None)
    if root is None:
        return None
    return Path(root) / str(getattr(array, "path", ""))


@lru_cache(maxsize=16)
def _array(path: str, changed: tuple[int, ...]) -> Any:
    import zarr

    return zarr.open_array(path, mode="r")


def _find_image(path: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except Exception as error:
        raise BadInput(
            f"{path} is not a Zarr folder that can be read ({type(error).__name__}): copy or "
            "export it again."
        ) from error
    if isinstance(node, zarr.Array):
        return path, {}, {}
    attributes: Any = dict(node.attrs)
    ome: Any = dict(attributes.get("ome", attributes))
    if ome.get("multiscales"):
        entry = dict(ome["multiscales"][0])
        return path / entry["datasets"][0]["path"], entry, dict(ome.get("omero", {}))
    if "plate" in ome or "well" in ome:
        raise BadInput(f"{path} is a plate or a well: choose one of the images inside it.")
    if "bioformats2raw.layout" in ome and (path / "0").is_dir():
        return _find_image(path / "0")
    if (path / "0").is_dir():
        return _find_image(path / "0")
    raise BadInput(
        f"{path} is a Zarr group without an image: choose the folder in it that is the image."
    )


def _axis_letters(entry: Mapping[str, Any], array: Any) -> str:
    axes = entry.get("axes") or getattr(array.metadata, "dimension_names", None) or ()
    if len(axes) != array.ndim:
        if array.ndim == 5:
            return "TCZYX"
        return "?" * (array.ndim - 2) + "YX"
    return "".join(map(axis_letter, axes))


def _chunks(shape: Sequence[int], axes: str) -> tuple[int, ...]:
    chunks = [n if axis in "ZYX" else 1 for n, axis in zip(shape, axes, strict=True)]
    if np.prod(chunks) > LARGEST_CHUNK and "Z" in axes:
        chunks[axes.index("Z")] = 1
    if np.prod(chunks) > LARGEST_CHUNK:
        chunks[-2:] = [min(TILE, n) for n in chunks[-2:]]
    return tuple(max(1, int(n)) for n in chunks)


def _ome(
    name: str, axes: str, scale: Mapping[str, float], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    kinds = {"t": ("time", "second"), "c": ("channel", None)}
    described = []
    for axis in axes:
        kind, unit = kinds.get(axis, ("space", "micrometer"))
        described.append({"name": axis, "type": kind, **({"unit": unit} if unit else {})})
    transform = {"type": "scale", "scale": [float(scale.get(axis, 1.0)) for axis in axes]}
    dataset = {"path": "0", "coordinateTransformations": [transform]}
    multiscale = {"name": name, "axes": described, "datasets": [dataset]}
    return {"version": "0.5", "multiscales": [multiscale], **attributes}
