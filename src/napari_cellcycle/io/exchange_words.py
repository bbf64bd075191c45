"""What an export or import is said to have kept and lost, in plain sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.io.foreign import LARGEST_ID, Foreign
from napari_cellcycle.io.placing import MaskSizes, Placed

FORMS = {
    "trackmate": "TrackMate XML",
    "geff": "a geff",
    "csv": "the table",
    "ctc": "the Cell Tracking Challenge's layout",
}
"""The forms of files, and how the middle of a sentence calls each."""


@dataclass(frozen=True)
class Report:
    """What a file was found to hold of what there was, counted and in sentences.

    `complete` says of an export that everything which the form can hold came back identical when
    the file was read again, and of an import that nothing had to be left out. `counts` has the
    numbers of the sentences by short names.
    """

    path: Path
    form: str
    sentences: tuple[str, ...]
    complete: bool
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def many(count: int, one: str, several: str | None = None) -> str:
    """A number with its noun: "1 cell", "8,520 cells"."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def contents(tracks: Tracks) -> dict[str, int]:
    """Count what tracks hold: cells, links, divisions, stages and so on."""
    cells, links = tracks.cells, tracks.links
    frame = cells["frame"]
    gap = frame.loc[links["child"]].to_numpy() - frame.loc[links["parent"]].to_numpy()
    chances = [name for name in cells if str(name).startswith(("p_", "seen_"))]
    plain = {"frame", "label", "by", "stage", "pinned", "filled", *tracks.axes, *chances}
    return {
        "cells": len(cells),
        "links": len(links),
        "tracks": int(tracks.track_id.nunique()),
        "divisions": len(tracks.divisions),
        "gaps": int((gap > 1).sum()),
        "stages": _values(cells, "stage"),
        "pinned": _values(cells, "pinned"),
        "chances": len(cells) if chances else 0,
        "measurements": sum(name not in plain for name in cells),
        "scores": len(links),
        "decided": int((cells["by"] == BY_USER).sum() + (links["by"] == BY_USER).sum()),
        "rejected": len(tracks.rejected),
    }


def _values(cells: pd.DataFrame, name: str) -> int:
    if name not in cells:
        return 0
    return int((cells[name].notna() & (cells[name].astype(object) != "")).sum())


def export_report(
    experiment: Experiment,
    path: Path,
    form: str,
    masks: MaskSizes | None,
    differing: Mapping[str, int],
    unused: int = 0,
) -> Report:
    """Say what is in a file that was written and read again, and what it could not hold.

    `unused` stages of the experiment are none in the file.
    """
    assert experiment.tracks is not None
    counts = contents(experiment.tracks) | {"confirmed": len(experiment.confirmed)}
    counts["unused"] = unused
    if masks is not None:
        counts["masks"] = int((masks.of_cells > 0).sum()) + masks.spare
        counts["spare"] = masks.spare
        counts["without"] = int((masks.of_cells == 0).sum())
    said = [_head(path, counts), *_checked(differing), *_left_out(form, counts)]
    if experiment.movie.guessed and form != "ctc":
        verb = "was" if len(experiment.movie.guessed) == 1 else "were"
        said.append(
            f"The {_guessed(experiment.movie.guessed)} in it {verb} assumed, as the movie says "
            "nothing of it."
        )
    return Report(
        path, form, tuple(said), not differing, MappingProxyType(counts | dict(differing))
    )


def _head(path: Path, counts: Mapping[str, int]) -> str:
    return (
        f"{path} holds {many(counts['cells'], 'cell')}, {many(counts['links'], 'link')} and "
        f"{many(counts['divisions'], 'division')} in {many(counts['tracks'], 'track')}."
    )


def _checked(differing: Mapping[str, int]) -> list[str]:
    if not differing:
        return ["It was read again, and everything it can hold came back as it was."]
    found = ", ".join(f"{count:,} {words}" for words, count in differing.items())
    return [f"Read again, it is not what was written: {found}. Please report this."]


def _guessed(guessed: frozenset[str]) -> str:
    return " and ".join(name.replace("_", " ") for name in sorted(guessed, reverse=True))


def _left_out(form: str, counts: Mapping[str, int]) -> list[str]:
    """What a form keeps in its own way, and what it does not keep."""
    name = FORMS[form]
    said = []
    if form == "ctc" and counts.get("spare"):
        spare = many(counts["spare"], "mask was", "masks were")
        said.append(f"{spare} left out that belong{'s' * (counts['spare'] == 1)} to no cell.")
    elif form != "ctc" and counts.get("masks"):
        masks = many(counts["masks"], "mask was", "masks were")
        said.append(f"It holds no masks: {masks} left out.")
    if counts["gaps"]:
        gaps = many(counts["gaps"], "closed gap is", "closed gaps are")
        said.append(f"{gaps} kept as {_GAPS[form]}.")
    if form != "ctc" and counts.get("without"):
        said.append(f"{many(counts['without'], 'cell has', 'cells have')} no mask.")
    if form == "csv":
        said.append("Numbers are rounded to seven digits.")
    if form == "ctc":
        said.append("Cells have no ids there, and tracks are numbered anew: 1, 2, 3 and so on.")
    lost = [many(counts[key], *words) for key, words in _LOST[form].items() if counts[key]]
    if lost:
        said.append(f"Left out, for want of a place in {name}: {', '.join(lost)}.")
    return said


_GAPS = {
    "trackmate": "edges over several frames",
    "geff": "edges over several frames",
    "csv": "parents in an earlier frame than the last",
    "ctc": "tracks that name the one before as their parent",
}
_MARKS = {
    "rejected": ("rejected link", "rejected links"),
    "confirmed": ("confirmation", "confirmations"),
}
_UNUSED = {"unused": ("stage that no cell has", "stages that no cell has")}
_LOST: dict[str, dict[str, tuple[str, str]]] = {
    "trackmate": _MARKS | _UNUSED,
    "geff": {},
    "csv": _MARKS | _UNUSED,
    "ctc": {
        "stages": ("stage", "stages"),
        "pinned": ("pinned stage", "pinned stages"),
        "chances": ("cell's chances of stages", "cells' chances of stages"),
        "measurements": ("measurement of every cell", "measurements of every cell"),
        "scores": ("link score", "link scores"),
        "decided": ("mark that you decided", "marks that you decided"),
        **_MARKS,
    },
}
"""What each form has no place for, of one and of several."""


_ONE = {"was": "was", "is": "is", "holds": "holds"}
_SEVERAL = {"was": "were", "is": "are", "holds": "hold"}
_REASONS = {
    "strangers": (
        ("link names a cell", "links name cells"),
        "that the file does not have, and {was} left out",
    ),
    "level": (("link joins", "links join"), "cells of one frame, and {was} left out"),
    "merges": (
        ("link was", "links were"),
        "left out because the cell has a parent already: cells cannot merge here, and the better "
        "link was kept",
    ),
    "crowds": (
        ("link was", "links were"),
        "left out because the cell has two children already: the two better links were kept",
    ),
    "maskless": (
        ("track of the track file has", "tracks of the track file have"),
        "no mask in any frame, and {was} left out",
    ),
    "further": (
        ("link was", "links were"),
        "left out because the track file names more than two children of a track: the first two "
        "were kept",
    ),
    "spans": (
        ("track begins or ends", "tracks begin or end"),
        "in other frames than the track file says: the masks were believed",
    ),
    "hidden": (("spot", "spots"), "that TrackMate's filters hide {was} left out"),
    "outlines": (
        ("outline was", "outlines were"),
        "not taken over: give the masks as well (in TrackMate: 'Export label image')",
    ),
    "candidates": (
        ("candidate", "candidates"),
        "that {is} not part of the solution {was} left out",
    ),
    "shapes": (
        ("property", "properties"),
        "that {holds} lists or shapes, such as masks, {was} left out",
    ),
}
"""Why things were left out on reading: of one and of several, and the rest of the sentence."""


def import_report(
    path: Path, form: str, found: Foreign, place: Placed | None, notes: Sequence[str] = ()
) -> Report:
    """Say what a file held, what was taken, and how the cells lie on the masks."""
    tracks = found.tracks if place is None else place.tracks
    counts = contents(tracks) | dict(found.left_out)
    said = [_head(path, counts)]
    if counts["stages"]:
        pinned = f", {counts['pinned']:,} of them pinned" if counts["pinned"] else ""
        said.append(f"{many(counts['stages'], 'cell has a stage', 'cells have a stage')}{pinned}.")
    for key, (words, rest) in _REASONS.items():
        count = counts.get(key, 0)
        if count:
            verbs = _ONE if count == 1 else _SEVERAL
            said.append(f"{many(count, *words)} {rest.format(**verbs)}.")
    if counts.get("shifted"):
        said.append(
            f"Every cell has a new id, because those of the file are not all from 1 to "
            f"{LARGEST_ID - 1:,}."
        )
    said += _calibrated(found)
    if place is not None:
        counts |= {
            name: getattr(place, name) for name in ("without", "crowded", "outside", "spare")
        }
        said += _placed(place)
    left = {key for key in found.left_out if key != "shifted"}
    complete = not left and not (place is not None and (place.without or place.spare))
    return Report(path, form, (*said, *notes), complete, MappingProxyType(counts))


def _calibrated(found: Foreign) -> list[str]:
    said = []
    if found.pixel_size is not None:
        sizes = " x ".join(f"{size:g}" for size in found.pixel_size)
        said.append(f"It says that a pixel is {sizes} µm.")
    if found.frame_interval is not None:
        said.append(f"It says that frames are {found.frame_interval:g} s apart.")
    return said


def _placed(place: Placed) -> list[str]:
    total, without = len(place.tracks), place.without
    lie = many(total, "cell lies", "cells lie")
    said = [f"{total - without:,} of {lie} on a mask of their own."]
    if without:
        why = f", {place.crowded:,} because another is nearer" if place.crowded else ""
        why += f", {place.outside:,} because they are outside of the image" if place.outside else ""
        stay = many(without, "cell has none and stays a point", "cells have none and stay points")
        said.append(f"{stay}{why}.")
    if total and without * 2 > total:
        said.append(
            "As most cells miss their masks, see whether the file is in pixels and belongs to "
            "this movie."
        )
    if place.spare:
        said.append(f"{many(place.spare, 'mask has', 'masks have')} no cell.")
    return said


def radii(sizes: np.ndarray, pixel_size: tuple[float, ...]) -> np.ndarray:
    """Micrometres from the middle to the rim of discs, or balls, of so many pixels.

    Cells without a mask get the median; five pixels if no cell has one.
    """
    volume = sizes * float(np.prod(pixel_size))
    radius = np.sqrt(volume / np.pi) if len(pixel_size) == 2 else np.cbrt(volume * 0.75 / np.pi)
    usual = float(np.median(radius[sizes > 0])) if (sizes > 0).any() else 5.0 * pixel_size[-1]
    return np.where(sizes > 0, radius, usual)
