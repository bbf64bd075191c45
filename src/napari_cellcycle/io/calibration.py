"""What a file says about the size of a pixel, the time between frames and its channels."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MICROMETRES = {
    "m": 1e6, "meter": 1e6, "cm": 1e4, "centimeter": 1e4, "mm": 1e3, "millimeter": 1e3,
    "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0,
    "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3, "angstrom": 1e-4,
    "å": 1e-4, "inch": 25400.0, "in": 25400.0,
}  # fmt: skip
"""Micrometres in a unit of length, by lower-case name."""

SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3,
    "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0,
}  # fmt: skip
"""Seconds in a unit of time, by lower-case name."""

LARGEST_PIXEL = 20.0
"""Micrometres; resolution tags that say more describe a print or a screen, not a specimen."""


@dataclass(frozen=True)
class Calibration:
    """What is known about a movie beside its pixels; what is missing is not known.

    `spacing` is in micrometres by axis (Z, Y, X), `frame_interval` in seconds.
    """

    spacing: Mapping[str, float] = field(default_factory=dict)
    frame_interval: float | None = None
    channels: tuple[str, ...] | None = None


def from_ome_xml(text: str) -> Calibration:
    """Read the first image of an OME-XML description (schema of any year)."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return Calibration()
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return Calibration()
    spacing = {}
    for axis in "ZYX":
        unit = MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").lower())
        size = _positive(pixels.get(f"PhysicalSize{axis}"))
        if unit and size:
            spacing[axis] = size * unit
    names = tuple(channel.get("Name") or "" for channel in pixels.findall("{*}Channel"))
    return Calibration(spacing, _ome_interval(pixels), names or None)


def _ome_interval(pixels: ElementTree.Element) -> float | None:
    unit = SECONDS.get(pixels.get("TimeIncrementUnit", "s").lower(), 1.0)
    increment = _positive(pixels.get("TimeIncrement"))
    if increment:
        return increment * unit
    times: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        delta = plane.get("DeltaT")
        if delta is not None:
            unit = SECONDS.get(plane.get("DeltaTUnit", "s").lower(), 1.0)
            times.setdefault(int(plane.get("TheT", 0)), float(delta) * unit)
    if len(times) < 2:
        return None
    frames = sorted(times)
    steps = np.diff([times[frame] for frame in frames]) / np.diff(frames)
    return _positive(np.median(steps))


def from_imagej(found: Mapping[str, Any], resolution: Sequence[float]) -> Calibration:
    """Read ImageJ's description; `resolution` is in pixels per its unit, along (y, x)."""
    unit = MICROMETRES.get(str(found.get("unit", "")).lower())
    spacing = {}
    if unit:
        sizes = [unit / pixels if pixels > 0 else 0.0 for pixels in resolution]
        spacing = {axis: size for axis, size in zip("YX", sizes, strict=False) if size > 0}
    depth = _positive(found.get("spacing"))
    if depth:
        spacing["Z"] = depth * (unit or 1.0)
    interval = _positive(found.get("finterval"))
    if interval:
        interval *= SECONDS.get(str(found.get("tunit", "s")).lower(), 1.0)
    labels = found.get("Labels")
    count = found.get("channels", 1)
    names = tuple(map(str, labels[:count])) if labels and len(labels) == count else None
    return Calibration(spacing, interval, names)


def from_resolution(resolution: Sequence[float], unit: str) -> Calibration:
    """Read the resolution tags of a plain TIFF: pixels per inch or centimetre, along (y, x)."""
    scale = {"INCH": 25400.0, "CENTIMETER": 1e4, "MICROMETER": 1.0, "MILLIMETER": 1e3}.get(unit)
    if scale is None or len(resolution) != 2 or min(resolution) <= 0:
        return Calibration()
    spacing = {axis: scale / pixels for axis, pixels in zip("YX", resolution, strict=True)}
    return Calibration(spacing if max(spacing.values()) <= LARGEST_PIXEL else {})


def from_multiscales(entry: Mapping[str, Any], omero: Mapping[str, Any]) -> Calibration:
    """Read one entry of OME-Zarr's `multiscales` and, for channel names, its `omero` block."""
    spacing: dict[str, float] = {}
    interval = None
    for axis, scale in zip(entry.get("axes", ()), _ngff_scale(entry), strict=False):
        named = axis if isinstance(axis, Mapping) else {"name": axis}
        letter, unit = str(named["name"]).upper(), str(named.get("unit", "")).lower()
        if letter == "T" and (unit in SECONDS or scale != 1) and scale > 0:
            interval = scale * SECONDS.get(unit, 1.0)
        elif letter in "ZYX" and (unit in MICROMETRES or scale != 1) and scale > 0:
            spacing[letter] = scale * MICROMETRES.get(unit, 1.0)
    labels = tuple(str(channel.get("label", "")) for channel in omero.get("channels", ()))
    return Calibration(spacing, interval, labels or None)


def _ngff_scale(entry: Mapping[str, Any]) -> list[float]:
    total = np.ones(len(entry.get("axes", ())))
    for holder in (entry, *entry.get("datasets", ())[:1]):
        for transform in holder.get("coordinateTransformations", ()):
            if transform.get("type") == "scale" and "scale" in transform:
                total = total * np.asarray(transform["scale"], float)
    return total.tolist()


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None
