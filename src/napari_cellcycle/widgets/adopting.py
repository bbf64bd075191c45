"""Taking over an experiment that was opened as layers, or from a file."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cellcycle.widgets.layers import forget_edits
from napari_cellcycle.widgets.movies import METADATA, plain
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.work import load

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def adopt_opened(dock: "CellCycle") -> None:
    """Take over the experiment that the chosen movie was opened from, once all layers are there."""
    movie, recording = dock.picker.layer, dock.session.recording
    if dock.task is not None or movie is None or recording is None:
        return
    if dock.session.result is not None:
        return
    known = movie.metadata.get(METADATA, {})
    layers = [x for x in map(plain, dock.viewer.layers) if _experiment_of(x) is not None]
    own = [layer for layer in layers if _experiment_of(layer) == known.get("experiment")]
    if own and len(own) >= known["layers"]:
        task = Task("Open", _opened, Path(known["experiment"]))
        task.succeeded.connect(partial(_on_adopted, dock, recording, own))
        dock.begin(task)


def _on_adopted(dock: "CellCycle", recording: Recording, own: list[Any], result: Result) -> None:
    if recording not in dock.session.recordings:
        result.close()
        return
    kinds = {layer.metadata[METADATA].get("shows"): layer for layer in own}
    recording.layers.adopt(kinds.get("labels"), kinds.get("tracks"))
    recording.saved_in = result.folder
    dock.session.open(result, recording)
    if result.warning:
        dock.notice.tell(result.warning)
    if "labels" in kinds:
        forget_edits(kinds["labels"])


def _opened(folder: Path, *, progress: Any) -> Result:
    return load(folder, progress)


def _experiment_of(layer: Any) -> Any:
    return layer.metadata.get(METADATA, {}).get("experiment")
