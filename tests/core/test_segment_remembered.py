"""A segmenter that remembers its last image says the same as one that does not."""

import numpy as np
import torch

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
from napari_cellcycle.models.store import find_model


def test_what_is_remembered_of_an_image_does_not_change_what_is_found(monkeypatch):
    movie, model = open_movie(sample_path()), find_model("cellcycle-nuclei", "segment")
    cpu = torch.device("cpu")
    fresh, remembering = FlowSegmenter(model, cpu), FlowSegmenter(model, cpu)
    remembering.remember()
    asked, compute = [], remembering._compute
    monkeypatch.setattr(remembering, "_compute", lambda b: asked.append(1) or compute(b))
    for frame, threshold, times in ((3, 0.0, 1), (3, 2.0, 1), (4, 2.0, 2), (3, 0.0, 3)):
        image = movie.frame(frame)[:128, :128]
        settings = SegmentSettings(diameter=13, cell_threshold=threshold)
        found = remembering(image, movie.pixel_size, settings)
        assert np.array_equal(found, fresh(image, movie.pixel_size, settings))
        assert len(asked) == times
