"""A viewer with the masks of a toy, whose corrections go into one history."""

import numpy as np
from corrections import experiment_of
from pointer import Pointer

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.widgets.display import display_of
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.session import Session


class Window:
    """The result of a toy, shown in a viewer with a session but no dock."""

    def __init__(self, viewer, made, kind="memory", tracked=True):
        experiment = experiment_of(made) if tracked else Experiment(made.movie, made.labels)
        masks = experiment.labels.to_array()
        self.start = masks.copy()
        if kind == "disk":
            masks = OverlaidMasks(LabelStack(masks))
        self.viewer = viewer
        self.session = Session(viewer)
        self.session.choose(viewer.add_image(experiment.movie.pixels[:, 0], name="toy"))
        self.session.open(result_of(experiment, masks))
        self.refused = []
        self.session.refused.connect(self.refused.append)
        self.parts = []
        self.mouse = Pointer(viewer, self.layer)
        viewer.layers.selection.active = self.layer
        self.go_to(0)

    @property
    def layer(self):
        """The masks layer."""
        return self.session.recording.layers.labels

    @property
    def draft(self):
        return self.session.draft

    @property
    def edits(self):
        return self.session.editor.history.done

    def add(self, part):
        """Something that is closed with the window."""
        self.parts.append(part)
        return part

    def go_to(self, frame, plane=None):
        self.viewer.dims.set_current_step(0, frame)
        if plane is not None:
            self.viewer.dims.set_current_step(1, plane)

    def on_screen(self):
        """What the masks layer shows: labels of the frame and plane that are seen."""
        return np.asarray(self.layer._slice.image.raw)

    def close(self):
        for part in self.parts:
            part.close()
        self.session.close()


def result_of(experiment, masks):
    """A result that can be corrected, with `masks` shared by the layer and the corrections."""
    editor = Editor(bench_of(experiment, masks), resolving=False)
    return Result(experiment, display_of(editor.draft, masks), None, editor)
