"""Teach a stage model from cells whose stage was set by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import plain
from napari_cellcycle.models.stage.model import RECURRENT, stages_of
from napari_cellcycle.models.store import Kind
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.stage.lessons import Cells, cells_of, row_groups
from napari_cellcycle.training.stage.sources import StageSource, source_of
from napari_cellcycle.training.teach.aside import aside_of
from napari_cellcycle.training.teach.copies import shared_groups
from napari_cellcycle.training.teach.lesson import Lesson, Material, State
from napari_cellcycle.training.teach.new_stages import as_told, stages_with, widened
from napari_cellcycle.training.teach.plan import Plan
from napari_cellcycle.training.teach.tallies import (
    Statistic,
    Tally,
    macro_f1_of,
    mean_fit,
    spherical,
)
from napari_cellcycle.training.teach.truth import lineage_of

_PRESETS = {True: "rnn", False: "frame"}
_OWN, _SIMULATED = 0.75, 0.25
"""Shares of what is learned from."""
_REMEMBERED, _MIXED_IN = 95_000, 65_000
"""First seeds of the simulated movies that show whether anything was forgotten, and of those
that are learned from."""
_MOVIES = 2


class StageLesson(Lesson):
    """Pinned stages of several experiments, by lineage."""

    kind: Kind = "stage"

    def __init__(self, material: Material, progress: Progress = silent) -> None:
        from napari_cellcycle.training.stage.presets import PRESETS

        self.material = material
        self._base_stages = stages_of(material.base.card)
        sources = _sources(material)
        self._stages = _stages(material, sources, self._base_stages)
        self._recurrent = material.base.card.architecture == RECURRENT
        self._preset = PRESETS[_PRESETS[self._recurrent]]
        channel = material.settings.channel
        cells = _copies_together(
            cells_of(sources, self._preset, self._stages, channel, False, progress), sources
        )
        group, code = row_groups(cells.data)
        known = code >= 0
        _check_kinds(code[known], self._stages)
        settings = material.settings
        aside = aside_of(
            group[known],
            code[known],
            settings.held_out_part,
            settings.seed,
            ("lineage", "lineages"),
            len(cells.names),
        )
        held = np.flatnonzero(aside.kept)
        self._learned = cells.without(held)
        self._kept = cells.only(held) if len(held) else None
        self.split, self.held = aside.words, f"{len(held)} lineages kept aside"
        self.counts = _counts(self._learned, self._stages)
        self.corrections = sum(self.counts.values())
        self.data = [f"{source.name}: stages set by hand" for source in sources]
        self.notes = tuple(_unseen(self._learned, self._kept, self._stages))
        self._memory: Any = None

    def start(self) -> State:
        """Weights of the base model, its last layer widened by stages that it does not tell yet."""
        return widened(self.material.base.weights(), self._base_stages, self._stages)

    @property
    def card_settings(self) -> dict[str, Any]:
        """The stages that the new model tells."""
        return {"stages": stages_to_json(self._stages)}

    def learn(
        self, plan: Plan, checkpoint: Checkpoint, progress: Progress = silent
    ) -> tuple[State, list[Epoch]]:
        """Teach on the lineages that are not kept aside, simulated cells among them."""
        simulated = None
        if plan.simulated and self._base_stages.names == H2B.names:
            first = _MIXED_IN + 1000 * plan.fit.seed
            simulated = self._simulated(first, plan.simulated, progress)
        held_out = None if self._kept is None else self._kept.data
        start = self.start()
        if self._recurrent:
            from napari_cellcycle.training.stage.recurrent import (
                SequenceTaskSettings,
                train_recurrent,
            )

            network, history = train_recurrent(
                [self._learned.data] if simulated is None else [self._learned.data, simulated],
                [1.0] if simulated is None else [_OWN, _SIMULATED],
                plan.fit,
                SequenceTaskSettings(batches=plan.batches, sequences=plan.batch_size),
                shape=self._shape,
                start=start,
                held_out=held_out,
                checkpoint=checkpoint,
                device=self.material.device,
                progress=progress,
            )
            return plain(network.state_dict()), history
        from napari_cellcycle.training.stage.frame import StageTaskSettings, train_network

        settings = self.material.base.card.settings
        frame_network, history = train_network(
            self._learned.data,
            simulated,
            plan.fit,
            StageTaskSettings(batches=plan.batches, batch_size=plan.batch_size, real_share=_OWN),
            width=int(settings["width"]),
            levels=bool(settings.get("levels", False)),
            start=start,
            held_out=held_out,
            checkpoint=checkpoint,
            device=self.material.device,
            progress=progress,
        )
        return plain(frame_network.state_dict()), history

    def judge(self, state: State, plan: Plan, progress: Progress = silent) -> Tally | None:
        """How well the stages of the cells that were kept aside are told."""
        return None if self._kept is None else self._tally(state, self._kept.data)

    def remembers(self, state: State, progress: Progress = silent) -> Tally | None:
        """How well the stages of simulated cells are told, if the base tells such stages.

        Only they are chosen from: simulated cells know nothing of stages that are new.
        """
        if self._base_stages.names != H2B.names:
            return None
        if self._memory is None:
            self._memory = self._simulated(_REMEMBERED, _MOVIES, progress)
            if self._recurrent:
                number = np.arange(len(self._memory)) % 8
                self._memory = replace(self._memory, group=number)
        known = [self._stages.names.index(name) for name in self._base_stages.names]
        return self._tally(state, self._memory, known)

    @property
    def _shape(self) -> Any:
        from napari_cellcycle.training.stage.recurrent import RecurrentSettings

        known = self.material.base.card.settings
        names = RecurrentSettings.model_fields
        return RecurrentSettings(**{name: known[name] for name in names if name in known})

    def _simulated(self, first: int, count: int, progress: Progress) -> Any:
        seeds = range(first, first + count)
        if self._recurrent:
            from napari_cellcycle.training.stage.sequences import simulated_sequences

            found = simulated_sequences(seeds, most=10, progress=progress)
            return as_told(found, H2B, self._stages)
        from napari_cellcycle.training.stage.crop_examples import simulated_examples

        return as_told(simulated_examples(seeds, progress=progress), H2B, self._stages)

    def _tally(self, state: State, data: Any, among: Sequence[int] | None = None) -> Tally:
        group, code = row_groups(data)
        known = code >= 0
        columns = np.arange(len(self._stages)) if among is None else np.asarray(among)
        chances = self._told(state, data)[known][:, columns]
        told, true = columns[chances.argmax(axis=1)], code[known]
        names = self._stages.names
        number = np.unique(group[known], return_inverse=True)[1]
        table = np.zeros((number.max() + 1, len(names), len(names)))
        np.add.at(table, (number, true, told), 1)
        fit = np.zeros(table.shape[:2])
        np.add.at(fit, (number, true), spherical(chances, np.searchsorted(columns, true)))
        there = np.flatnonzero(np.bincount(true, minlength=len(names))).tolist()
        shown = {f"F1 of {names[at]}": _f1_of(at, len(names)) for at in there}
        details = {
            "macro_f1": macro_f1_of(len(names)),
            "accuracy": _accuracy(len(names)),
            **shown,
        }
        often, square = table.sum(axis=2), len(names) ** 2
        return Tally(
            "certainty of the right stages",
            np.concatenate([table.reshape(len(table), -1), fit, often], axis=1),
            mean_fit(slice(square, square + len(names)), slice(square + len(names), None)),
            {name: _of_table(figure, len(names)) for name, figure in details.items()},
        )

    def _told(self, state: State, data: Any) -> np.ndarray:
        """Probabilities (n, S) that weights give the cells."""
        if self._recurrent:
            from napari_cellcycle.training.stage.recurrent import network_of, tell

            shape = self._shape
            network = network_of(len(self._stages), shape)
            network.load_state_dict(state)
            return tell(network.to(self.material.device).eval(), data, shape)
        from napari_cellcycle.models.stage.frame import FrameNetwork, predict
        from napari_cellcycle.training.stage.frame import VIEWS

        settings = self.material.base.card.settings
        frame = FrameNetwork(
            len(self._stages),
            int(settings["width"]),
            channels=int(settings.get("channels", 1)),
            levels=bool(settings.get("levels", False)),
        )
        frame.load_state_dict(state)
        return predict(frame.to(self.material.device).eval(), data.windows(), views=VIEWS)


def _of_table(figure: Statistic, stages: int) -> Statistic:
    """A figure of the confusion matrices alone."""
    return lambda sums: figure(sums[..., : stages**2])


def _sources(material: Material) -> list[StageSource]:
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


def _copies_together(cells: Cells, sources: Sequence[StageSource]) -> Cells:
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


def _stages(material: Material, sources: list[StageSource], base: StageSet) -> StageSet:
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


def _check_kinds(code: np.ndarray, stages: StageSet) -> None:
    kinds = np.unique(code)
    if len(kinds) < 2:
        name = stages.names[int(kinds[0])]
        raise BadInput(
            f"All cells that you set a stage of are in {name}, but a stage model learns from "
            "differences: set cells of at least one other stage, too."
        )


def _counts(cells: Cells, stages: StageSet) -> dict[str, int]:
    told = np.bincount(cells.code[cells.code >= 0], minlength=len(stages))
    return {name: int(n) for name, n in zip(stages.names, told, strict=True) if n}


def _unseen(learned: Cells, kept: Cells | None, stages: StageSet) -> list[str]:
    """A note on stages that are learned, but in no cell that was kept aside."""
    there = set(learned.code.tolist()) - {-1}
    tested = set() if kept is None else set(kept.code.tolist()) - {-1}
    untold = [name for at, name in enumerate(stages.names) if at in there - tested]
    if not untold or kept is None:
        return []
    return [
        f"No cell kept aside shows {', '.join(untold)}, so nothing is known of how well the new "
        "model tells that: correct it in another lineage, too."
    ]


def _f1_of(stage: int, stages: int) -> Statistic:
    def score(sums: np.ndarray) -> np.ndarray:
        table = sums.reshape(*sums.shape[:-1], stages, stages)
        both = table[..., stage, :].sum(-1) + table[..., :, stage].sum(-1)
        return np.asarray(2 * table[..., stage, stage] / np.maximum(both, 1e-9))

    return score


def _accuracy(stages: int) -> Statistic:
    def score(sums: np.ndarray) -> np.ndarray:
        table = sums.reshape(*sums.shape[:-1], stages, stages)
        hits = np.trace(table, axis1=-2, axis2=-1)
        return np.asarray(hits / np.maximum(table.sum(axis=(-2, -1)), 1e-9))

    return score
