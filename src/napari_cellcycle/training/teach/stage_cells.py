"""The cells whose stage was set by hand: where they are, what they show, what is missing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.stage.lessons import Cells
from napari_cellcycle.training.stage.sources import StageSource, source_of
from napari_cellcycle.training.teach.copies import shared_groups
from napari_cellcycle.training.teach.lesson import Material
from napari_cellcycle.training.teach.new_stages import stages_with
from napari_cellcycle.training.teach.truth import lineage_of


def sources_in(material: Material) -> list[StageSource]:
    """The experiments in which any stage was set by hand."""
    found = []
    for name, experiment in material.experiments:
        if experiment.tracks is None or experiment.labels is None:
            continue
        source = source_of(experiment, Path(name), material.settings.channel)
        if _told_stages(source):
            found.append(source)
    if not found:
        raise BadInput(
            "No cell has a stage that you set, so the stage model has nothing to learn from: set "
            "the stages of some cells first, of at least two stages."
        )
    return found


def copies_together(cells: Cells, sources: Sequence[StageSource]) -> Cells:
    """The cells, with lineages of the same ones in copies of a movie as one group."""
    experiments = [source.experiment for source in sources if source.experiment is not None]
    tracks = [one.tracks for one in experiments if one.tracks is not None]
    lineages = shared_groups(experiments, [lineage_of(one) for one in tracks])
    number = {
        f"{source.name}: lineage {track}": lineage
        for source, one, each in zip(sources, tracks, lineages, strict=True)
        for track, lineage in zip(one.track_id.tolist(), each.tolist(), strict=True)
    }
    common = np.array([number[name] for name in cells.names.tolist()])
    _, first, group = np.unique(common, return_index=True, return_inverse=True)
    data = replace(cells.data, group=group[cells.data.group])
    return replace(cells, data=data, names=cells.names[first])


def stages_for(material: Material, sources: list[StageSource], base: StageSet) -> StageSet:
    """The stages that the new model tells: those of the base, and others that cells were set to."""
    told = set().union(*(_told_stages(source) for source in sources))
    found = stages_with(base, [source.stages for source in sources], told)
    if found is not None:
        return found
    strange = sorted(told - set(base.names))
    name = next(source.name for source in sources if _told_stages(source) & set(strange))
    raise BadInput(
        f"{name} shows {', '.join(strange)}, but the model {material.base.card.name!r} tells "
        f"{', '.join(base.names)}: choose a base model with the same stages, use a set of stages "
        "that holds all of these, or train a model for yours with 'napari-cellcycle train stage "
        "--start none'."
    )


def _told_stages(source: StageSource) -> set[str]:
    assert source.experiment is not None and source.experiment.tracks is not None
    cells = source.experiment.tracks.cells
    if "pinned" not in cells:
        return set()
    return {str(name) for name in cells["pinned"].fillna("").unique() if name}


def check_kinds(code: np.ndarray, stages: StageSet) -> None:
    """Raise `BadInput` if all cells are of one stage."""
    kinds = np.unique(code)
    if len(kinds) < 2:
        name = stages.names[int(kinds[0])]
        raise BadInput(
            f"All cells that you set a stage of are in {name}, but a stage model learns from "
            "differences: set cells of at least one other stage, too."
        )


def counts_of(cells: Cells, stages: StageSet) -> dict[str, int]:
    """How many cells were set to each stage, of those that any was set to."""
    told = np.bincount(cells.code[cells.code >= 0], minlength=len(stages))
    return {name: int(n) for name, n in zip(stages.names, told, strict=True) if n}


def notes_on_unseen(learned: Cells, kept: Sequence[Cells], stages: StageSet) -> list[str]:
    """A note on stages that are learned, but in no cell that was kept aside."""
    there = set(learned.code.tolist()) - {-1}
    tested = {code for cells in kept for code in cells.code.tolist()} - {-1}
    untold = [name for at, name in enumerate(stages.names) if at in there - tested]
    if not untold or not kept:
        return []
    return [
        f"No cell kept aside shows {', '.join(untold)}, so nothing is known of how well the new "
        "model tells that: correct it in another lineage, too."
    ]
