"""Images with masks to learn from, out of folders, challenge sequences and experiments."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_cellcycle.data.annotated import UNKNOWN, Annotated
from napari_cellcycle.data.channel import channel_of
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.ctc import Truth, find_truth
from napari_cellcycle.io.experiment import is_experiment, open_experiment
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.segment.corrected import known_labels, known_masks, known_only
from napari_cellcycle.training.segment.examples import RIM_PX, known_pixels, redrawn
from napari_cellcycle.training.segment.pairs import checked, find_pairs, read_pairs

MOST_IMAGES = 200
"""Of a source with more, so many are taken, evenly spread."""
_PLANE = ", plane "
T = TypeVar("T")


def read_sources(
    paths: Sequence[str | Path],
    *,
    trust_all: bool = False,
    channel: str | None = None,
    frames: Sequence[int] | None = None,
    progress: Progress = silent,
) -> list[Annotated]:
    """Read all images with masks of sources of any kind, in the order of time or of names.

    A source is an experiment (NAME.cellcycle), a data set or sequence of the Cell Tracking
    Challenge, or a folder of images with masks (`find_pairs`). Volumes come plane by plane.

    Parameters
    ----------
    trust_all
        Take the masks of every frame of an experiment, not only of those that were corrected.
    channel
        Channel of experiments, by name; the one that they were segmented in if not given. Folders
        keep all channels.
    frames
        Take only these frames, counted from 0, of experiments and sequences; each has them all.

    Raises
    ------
    BadInput
        A source of no known kind, one without masks to learn from or without one of `frames`, or
        files that do not fit.
    """
    return [
        image
        for path in paths
        for image in _read(Path(path).expanduser(), trust_all, channel, frames, progress)
    ]


def _read(
    path: Path,
    trust_all: bool,
    channel: str | None,
    frames: Sequence[int] | None,
    progress: Progress,
) -> list[Annotated]:
    if is_experiment(path):
        found = _of_experiment(path, trust_all, channel, frames, progress)
    elif not path.is_dir():
        raise BadInput(
            f"There is no folder {path}; give an experiment (NAME.cellcycle), a sequence of the "
            "Cell Tracking Challenge, or a folder of images with masks."
        )
    else:
        sequences = _sequences(path)
        found = (
            [image for one in sequences for image in _of_sequence(one, frames, progress)]
            if sequences
            else read_pairs(_spread(find_pairs(path)), path.name, progress)
        )
    if not any((image.masks > 0).any() for image in found):
        raise BadInput(
            f"All masks of {path} are empty, so there is nothing to learn from: give images in "
            "which cells are outlined."
        )
    return found


def split_last(images: Sequence[Annotated], part: float) -> tuple[list[Annotated], list[Annotated]]:
    """The first images and the last `part` of each group, at least one where there are two.

    Planes of one volume stay together.
    """
    learned: list[Annotated] = []
    aside: list[Annotated] = []
    groups: dict[str, list[Annotated]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    for members in groups.values():
        whole = list(dict.fromkeys(_whole(image) for image in members))
        count = min(max(1, round(part * len(whole))), len(whole) - 1) if part else 0
        last = set(whole[len(whole) - count :])
        learned += [image for image in members if _whole(image) not in last]
        aside += [image for image in members if _whole(image) in last]
    return learned, aside


def one_channel(image: Annotated, channel: str | None = None) -> np.ndarray:
    """The channel (Y, X) that is shown to a network that sees one: by number, or "grey".

    Of several channels the first is taken if `channel` is not given, as `segment` does.

    Raises `BadInput` if there is no such channel.
    """
    if image.image.ndim == 2:
        return image.image
    if channel == "grey":
        return np.asarray(image.image.mean(axis=0, dtype=np.float32))
    if channel is None or (channel.isdigit() and int(channel) < len(image.image)):
        return np.asarray(image.image[int(channel or 0)])
    raise BadInput(
        f"{image.group}, {image.name} has {len(image.image)} channels, and none of them is "
        f"{channel!r}: give a number, counted from 0, or 'grey' for their mean."
    )


def _whole(image: Annotated) -> str:
    return image.name.partition(_PLANE)[0]


def _sequences(path: Path) -> list[Path]:
    """Sequences (.../01) with full masks that `path` is, or holds."""
    stem = path.name.removesuffix("_GT").removesuffix("_ST")
    if _masks_of(find_truth(path.with_name(stem))) is not None:
        return [path.with_name(stem)]
    stems = {p.name[:-3] for p in (*path.glob("*_GT"), *path.glob("*_ST")) if p.is_dir()}
    return [path / one for one in sorted(stems) if _masks_of(find_truth(path / one)) is not None]


def _masks_of(truth: Truth) -> Path | None:
    """The folder with full masks: silver truth, or gold truth where there is none."""
    places = (truth.silver, truth.gold)
    return next((p for p in places if p is not None and any(p.glob("man_seg*.tif"))), None)


def _of_sequence(images: Path, frames: Sequence[int] | None, progress: Progress) -> list[Annotated]:
    truth = find_truth(images)
    folder = _masks_of(truth)
    assert folder is not None
    files = sorted(folder.glob("man_seg*.tif"))
    if frames is not None:
        files = [file for file in files if _time(file) in set(frames)]
        _check_named(frames, [_time(file) for file in files], images)
    group = f"{images.parent.name}/{images.name}"
    message = f"Reading {group}"
    found: list[Annotated] = []
    for file in track_progress(_spread(files), min(len(files), MOST_IMAGES), progress, message):
        found += _of_truth(file, images, truth.tracking, group)
    return found


def _of_truth(file: Path, images: Path, tracking: Path | None, group: str) -> list[Annotated]:
    """The image or the planes that one file of masks is of."""
    number, _, plane = file.stem.removeprefix("man_seg").strip("_").partition("_")
    masks, image = _stack(file), _stack(images / f"t{number}.tif")
    gold = find_truth(images).gold
    if gold is not None and file.parent != gold and masks.ndim == 2:
        drawn = gold / file.name
        masks = redrawn(masks.astype(np.int32), _stack(drawn)) if drawn.is_file() else masks
    marked = None if tracking is None else tracking / f"man_track{number}.tif"
    markers = None if marked is None or not marked.is_file() else _stack(marked)
    name = f"t{number}"
    if plane:
        z = int(plane)
        image, markers = image[z], None if markers is None else markers[z]
        return [_with_unknown(image, masks, markers, group, f"{name}{_PLANE}{plane}")]
    if masks.ndim == 2:
        return [_with_unknown(image, masks, markers, group, name)]
    return _planes(image, masks, group, name)


def _with_unknown(
    image: np.ndarray, masks: np.ndarray, markers: np.ndarray | None, group: str, name: str
) -> Annotated:
    """Masks with `UNKNOWN` around tracked cells without one, and in the challenge's rim."""
    made = checked(image, masks, group, name)
    labels = made.cells
    if markers is not None and markers.shape == labels.shape and labels.any():
        rim = RIM_PX.get(group.partition("/")[0], 0)
        diameter = float(np.median(diameters_px(labels)))
        known = known_pixels(labels, markers, diameter, rim)
        labels = np.where(known > 0, labels, UNKNOWN).astype(np.int32)
    return Annotated(made.image, labels, group, name)


def _of_experiment(
    folder: Path,
    trust_all: bool,
    channel: str | None,
    frames: Sequence[int] | None,
    progress: Progress,
) -> list[Annotated]:
    experiment = open_experiment(folder)
    if experiment.labels is None:
        raise BadInput(
            f"The cells of {folder} are not segmented yet, so there is nothing to learn from: "
            "segment them and correct the masks first."
        )
    known = known_labels(experiment, known_masks(experiment))
    if not (trust_all or known or frames):
        raise BadInput(
            f"No masks of {folder} were corrected, so there is nothing to learn from: correct some "
            "frames first, name those that are right with --frames, or add --trust-all if all are."
        )
    if trust_all or frames is not None:
        known = dict.fromkeys(range(len(experiment.labels)))
    if frames is not None:
        known = {time: None for time in known if time in set(frames)}
        _check_named(frames, list(known), folder)
    return images_of(experiment, known, folder.name, channel, progress)


def images_of(
    experiment: Experiment,
    known: Mapping[int, np.ndarray | None],
    name: str,
    channel: str | None = None,
    progress: Progress = silent,
) -> list[Annotated]:
    """Frames of a segmented experiment with the masks of which labels are `known` (None: all).

    They are those of a `channel`, by default the one that was segmented.

    Raises `BadInput` if there is no such channel.
    """
    labels, movie = experiment.labels, experiment.movie
    assert labels is not None
    channel = channel or channel_of(experiment)
    if channel is not None and channel not in movie.channels:
        raise BadInput(
            f"{name} has no channel called {channel!r}; it has {', '.join(movie.channels)}: "
            "choose one of them."
        )
    digits = len(str(len(labels)))
    found: list[Annotated] = []
    chosen = _spread(list(known))
    for time in track_progress(chosen, len(chosen), progress, f"Reading {name}"):
        image, masks = movie.frame(time, channel), known_only(labels.frame(time), known[time])
        title = f"t{time:0{digits}d}"
        if masks.ndim == 3:
            found += _planes(image, masks, name, title)
        else:
            found.append(checked(image, masks, name, title))
    return found


def _planes(image: np.ndarray, masks: np.ndarray, group: str, name: str) -> list[Annotated]:
    """The planes of a volume that show cells."""
    if image.shape != masks.shape:
        raise BadInput(
            f"The masks {group}, {name} have the shape {masks.shape}, but their image has "
            f"{image.shape}: choose the masks of this image."
        )
    digits = len(str(len(masks)))
    return [
        checked(image[z], masks[z], group, f"{name}{_PLANE}{z:0{digits}d}")
        for z in np.flatnonzero((masks > 0).any(axis=(1, 2))).tolist()
    ]


def _stack(file: Path) -> np.ndarray:
    """A frame ([Z,] Y, X) from a file."""
    if not file.is_file():
        raise BadInput(f"{file} is missing, but there are masks for it: get the sequence anew.")
    import tifffile

    try:
        return np.squeeze(tifffile.imread(file))
    except Exception as error:
        raise BadInput(f"{file} cannot be read ({type(error).__name__}): get it again.") from error


def _time(file: Path) -> int:
    found = re.search(r"\d+", file.stem)
    return int(found[0]) if found else -1


def _spread(items: list[T]) -> list[T]:
    """At most `MOST_IMAGES` of them, evenly spread."""
    if len(items) <= MOST_IMAGES:
        return items
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, MOST_IMAGES).round()]


def _check_named(frames: Sequence[int], found: Sequence[int], source: Path) -> None:
    """Raise `BadInput` if a source has no masks in some of the frames that were named."""
    missing = sorted(set(frames) - set(found))
    if missing:
        named = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise BadInput(
            f"{source} has no masks in the frames {named}: frames are counted from 0, and those "
            "named are asked of every source; name others."
        )
