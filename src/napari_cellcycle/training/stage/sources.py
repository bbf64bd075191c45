"""Where stages are learned from: corrected experiments, sorted crops, published layouts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cellcycle.data.channel import stage_channel_of
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, StageSet, free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crop_scale import crop_diameter
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.features.mask_crops import mask_crops
from napari_cellcycle.features.paths import founders
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.io.crop_folders import (
    H2B_FOLDERS,
    CropSet,
    has_crops,
    read_crops,
    refuse_small,
)
from napari_cellcycle.io.experiment import is_experiment, open_experiment
from napari_cellcycle.io.live_cell_miner import is_live_cell_miner, read_live_cell_miner
from napari_cellcycle.io.zhong import is_zhong, read_zhong
from napari_cellcycle.models.stage.cell_classifier import SIZE, lit, zero_padded
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.sequences import (
    UNKNOWN,
    CellSequences,
    sequences_of,
    transcript,
)

_TRUTH = "true_stage"


@dataclass(frozen=True)
class StageSource:
    """Cells that may be learned from, not cut out yet: crops, or a tracked experiment.

    `stages` is the set that the source tells, `known` the names that it shows. `place` is the
    folder that it comes from. With `trust_all` everything in it is taken as true.
    """

    name: str
    place: Path
    stages: StageSet
    crops: CropSet | None = None
    experiment: Experiment | None = None
    channel: str | None = None
    trust_all: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the stages that its cells were told to be in, in the order of `stages`."""
        if self.crops is not None:
            told = set(self.crops.stage.tolist())
        else:
            assert self.experiment is not None and self.experiment.tracks is not None
            told = set(self.experiment.tracks.cells[_TRUTH].tolist())
        return tuple(name for name in self.stages.names if name in told)


def open_source(
    place: str | Path,
    *,
    trust_all: bool = False,
    channel: str | None = None,
    order_alone: bool = False,
    progress: Progress = silent,
) -> StageSource:
    """Open a source, of whatever kind its layout shows.

    Of an experiment, the stages that were set by hand (`pinned`) are true; with `trust_all` all
    are; with `order_alone` none need be told. `channel` is one of the movie's, or the number of
    a colour of crops.

    Raises `BadInput` if it is of no known kind, or there is nothing to learn from.
    """
    place = Path(place).expanduser()
    if is_experiment(place):
        return _experiment(place, trust_all, channel, order_alone)
    progress(0, 1, "Reading crops")
    stages, found = _crops_of(place, channel)
    refuse_small(found, place)
    return StageSource(place.name, place, stages, found)


def _crops_of(place: Path, channel: str | None) -> tuple[StageSet, CropSet]:
    """Crops of any layout, and the stages that they tell."""
    if is_live_cell_miner(place):
        return LIVE_CELL, read_live_cell_miner(place)
    if is_zhong(place):
        return MITOSIS, read_zhong(place)
    if has_crops(place):
        found = _read_crops(place, channel)
        names = {name: H2B_FOLDERS.get(name, name) for name in np.unique(found.stage).tolist()}
        if not set(names.values()) <= set(H2B.names):
            return free_stages(sorted(names)), found
        stage = np.array([names[name] for name in found.stage.tolist()])
        return H2B, replace(found, stage=stage)
    raise BadInput(
        f"{place} holds nothing to learn stages from: expected an experiment (NAME.cellcycle), a "
        "folder with one subfolder of crops a stage, tracks of LiveCellMiner or of the "
        "CellCognition benchmark, or samples of nuclei; check the path."
    )


def _read_crops(place: Path, channel: str | None) -> CropSet:
    """Crops in one colour, or in several (n, Y, X, C) if `channel` is such as "0,1"."""
    parts = [part.strip() for part in (channel or "0").split(",")]
    colours = [int(part) for part in parts if part.isdigit()]
    if len(colours) != len(parts) or (len(colours) > 1 and colours != list(range(len(colours)))):
        raise BadInput(
            f"The channel of crops is {channel!r}, but its number from 0 was expected, or "
            "those of the first few, such as 0,1."
        )
    found = [read_crops(place, channel=colour) for colour in colours]
    if len(found) == 1:
        return found[0]
    return replace(found[0], images=np.stack([one.images for one in found], axis=-1))


def _experiment(
    place: Path, trust_all: bool, channel: str | None, order_alone: bool
) -> StageSource:
    experiment = open_experiment(place)
    tracks = experiment.tracks
    if tracks is None or experiment.labels is None or not len(tracks):
        raise BadInput(
            f"The experiment {place} has no tracked cells, so there is nothing to learn from: "
            "track them first."
        )
    found = source_of(experiment, place, channel, trust_all=trust_all)
    if not order_alone and not found.known:
        advice = "classify them first" if trust_all else "correct some, or add --trust-all"
        raise BadInput(
            f"No cell of {place} has a stage that you set, so there is nothing to learn from: "
            f"{advice}; or tell the order of stages with --transcript."
        )
    return found


def source_of(
    experiment: Experiment, place: Path, channel: str | None = None, *, trust_all: bool = False
) -> StageSource:
    """A tracked experiment, whose pinned stages are true; with `trust_all` all stages are.

    Cells are seen in the `channel` of that name, by default the one that stages were told in.
    Raises `BadInput` if there is no such channel.
    """
    channel = channel or stage_channel_of(experiment)
    experiment.movie.channel_number(channel)
    tracks = experiment.tracks
    assert tracks is not None
    cells = tracks.cells
    none = np.full(len(cells), "", dtype=object)
    truth = cells["pinned"].fillna("").to_numpy(object) if "pinned" in cells else none
    if trust_all and "stage" in cells:
        truth = np.where(truth == "", cells["stage"].to_numpy(object), truth)
    known = replace(experiment, tracks=tracks.with_columns(**{_TRUTH: truth.astype(str)}))
    return StageSource(place.name, place, experiment.stages, experiment=known, channel=channel)


def common_stages(sources: Sequence[StageSource], start: StageSet | None = None) -> StageSet:
    """The stages that a model of all sources tells: those of the model it starts with, if any.

    Raises `BadInput` if they do not fit each other, or the model.
    """
    if not sources:
        raise BadInput("There is nothing to learn stages from: give at least one source.")
    if start is not None:
        for source in sources:
            strange = [name for name in source.known if name not in start.names]
            if strange:
                raise BadInput(
                    f"{source.name} shows {', '.join(strange)}, but the model to begin with tells "
                    f"{', '.join(start.names)}: choose another one with --start, or --start none."
                )
        return start
    if all(source.stages.names == sources[0].stages.names for source in sources):
        return sources[0].stages
    for stages in (H2B, *(source.stages for source in sources)):
        if all(set(source.known) <= set(stages.names) for source in sources):
            return stages
    raise BadInput(
        "The sources tell different stages ("
        + "; ".join(f"{s.name}: {', '.join(s.stages.names)}" for s in sources)
        + "): teach a model from sources of one set of stages."
    )


def cut_sequences(
    source: StageSource,
    stages: StageSet,
    side: float,
    size: int,
    *,
    order_alone: bool = False,
    progress: Progress = silent,
) -> tuple[CellSequences, np.ndarray]:
    """Crops `side` usual diameters wide, `size` pixels, over time; and the name of each group.

    Groups (a lineage, a cell, a division) count from 0. Paths on which no stage is known are left
    out unless `order_alone`.
    """
    if source.crops is not None:
        return _of_crops(source.crops, stages, side, size)
    experiment = source.experiment
    assert experiment is not None and experiment.labels is not None
    assert experiment.tracks is not None
    movie, labels = experiment.movie, experiment.labels
    tracks = experiment.tracks if order_alone else _told_lineages(experiment.tracks)
    diameter = median_diameter(labels, movie.pixel_size)
    found = sequences_of(
        movie,
        labels,
        tracks,
        stages,
        side=side * diameter,
        size=size,
        channel=source.channel,
        column=_TRUTH,
        progress=progress,
    )
    if not order_alone:
        found = found.subset(np.array([bool(transcript(found.code[p])) for p in found.paths]))
    rows, group = np.unique(found.group, return_inverse=True)
    track = experiment.tracks.track_id.loc[tracks.cells.index[rows]].tolist()
    return replace(found, group=group), np.array([f"lineage {number}" for number in track])


def _told_lineages(tracks: Tracks) -> Tracks:
    """The lineages in which the stage of any cell is known."""
    first = founders(parents(tracks), tracks.cells["frame"].to_numpy())
    known = np.isin(first, first[tracks.cells[_TRUTH].to_numpy() != ""])
    cells = tracks.cells[known]
    return Tracks(cells, tracks.links[tracks.links["child"].isin(cells.index)])


def _of_crops(
    found: CropSet, stages: StageSet, side: float, size: int
) -> tuple[CellSequences, np.ndarray]:
    colours = found.images[..., None] if found.images.ndim == 3 else found.images
    side_px = side * crop_diameter(colours[..., 0], found.masks)
    middle = ((np.array(found.images.shape[1:3]) - 1) / 2)[None]
    cut = [
        [crops(image[..., i], middle, side_px, size)[0] for i in range(colours.shape[-1])]
        for image in colours
    ]
    images = np.array(cut) if colours.shape[-1] > 1 else np.array(cut)[:, 0]
    masks = None
    if found.masks is not None:
        one = np.ones(1, int)
        own = [mask_crops(m.astype(np.int32), one, middle, side_px, size) for m in found.masks]
        masks = np.concatenate(own)
    track = np.arange(len(found)) if found.track is None else found.track
    paths = tuple(np.split(np.arange(len(found)), 1 + np.flatnonzero(np.diff(track))))
    named, group = np.unique(found.group, return_inverse=True)
    row_group = np.array([group[path[0]] for path in paths])
    code = np.array([_code(name, stages) for name in found.stage.tolist()], np.int64)
    names = [f"group {name}" for name in named.tolist()]
    if found.track is not None:
        for path, number in zip(paths[::-1], row_group[::-1], strict=True):
            names[number] = str(found.file[path[0]]).split("/")[0]
    return CellSequences(images, masks, code, paths, row_group, stages), np.array(names)


def _code(name: str, stages: StageSet) -> int:
    return stages.names.index(name) if name in stages.names else UNKNOWN


def examples_of(sequences: CellSequences) -> Examples:
    """The crops of sequences whose stage is known, one by one."""
    group = np.full(len(sequences.images), -1, np.int64)
    for path, number in zip(sequences.paths, sequences.group, strict=True):
        group[path] = number
    known = (sequences.code != UNKNOWN) & (group >= 0)
    return Examples(
        sequences.images[known].astype(np.float32),
        sequences.code[known],
        group[known],
        sequences.stages.names,
    )


def colour_examples(
    source: StageSource, stages: StageSet, progress: Progress = silent
) -> tuple[Examples, np.ndarray]:
    """Crops as the published classifier sees them, (n, 224, 224[, 3]) bytes; names of the groups.

    At the resolution of the source, with zeros beyond its border.
    """
    if source.crops is not None:
        images = source.crops.images
        if source.crops.track is None:
            images = read_crops(source.place, channel=None).images
        images = np.stack([_bytes(image) for image in images])
        middle = (np.array(images.shape[1:3]) / 2)[None]
        seen = np.concatenate([zero_padded(image, middle) for image in images])
        code = np.array([_code(name, stages) for name in source.crops.stage.tolist()], np.int64)
        named, group = np.unique(source.crops.group, return_inverse=True)
        names = np.array([f"group {name}" for name in named.tolist()])
        return Examples(seen, code, group, stages.names), names
    assert source.experiment is not None
    return _colour_of_movie(source.experiment, source.channel, stages, progress)


def _colour_of_movie(
    experiment: Experiment, channel: str | None, stages: StageSet, progress: Progress
) -> tuple[Examples, np.ndarray]:
    movie, labels, tracks = experiment.movie, experiment.labels, experiment.tracks
    assert tracks is not None and labels is not None
    told = tracks.cells[_TRUTH].to_numpy()
    code = np.array([_code(name, stages) for name in told.tolist()], np.int64)
    rows = np.flatnonzero(code != UNKNOWN)
    cut: np.ndarray = np.zeros((len(rows), SIZE, SIZE), np.uint8)
    place = np.full(len(tracks), -1)
    place[rows] = np.arange(len(rows))
    for sight in sights(movie, labels, tracks, channel=channel, progress=progress):
        wanted = place[sight.rows] >= 0
        if wanted.any():
            image = _bytes(sight.image.max(axis=0) if sight.image.ndim == 3 else sight.image)
            cut[place[sight.rows[wanted]]] = zero_padded(image, sight.centres_px[wanted, -2:])
    first = founders(parents(tracks), tracks.cells["frame"].to_numpy())[rows]
    named, group = np.unique(first, return_inverse=True)
    names = np.array([f"lineage {t}" for t in tracks.track_id.to_numpy()[named].tolist()])
    return Examples(cut, code[rows], group, stages.names), names


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(255 * lit(image)), np.uint8)
