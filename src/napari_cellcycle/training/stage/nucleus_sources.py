"""Where states of nuclei are learned from: lineages of tracked movies, and folders of samples."""

from pathlib import Path

import numpy as np

from napari_cellcycle.data.channel import channel_of
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.experiment import is_experiment, open_experiment
from napari_cellcycle.io.lineage_graph import is_embryo, open_embryo
from napari_cellcycle.io.nucleus_folders import find_samples
from napari_cellcycle.models.stage.nucleus.folders import stacked
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset
from napari_cellcycle.models.stage.nucleus.samples import scaled
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.stage.nucleus_examples import NucleusExamples, movie_examples
from napari_cellcycle.training.stage.nucleus_states import corrected_states


def open_nuclei(
    place: str | Path,
    preset: NucleusPreset,
    *,
    channel: str | None = None,
    trust_all: bool = False,
    progress: Progress = silent,
) -> tuple[NucleusExamples, np.ndarray]:
    """Samples of an experiment, an embryo or a folder of samples, and the names of their groups.

    Of an experiment, what the user set and corrected tells what becomes of each nucleus (see
    `corrected_states`), with `trust_all` the whole lineage, and the movie is one group; an
    embryo with a lineage graph tells all of it; of samples, their folder tells, and a group are
    those of one data set.

    Raises `BadInput` if it is none of them, or no state is known.
    """
    place = Path(place).expanduser()
    if is_experiment(place):
        experiment = open_experiment(place)
        if experiment.labels is None or experiment.tracks is None or not len(experiment.tracks):
            raise BadInput(
                f"The experiment {place} has no tracked cells, so there is nothing to learn from: "
                "track them first."
            )
        parts = (experiment.movie, experiment.labels, experiment.tracks)
        channel = channel or channel_of(experiment)
        states = corrected_states(experiment, channel, trust_all=trust_all)
        if not states.known.any():
            raise BadInput(
                f"No nucleus of {place} has a state that you set, or links that you corrected, so "
                "there is nothing to learn from: correct some, or add --trust-all if you have "
                "checked that all links are right."
            )
        found = movie_examples(*parts, preset, states=states, channel=channel, progress=progress)
        return found, np.array(["all frames"])
    if is_embryo(place):
        embryo = open_embryo(place, progress=progress)
        parts = (embryo.movie, embryo.labels, embryo.tracks)
        found = movie_examples(*parts, preset, channel=channel, progress=progress)
        return found, np.array(["all frames"])
    samples = [sample for sample in find_samples(place) if sample.state in NUCLEUS.names]
    if not samples:
        raise BadInput(
            f"The samples in {place} lie in no folder that names their state; expected "
            f"{', '.join(name.replace(' ', '_') for name in NUCLEUS.names)}."
        )
    code = np.array([NUCLEUS.names.index(str(sample.state)) for sample in samples], np.int64)
    names, group = np.unique([s.dataset or "samples" for s in samples], return_inverse=True)
    cut = scaled(stacked(samples, preset, strict=True), preset).astype(np.float16)
    return NucleusExamples(cut, code, np.ones(len(code), bool), group, preset), names
