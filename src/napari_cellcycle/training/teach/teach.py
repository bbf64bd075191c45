"""Teach models from corrections: score before, learn, score after on the same truth, propose."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_cellcycle.errors import BadInput, MissingModel, OutOfMemory, is_out_of_memory
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.library import free_name
from napari_cellcycle.models.library_cards import ancestry
from napari_cellcycle.models.store import Kind, Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.teach.contradictions import check_links, check_stages
from napari_cellcycle.training.teach.lesson import (
    HeardCheckpoint,
    Learned,
    Lesson,
    Material,
    Named,
    best_so_far,
    blended,
)
from napari_cellcycle.training.teach.material import base_of, open_material
from napari_cellcycle.training.teach.plan import FAR_OFF, Plan, architecture_of, plan_for
from napari_cellcycle.training.teach.proposals import (
    PROPOSED,
    keep_request,
    read_part,
    read_result,
    write_part,
    write_result,
)
from napari_cellcycle.training.teach.request import TeachRequest, TeachSettings
from napari_cellcycle.training.teach.result import Round, TaughtModel, TaughtResult, Verdict
from napari_cellcycle.training.teach.verdicts import Tried, chosen, judged
from napari_cellcycle.training.threads import threads

Listen = Callable[[dict[str, Any]], None]
"""Hears of each round of learning: kind, epoch, loss, score, seconds, seconds_left."""
_PREPARED, _LEARNED = 0.15, 0.8
"""Share of the work of a kind that is over before learning begins, and when it ends."""
_WHOLE = 10_000
_PACKAGES = ("napari-cellcycle", "torch", "numpy")


def teach(
    request: TeachRequest, progress: Progress = silent, listen: Listen | None = None
) -> TaughtResult:
    """Teach all models asked for and propose them; nothing is replaced.

    A teaching that was interrupted goes on where it was, and ends with the same weights. What is
    done is kept in `request.folder`.

    Raises
    ------
    BadInput
        There is nothing to learn from, or the corrections contradict each other; if several kinds
        are asked for, only when none of them can be taught.
    Cancelled
        From `progress`; `keep_best` makes a proposal of what was learned so far.
    """
    with threads(request.threads):
        return _Teaching(request, progress, listen).run(keep_best=False)


def keep_best(request: TeachRequest, progress: Progress = silent) -> TaughtResult:
    """Make proposals of the best rounds so far of a teaching that was stopped.

    Raises `BadInput` if no round of learning was over.
    """
    with threads(request.threads):
        return _Teaching(request, progress, None).run(keep_best=True)


class _Teaching:
    """One teaching: its kinds one after the other, each kept as soon as it is done."""

    def __init__(self, request: TeachRequest, progress: Progress, listen: Listen | None) -> None:
        self._request, self._progress, self._listen = request, progress, listen

    def run(self, *, keep_best: bool) -> TaughtResult:
        request = self._request
        former = read_result(request.folder)
        if former is not None:
            return former
        if not request.kinds:
            raise BadInput("Nothing is to be taught: choose segment, link or stage.")
        self._request = request = keep_request(request)
        experiments = open_material(request, self._part(0, 0, 0.02))
        models: list[TaughtModel] = []
        refused: dict[Kind, str] = {}
        for number, kind in enumerate(request.kinds):
            try:
                found = read_part(request, kind)
                models.append(found or self._one(kind, number, experiments, keep_best))
            except (BadInput, MissingModel) as error:
                refused[kind] = str(error)
        if not models:
            raise BadInput(" ".join(dict.fromkeys(refused.values())))
        result = TaughtResult(request=request, models=tuple(models), refused=refused)
        write_result(result)
        self._progress(_WHOLE, _WHOLE, "Done")
        return result

    def _one(
        self, kind: Kind, number: int, experiments: list[Named], keep_best: bool
    ) -> TaughtModel:
        """Teach one kind, in smaller batches and then on the processor where memory runs out."""
        settings, device = self._request.settings, self._request.device
        notes: list[str] = []
        _check(kind, experiments)
        base = base_of(self._request, kind)
        name = _new_name(self._request, kind, base)
        while True:
            try:
                one = _One(self._request, kind, base, name, settings, device, tuple(notes))
                return one.taught(
                    experiments,
                    lambda a, b: self._part(number, a, b),
                    self._listen,
                    keep_best=keep_best,
                )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                smaller = one.smaller_batch()
                if smaller:
                    settings = settings.model_copy(update={"batch_size": smaller})
                    notes.append(f"The memory ran out, so it learned from {smaller} at once.")
                elif one.is_on_card:
                    device = "cpu"
                    settings = self._request.settings
                    notes.append("The graphics card's memory ran out, so it learned on the CPU.")
                else:
                    raise OutOfMemory(
                        "The memory ran out even with the smallest batch: close other programs, "
                        "or teach from fewer experiments at once."
                    ) from error

    def _part(self, number: int, first: float, last: float) -> Progress:
        """Progress of a part of one kind's work, as a part of the whole."""
        kinds = len(self._request.kinds)

        def shown(done: int, total: int, message: str = "") -> None:
            share = first + (last - first) * (min(1.0, done / total) if total > 0 else 0.0)
            self._progress(round(_WHOLE * (number + share) / kinds), _WHOLE, message)

        return shown


class _One:
    """The teaching of one kind, with one size of batches, on one device."""

    def __init__(
        self,
        request: TeachRequest,
        kind: Kind,
        base: Model,
        name: str,
        settings: TeachSettings,
        device: str,
        notes: tuple[str, ...],
    ) -> None:
        self._request, self._kind, self._base, self._name = request, kind, base, name
        self._settings, self._notes = settings, notes
        self._device = choose_device(device)
        self._plan: Plan | None = None

    @property
    def is_on_card(self) -> bool:
        """Whether it runs on a graphics card."""
        return self._device.type != "cpu"

    def smaller_batch(self) -> int | None:
        """Half of the size of the batches; None if they cannot be smaller."""
        if self._plan is None or self._plan.batch_size < 2:
            return None
        return self._plan.batch_size // 2

    @property
    def _checkpoint(self) -> Path:
        size = self._settings.batch_size or "usual"
        return self._request.folder / f"{self._kind}-{size}-{self._device.type}.training"

    @property
    def _checkpoints(self) -> list[Path]:
        """What there is of rounds of this kind, with batches of any size, the latest first."""
        found = self._request.folder.glob(f"{self._kind}-*.training")
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def taught(
        self,
        experiments: list[Named],
        part: Callable[[float, float], Progress],
        listen: Listen | None,
        *,
        keep_best: bool,
    ) -> TaughtModel:
        """Learn, choose how far to go, judge and store the proposal."""
        began = time.perf_counter()
        kept = next(filter(None, map(best_so_far, self._checkpoints)), None) if keep_best else None
        if keep_best and kept is None:
            raise BadInput(
                f"No round of learning of the kind {self._kind!r} was over, so there is nothing "
                "to keep of it."
            )
        material = Material(self._base, experiments, self._settings, self._device)
        lesson = _lesson(self._kind, material, part(0.02, _PREPARED / 2))
        plan = self._planned(lesson)
        old = lesson.start()
        before = part(_PREPARED / 2, _PREPARED)
        first = Tried(0.0, lesson.judge(old, plan, before), lesson.remembers(old, before))
        if first.held_out is not None and first.held_out.value < FAR_OFF:
            plan = self._planned(lesson, is_far_off=True)
        learned = (
            lesson.learned(*kept)
            if kept
            else lesson.learn(
                plan,
                HeardCheckpoint(
                    self._checkpoint, self._about(lesson), heard=self._heard(listen, plan)
                ),
                part(_PREPARED, _LEARNED),
            )
        )
        steps = [
            _tried(lesson, learned, share, plan, part(_LEARNED, 0.98)) for share in plan.shares
        ]
        best = chosen(first, steps, self._settings.seed)
        verdict = judged(first, best, lesson.held, self._settings.seed)
        seconds = time.perf_counter() - began
        card = _card(self._name, self._base, lesson, plan, verdict, learned.history, seconds)
        proposed = blended(old, learned.state, best.share)
        model = save_model(proposed, card, self._request.folder / PROPOSED)
        stopped = ("It was stopped early; this is the best so far.",) if keep_best else ()
        taught = TaughtModel(
            kind=self._kind,
            base=self._base.card.name,
            name=self._name,
            path=model.path,
            verdict=verdict,
            split=lesson.split,
            counts=lesson.counts,
            rounds=tuple(
                Round(number=e.number, loss=e.loss, score=e.score, seconds=e.seconds)
                for e in learned.history
            ),
            notes=(*self._notes, *lesson.notes, *stopped),
            seconds=round(seconds, 1),
        )
        write_part(self._request, taught)
        for path in self._checkpoints:
            path.unlink(missing_ok=True)
        return taught

    def _planned(self, lesson: Lesson, *, is_far_off: bool = False) -> Plan:
        architecture = architecture_of(self._base.card.architecture)
        assert architecture is not None
        plan = plan_for(
            self._kind, architecture, self._settings, lesson.corrections, is_far_off=is_far_off
        )
        self._plan = replace(plan, fit=plan.fit.model_copy(update={"steady": True}))
        return self._plan

    def _about(self, lesson: Lesson) -> dict[str, Any]:
        return {"base": self._base.card.model_dump_json(), "counts": lesson.counts}

    def _heard(self, listen: Listen | None, plan: Plan) -> Callable[[Epoch], None]:
        def heard(epoch: Epoch) -> None:
            if listen is not None:
                listen(
                    {
                        "kind": self._kind,
                        "epoch": epoch.number,
                        "loss": epoch.loss,
                        "score": epoch.score,
                        "seconds": epoch.seconds,
                        "seconds_left": (plan.fit.epochs - epoch.number) * epoch.seconds,
                    }
                )

        return heard


def _check(kind: Kind, experiments: list[Named]) -> None:
    if kind == "link":
        check_links(experiments)
    if kind == "stage":
        check_stages(experiments)


def _lesson(kind: Kind, material: Material, progress: Progress) -> Lesson:
    if kind == "segment":
        from napari_cellcycle.training.teach.mask_lesson import MaskLesson

        return MaskLesson(material, progress)
    if kind == "link":
        from napari_cellcycle.training.teach.link_lesson import LinkLesson

        return LinkLesson(material, progress)
    from napari_cellcycle.training.teach.stage_lesson import StageLesson

    return StageLesson(material, progress)


def _tried(lesson: Lesson, learned: Learned, share: float, plan: Plan, progress: Progress) -> Tried:
    """A step of a `share` of the way from the old weights, and how well it does."""
    state = blended(lesson.start(), learned.state, share)
    held_out = lesson.judge_step(learned, share, plan, progress)
    return Tried(share, held_out, lesson.remembers(state, progress))


def _new_name(request: TeachRequest, kind: Kind, base: Model) -> str:
    """The name asked for, which was free when the teaching began, or one made from the base."""
    stem = base.card.name if base.card.parent else f"{base.card.name}-taught"
    return free_name(request.names.get(kind, stem), request.model_folder)


def _card(
    name: str,
    base: Model,
    lesson: Lesson,
    plan: Plan,
    verdict: Verdict,
    history: Sequence[Epoch],
    seconds: float,
) -> ModelCard:
    card = base.card
    training = {
        **plan.fit.model_dump(),
        "batches in a round": plan.batches,
        "batch size": plan.batch_size,
        "simulated movies": plan.simulated,
        "share of the way from the old weights": verdict.share,
        "loss": [round(epoch.loss, 4) for epoch in history],
        "held-out score": [None if e.score is None else round(e.score, 4) for e in history],
    }
    return ModelCard(
        name=name,
        kind=card.kind,
        architecture=card.architecture,
        description=f"{card.name}, taught further from corrections",
        settings={**card.settings, **lesson.card_settings, "training": training},
        data=lesson.data,
        split=lesson.split,
        metrics=_metrics(verdict),
        licence=card.licence,
        examples=lesson.counts,
        parent=card.name,
        history=ancestry(card),
        software={package: version(package) for package in _PACKAGES},
        seconds=round(seconds, 1),
    )


def _metrics(verdict: Verdict) -> dict[str, Any]:
    """Figures before and after, as model cards hold them."""
    found: dict[str, Any] = {}
    for where, one in (("kept aside", verdict.held_out), ("simulated movies", verdict.remembered)):
        if one is None:
            continue
        sides = ((where, 1, one.after_interval), (f"{where}, before", 0, one.before_interval))
        for title, side, interval in sides:
            figures = {name: round(both[side], 4) for name, both in one.figures.items()}
            found[title] = {
                **figures,
                one.name: round((one.before, one.after)[side], 4),
                "interval": [round(bound, 4) for bound in interval],
            }
    return found
