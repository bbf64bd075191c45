"""Masks that are corrected before anything is tracked, by the viewer's own brush."""

import numpy as np
from napari.layers import Labels

from napari_cellcycle.data.drawn import drawn_masks

CORNER = (slice(2, 8), slice(2, 8))


def masks_of(viewer):
    return next(layer for layer in viewer.layers if isinstance(layer, Labels))


def painted(masks):
    return len(set(np.asarray(masks)[0][CORNER].ravel().tolist()) - {0}) == 1


def test_a_cell_painted_before_tracking_stays_when_steps_run_again(viewer, short, run, qtbot):
    short.segment.model.setCurrentText("threshold")
    short.segment.form.rows["diameter"].value = 14
    run(short, short.segment.run_button)
    layer = masks_of(viewer)
    label = int(np.asarray(layer.data).max()) + 1
    layer.data_setitem((np.zeros(36, int), *np.indices((6, 6)).reshape(2, -1) + 2), label)
    qtbot.waitUntil(lambda: drawn_masks(short.session.experiment.confirmed).get(0) == [label])

    run(short, short.segment.run_button)
    assert painted(masks_of(viewer).data)
    assert "was kept" in short.notice.sentence.text()

    short.steps["track"].model.setCurrentText("simple")
    run(short, short.steps["track"].run_button)
    cells = short.session.experiment.tracks.cells
    assert len(cells[(cells["by"] == "user") & (cells["frame"] == 0)]) == 1
    run(short, short.segment.run_button)
    assert painted(masks_of(viewer).data)
