"""Teach a stage model from cells whose stage was set by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import plain
from napari_cellcycle.models.stage.model import RECURRENT, stages_of
from napari_cellcycle.models.store import Kind
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.stage.lessons import cells_of, row_groups
from napari_cellcycle.training.teach.aside import aside_of, turns_of
from napari_cellcycle.training.teach.lesson import Learned, Lesson, Material, State, blended
from napari_cellcycle.training.teach.new_stages import as_told, widened
from napari_cellcycle.training.teach.plan import Plan, architecture_of, plan_for
from napari_cellcycle.training.teach.stage_cells import (
    check_kinds,
    copies_together,
    counts_of,
    notes_on_unseen,
    sources_in,
    stages_for,
)
from napari_cellcycle.training.teach.tallies import (
    Statistic,
    Tally,
    log_chance,
    macro_f1_of,
    mean_fit,
    spherical,
)

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.frame import FrameNetwork

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
        sources = sources_in(material)
        self._stages = stages_for(material, sources, self._base_stages)
        self._recurrent = material.base.card.architecture == RECURRENT
        self._preset = PRESETS[_PRESETS[self._recurrent]]
        channel = material.settings.channel
        cells = copies_together(
            cells_of(sources, self._preset, self._stages, channel, False, progress), sources
        )
        group, code = row_groups(cells.data)
        known = code >= 0
        check_kinds(code[known], self._stages)
        settings = material.settings
        self._in_turn = not self._recurrent and _learns_last_layer(material, int(known.sum()))
        self._aside = (turns_of if self._in_turn else aside_of)(
            group[known],
            code[known],
            settings.held_out_part,
            settings.seed,
            ("lineage", "lineages"),
            len(cells.names),
        )
        held = np.flatnonzero(self._aside.kept)
        self._learned = cells if self._in_turn else cells.without(held)
        self._kept = [cells.only(groups) for groups in self._aside.parts]
        self.split = self._aside.words
        self.held = f"{len(held)} lineages kept aside{' in turn' if self._in_turn else ''}"
        self.counts = counts_of(self._learned, self._stages)
        self.corrections = sum(self.counts.values())
        self.data = [f"{source.name}: stages set by hand" for source in sources]
        self.notes = tuple(notes_on_unseen(self._learned, self._kept, self._stages))
        self._memory: Any = None

    def start(self) -> State:
        """Weights of the base model, its last layer widened by stages that it does not tell yet."""
        return widened(self.material.base.weights(), self._base_stages, self._stages)

    @property
    def card_settings(self) -> dict[str, Any]:
        """The stages that the new model tells."""
        return {"stages": stages_to_json(self._stages)}

    def learn(self, plan: Plan, checkpoint: Checkpoint, progress: Progress = silent) -> Learned:
        """Teach on the lineages that are not kept aside, simulated cells among them."""
        simulated = None
        if plan.simulated and self._base_stages.names == H2B.names:
            first = _MIXED_IN + 1000 * plan.fit.seed
            simulated = self._simulated(first, plan.simulated, progress)
        if self._recurrent:
            return self._learn_recurrent(plan, simulated, checkpoint, progress)
        task = {"batches": plan.batches, "batch_size": plan.batch_size, "real_share": _OWN}
        if self._in_turn:
            return self._learn_in_turn(plan, task, simulated, checkpoint, progress)
        from napari_cellcycle.training.stage.frame import StageTaskSettings, train_network

        settings = self.material.base.card.settings
        network, history = train_network(
            self._learned.data,
            simulated,
            plan.fit,
            StageTaskSettings(**task),
            width=int(settings["width"]),
            levels=bool(settings.get("levels", False)),
            **self._whole(checkpoint, progress),
        )
        return Learned(plain(network.state_dict()), history)

    def _learn_recurrent(
        self, plan: Plan, simulated: Any, checkpoint: Checkpoint, progress: Progress
    ) -> Learned:
        from napari_cellcycle.training.stage.recurrent import SequenceTaskSettings, train_recurrent

        network, history = train_recurrent(
            [self._learned.data] if simulated is None else [self._learned.data, simulated],
            [1.0] if simulated is None else [_OWN, _SIMULATED],
            plan.fit,
            SequenceTaskSettings(batches=plan.batches, sequences=plan.batch_size),
            shape=self._shape,
            **self._whole(checkpoint, progress),
        )
        return Learned(plain(network.state_dict()), history)

    def _learn_in_turn(
        self,
        plan: Plan,
        task: dict[str, Any],
        simulated: Any,
        checkpoint: Checkpoint,
        progress: Progress,
    ) -> Learned:
        from napari_cellcycle.training.stage.frame import StageTaskSettings
        from napari_cellcycle.training.stage.last_layer import train_last_layer

        data = self._learned.data
        layers, history = train_last_layer(
            self.start(),
            self._frame_network().to(self.material.device),
            data,
            simulated,
            self._aside.part[data.group],
            plan.fit,
            StageTaskSettings(**task),
            checkpoint=checkpoint,
            progress=progress,
        )
        return Learned(layers.whole, history, layers.apart)

    def learned(self, weights: State, history: Sequence[Epoch]) -> Learned:
        """What `learn` would give had it ended with these weights."""
        if not self._in_turn:
            return Learned(weights, history)
        from napari_cellcycle.training.stage.last_layer import last_layers

        layers = last_layers(self.start(), weights)
        return Learned(layers.whole, history, layers.apart)

    def _whole(self, checkpoint: Checkpoint, progress: Progress) -> dict[str, Any]:
        """What each way to teach a whole network begins with, and what is kept aside for good."""
        return {
            "start": self.start(),
            "held_out": self._kept[0].data if self._kept else None,
            "checkpoint": checkpoint,
            "device": self.material.device,
            "progress": progress,
        }

    def judge(self, state: State, plan: Plan, progress: Progress = silent) -> Tally | None:
        """How well the stages of the cells that were kept aside are told."""
        return self._judged([state] * len(self._kept))

    def judge_step(
        self, learned: Learned, share: float, plan: Plan, progress: Progress = silent
    ) -> Tally | None:
        """As `judge`; what was kept aside in turn is told by weights that have not seen it."""
        if not self._in_turn:
            return super().judge_step(learned, share, plan, progress)
        old = self.start()
        return self._judged([blended(old, one, share) for one in learned.apart])

    def _judged(self, states: Sequence[State]) -> Tally | None:
        """Score weights, each on a part of what was kept aside."""
        pairs = list(zip(states, (cells.data for cells in self._kept), strict=True))
        return self._tally(pairs) if pairs else None

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
        return self._tally([(state, self._memory)], known)

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

    def _tally(
        self, pairs: Sequence[tuple[State, Any]], among: Sequence[int] | None = None
    ) -> Tally:
        """How well weights tell the stages of cells, by lineage."""
        columns = np.arange(len(self._stages)) if among is None else np.asarray(among)
        chances = np.concatenate([self._told(*pair) for pair in pairs])[:, columns]
        rows = [row_groups(data) for _, data in pairs]
        code = np.concatenate([own for _, own in rows])
        known = code >= 0
        chances, true = chances[known], code[known]
        told = columns[chances.argmax(axis=1)]
        names = self._stages.names
        number = _numbered([group for group, _ in rows])[known]
        number = np.unique(number, return_inverse=True)[1]
        table = np.zeros((number.max() + 1, len(names), len(names)))
        np.add.at(table, (number, true, told), 1)
        fit = np.zeros(table.shape[:2])
        chances = chances / chances.sum(axis=1, keepdims=True)
        fits = log_chance if self._in_turn else spherical
        np.add.at(fit, (number, true), fits(chances, np.searchsorted(columns, true)))
        there = np.flatnonzero(np.bincount(true, minlength=len(names))).tolist()
        shown = {f"F1 of {names[at]}": _f1_of(at, len(names)) for at in there}
        details = {
            "macro_f1": macro_f1_of(len(names)),
            "accuracy": _accuracy(len(names)),
            **shown,
        }
        often, square = table.sum(axis=2), len(names) ** 2
        mean = mean_fit(slice(square, square + len(names)), slice(square + len(names), None))
        return Tally(
            "certainty of the right stages",
            np.concatenate([table.reshape(len(table), -1), fit, often], axis=1),
            (lambda sums: np.exp(mean(sums))) if self._in_turn else mean,
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
        from napari_cellcycle.models.stage.frame import predict
        from napari_cellcycle.training.stage.frame import VIEWS

        frame = self._frame_network()
        frame.load_state_dict(state)
        return predict(frame.to(self.material.device).eval(), data.windows(), views=VIEWS)

    def _frame_network(self) -> "FrameNetwork":
        """A network that the weights fit, if they are those of single images."""
        from napari_cellcycle.models.stage.frame import FrameNetwork

        settings = self.material.base.card.settings
        return FrameNetwork(
            len(self._stages),
            int(settings["width"]),
            channels=int(settings.get("channels", 1)),
            levels=bool(settings.get("levels", False)),
        )


def _learns_last_layer(material: Material, corrections: int) -> bool:
    """Whether a model of single images would learn from so many with its last layer alone."""
    architecture = architecture_of(material.base.card.architecture)
    assert architecture is not None
    return bool(plan_for("stage", architecture, material.settings, corrections).fit.layers)


def _numbered(groups: Sequence[np.ndarray]) -> np.ndarray:
    """Groups of several parts, which count from 0 in each, as numbers of their own."""
    first = np.cumsum([0, *(int(group.max()) + 1 for group in groups)])
    return np.concatenate([group + start for group, start in zip(groups, first, strict=False)])


def _of_table(figure: Statistic, stages: int) -> Statistic:
    """A figure of the confusion matrices alone."""
    return lambda sums: figure(sums[..., : stages**2])


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
