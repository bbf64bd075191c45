"""Running a step of the dock on the chosen movie, and showing what it gave."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.jobs.job import StepName
from napari_cellcycle.pipeline.keep import is_anything_kept
from napari_cellcycle.widgets import estimates
from napari_cellcycle.widgets.channel_layers import unstack
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.step_section import TITLES
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.work import Request, compute

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

MISSED = (
    "What you corrected while this was computed is not in it: Undo brings back the result that "
    "has it."
)
NAMES: dict[StepName, str] = {**TITLES, "run": "Track and classify"}


def start(dock: "CellCycle", step: StepName) -> Task | None:
    """Run `step` ("segment", "track", "classify" or "run") on the chosen movie."""
    if dock.task is None:
        unstack(dock)
    dock.refresh()
    reason = dock.hindrance(step)
    recording, movie = dock.session.recording, dock.picker.movie
    if reason or recording is None or movie is None:
        dock.notice.tell(reason or "Choose a movie first.")
        return None
    experiment = Experiment(movie)
    known = dock.session.experiment
    if known is not None:
        known = replace(known, confirmed=still_true(known.confirmed, step))
    if step in ("segment", "run") and known is not None and is_anything_kept(known):
        experiment = replace(known, movie=movie)
    chosen = dock.source(step)
    if chosen is not None:
        tracks = chosen.tracks if step == "classify" else None
        experiment = replace(experiment, labels=chosen.labels, tracks=tracks)
        if known is not None and chosen.labels is known.labels:
            experiment = replace(
                experiment,
                stages=known.stages,
                history=known.history,
                confirmed=known.confirmed,
                tracks=known.tracks if step == "track" else tracks,
            )
    request = Request(
        step, dock.settings(step), experiment, recording.workplace, compute_settings()
    )
    task = Task(NAMES[step], compute, request, dock.child)
    models = {n: s.settings.model for n, s in dock.steps.items() if step in (n, "run")}
    corrected = partial(len, dock.session.editor.entries if dock.session.editor else [])
    task.succeeded.connect(partial(_on_computed, dock, recording, models, corrected, corrected()))
    return dock.begin(task)


def still_true(confirmed: frozenset[tuple[str, int]], step: StepName) -> frozenset[tuple[str, int]]:
    """What was confirmed, without the answers of an audit of what `step` makes anew."""
    links = () if step == "classify" else ("link", "division")
    gone = [f"audit {wrong}{kind}" for kind in ("stage", *links) for wrong in ("", "wrong ")]
    return frozenset(each for each in confirmed if each[0] not in gone)


def _on_computed(
    dock: "CellCycle",
    recording: Recording,
    models: dict[StepName, str],
    corrected: Callable[[], int],
    corrected_before: int,
    result: Result,
) -> None:
    history = result.experiment.history[-len(models) :]
    notes = " ".join(note for step in history for note in step.notes)
    if corrected() > corrected_before:
        notes = f"{notes} {MISSED}".strip()
    learn = partial(estimates.learn, result.experiment.movie, history, models)
    show(dock, recording, result, notes, learn)


def show(
    dock: "CellCycle",
    recording: Recording,
    result: Result,
    notes: str = "",
    *others: Callable[[], object],
) -> None:
    """Show `result` and its `notes` part by part, so that the viewer is not held up.

    If the movie is closed before, the dock only says where the result is; if another one is
    chosen, the result is still that of its own. `others` are done afterwards.
    """
    if dock.session.recording is not recording:
        dock.picker.choose(recording.layer)
    former = recording.result
    if result.display.has_stages and not (former and former.display.has_stages):
        dock.session.colour("stage")
    said = " ".join(part for part in (notes, result.warning) if part)
    tell = partial(dock.notice.tell, said, problem=False) if said else dock.notice.hide
    steps: list[Callable[[], object]] = [
        *recording.layers.steps(result.display),
        partial(dock.session.replace, result, recording),
        *others,
        tell,
    ]
    dock.show_later([partial(_if_open, dock, recording, result, step) for step in steps])


def _if_open(
    dock: "CellCycle", recording: Recording, result: Result, step: Callable[[], object]
) -> None:
    """Do a part of showing a result, or say where it is if its movie was closed meanwhile."""
    if recording in dock.session.recordings:
        step()
        return
    dock.show_later([])
    where = "The movie was closed meanwhile"
    where += f"; its result is in {result.folder}." if result.folder else ", and nothing is kept."
    dock.notice.tell(where, problem=False)
