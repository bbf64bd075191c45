"""What a file says about the size of a pixel, the time between frames and its channels."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_LENGTHS = {
    1e6: "m meter meters metre metres",
    1e4: "cm centimeter centimeters centimetre centimetres",
    1e3: "mm millimeter millimeters millimetre millimetres",
    1.0: "µm μm \\u00b5m um micron microns micrometer micrometers micrometre micrometres",
    1e-3: "nm nanometer nanometers nanometre nanometres",
    1e-4: "å angstrom angstroms",
    25400.0: "in inch inches",
}
_TIMES = {
    1e-9: "ns nsec nanosecond nanoseconds",
    1e-6: "µs μs \\u00b5s us usec microsecond microseconds",
    1e-3: "ms msec millisecond milliseconds",
    1.0: "s sec secs second seconds",
    60.0: "min mins minute minutes",
    3600.0: "h hr hrs hour hours",
    86400.0: "d day days",
}

MICROMETRES = {name: size for size, names in _LENGTHS.items() for name in names.split()}
"""Micrometres in a unit of length, by lower-case name."""

SECONDS = {name: size for size, names in _TIMES.items() for name in names.split()}
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
    increment = _positive(pixels.get("TimeIncrement"))
    if increment:
        return _in(SECONDS, increment, pixels.get("TimeIncrementUnit", "s"))
    times: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        unit = SECONDS.get(plane.get("DeltaTUnit", "s").lower())
        delta = plane.get("DeltaT")
        if delta is not None and unit is not None:
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
        interval = _in(SECONDS, interval, str(found.get("tunit") or "s"))
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
        letter = axis_letter(axis)
        unit = str(axis.get("unit") or "") if isinstance(axis, Mapping) else ""
        if scale <= 0 or (not unit and scale == 1):
            continue
        if letter == "T":
            interval = _in(SECONDS, scale, unit or "s")
        elif letter in ("Z", "Y", "X") and (size := _in(MICROMETRES, scale, unit or "µm")):
            spacing[letter] = size
    labels = tuple(str(channel.get("label", "")) for channel in omero.get("channels", ()))
    return Calibration(spacing, interval, labels or None)


def axis_letter(axis: Any) -> str:
    """The letter of an axis of OME-Zarr: T or C by its type, else the first of its name."""
    named = axis if isinstance(axis, Mapping) else {"name": axis}
    letters = {"time": "T", "channel": "C"}
    return letters.get(str(named.get("type")), str(named["name"] or "?")[:1].upper())


def _in(units: Mapping[str, float], value: float, unit: str) -> float | None:
    """A value in micrometres or seconds; None if its unit is not known."""
    factor = units.get(unit.strip().lower())
    return None if factor is None else value * factor


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
