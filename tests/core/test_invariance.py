"""What must not matter to linking does not, and odd movies are survived, by every link model."""

from functools import lru_cache

import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.models.store import SHIPPED, list_models
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.simulate import simulate

MODELS = [
    model.card.name
    for model in list_models("link")
    if model.path.parent == SHIPPED and not model.card.architecture.startswith("paper")
]
"""All that we ship but the networks of the paper, which see the axes of the image."""
both_dimensions = pytest.mark.parametrize("ndim", [2, 3])
every_model = pytest.mark.parametrize("model", MODELS)


@lru_cache
def simulated(ndim):
    """Pixels, masks, pixel size and true links of a small movie; rows of cells count from 1."""
    size = {"size": 220, "cells": 22} if ndim == 2 else {"size": 72, "cells": 8, "planes": 10}
    frames = 16 if ndim == 2 else 10
    settings = SimulateSettings(ndim=ndim, seed=77_003, frames=frames, cycle_hours=3, **size)
    made = simulate(settings)
    return np.asarray(made.movie.pixels), made.labels.to_array(), made.movie.pixel_size


def linked(pixels, masks, pixel_size, model, **settings):
    """Pairs of cells, numbered by frame and by value of the mask, as every frame has them."""
    movie = Movie(pixels, pixel_size, 300.0, ("H2B",))
    settings = TrackSettings(model=model, fill_gaps=False, **settings)
    _, tracks = track(movie, LabelStack(masks), settings, device="cpu")
    return set(map(tuple, tracks.links[["parent", "child"]].to_numpy().tolist())), tracks


def padded(pixels, masks, before, after):
    """Background on both sides, in y and x."""
    sides = [(0, 0)] * (masks.ndim - 2) + [(before, after)] * 2
    dark = int(np.median(pixels))
    return np.pad(pixels, [(0, 0), *sides], constant_values=dark), np.pad(masks, sides)


@every_model
@both_dimensions
def test_the_same_movie_gives_the_same_links_twice(model, ndim):
    movie = simulated(ndim)
    one, first = linked(*movie, model)
    two, second = linked(*movie, model)
    assert one == two
    assert (first.links["score"] == second.links["score"]).all()
    assert len(one) > 50


@every_model
@both_dimensions
def test_where_the_cells_lie_in_the_frame_changes_no_link(model, ndim):
    """Shifted by whole pixels, far enough from the border to be out of its influence."""
    pixels, masks, size = simulated(ndim)
    one, _ = linked(*padded(pixels, masks, 66, 83), size, model)
    two, _ = linked(*padded(pixels, masks, 83, 66), size, model)
    assert one == two


@every_model
@both_dimensions
@pytest.mark.parametrize("turn", ["rotated", "transposed", "mirrored"])
def test_turning_the_movie_changes_fewer_than_one_link_in_a_thousand(model, ndim, turn):
    pixels, masks, size = simulated(ndim)
    turned = {
        "rotated": lambda a: np.rot90(a, axes=(-2, -1)),
        "transposed": lambda a: np.swapaxes(a, -1, -2),
        "mirrored": lambda a: a[..., ::-1],
    }[turn]
    one, _ = linked(pixels, masks, size, model)
    two, _ = linked(turned(pixels).copy(), turned(masks).copy(), size, model)
    assert len(one ^ two) <= len(one) / 1_000


@every_model
def test_the_order_of_the_cells_in_a_frame_does_not_matter(model):
    pixels, masks, size = simulated(2)
    random = np.random.default_rng(0)
    names = [np.append(0, 1 + random.permutation(masks.max())) for _ in masks]
    other = np.stack([name[mask] for name, mask in zip(names, masks, strict=True)])
    found = []
    for given, label in ((masks, None), (other.astype(np.int32), names)):
        links, tracks = linked(pixels, given, size, model)
        values = [np.unique(mask)[1:] for mask in given]
        back = [
            v if label is None else np.argsort(n)[v] for v, n in zip(values, names, strict=True)
        ]
        cell = [(t, old) for t, frame in enumerate(back) for old in frame.tolist()]
        assert len(cell) == len(tracks)
        found.append({(cell[p - 1], cell[c - 1]) for p, c in links})
    assert found[0] == found[1]


@every_model
def test_one_frame_gives_cells_without_links(model):
    pixels, masks, size = simulated(2)
    links, tracks = linked(pixels[:1], masks[:1], size, model)
    assert not links
    assert tracks.track_id.nunique() == len(tracks) == len(np.unique(masks[0])) - 1


@every_model
@both_dimensions
def test_a_single_cell_is_one_track(model, ndim):
    shape = (5, 40, 40)[-ndim:]
    masks = np.zeros((4, *shape), np.int32)
    for time in range(4):
        masks[time, ..., 10 + 2 * time : 20 + 2 * time, 15:25] = 7
    pixels = (100 + 50 * (masks[:, None] > 0)).astype(np.uint16)
    links, tracks = linked(pixels, masks, (1.0,) * ndim, model)
    assert links == {(1, 2), (2, 3), (3, 4)}
    assert tracks.track_id.nunique() == 1


@every_model
def test_tracks_go_on_over_an_empty_frame_but_not_over_many(model):
    """One frame without cells is within the longest gap, four are not."""
    pixels, masks, size = simulated(2)
    for empty, expected in ((1, True), (4, False)):
        holed = masks.copy()
        holed[6 : 6 + empty] = 0
        links, tracks = linked(pixels, holed, size, model, max_gap=3)
        frame = tracks.cells["frame"]
        over = sum(frame[p] < 6 <= frame[c] for p, c in links)
        assert over >= 0.8 * (frame == 5).sum() if expected else over == 0


@every_model
def test_a_dropped_frame_costs_hardly_any_link(model):
    pixels, masks, size = simulated(2)
    kept = np.arange(len(masks)) != 7
    links, tracks = linked(pixels[kept], masks[kept], size, model)
    cells = tracks.cells
    true = masks[kept]
    value = np.concatenate([np.unique(mask)[1:] for mask in true])
    over = [(p, c) for p, c in links if cells["frame"][p] == 6 and cells["frame"][c] == 7]
    same = [value[p - 1] == value[c - 1] for p, c in over]
    both = np.intersect1d(np.unique(true[6])[1:], np.unique(true[7])[1:])
    assert np.sum(same) >= 0.9 * len(both)


@every_model
def test_a_jump_of_the_stage_is_survived(model):
    """From one frame to the next the whole field lies 60 pixels elsewhere: the same links."""
    pixels, masks, size = simulated(2)
    pixels, masks = padded(pixels, masks, 150, 150)
    before, _ = linked(pixels, masks, size, model)
    late = np.arange(len(masks)) >= 8
    pixels, masks = pixels.copy(), masks.copy()
    pixels[late] = np.roll(pixels[late], 60, -1)
    masks[late] = np.roll(masks[late], 60, -1)
    after, _ = linked(pixels, masks, size, model)
    assert len(before ^ after) <= 0.01 * len(before)


@every_model
def test_five_thousand_cells_a_frame_are_linked(model):
    """Tiny cells on a large frame, each moving a little for itself: nearly all are right."""
    random = np.random.default_rng(0)
    side, step = 71, 11
    corner = step * np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), -1).reshape(-1, 2)
    masks = np.zeros((2, side * step, side * step), np.int32)
    for mask in masks:
        at = corner + random.integers(1, 4, corner.shape)
        for dy in range(5):
            for dx in range(5):
                mask[at[:, 0] + dy, at[:, 1] + dx] = np.arange(1, len(at) + 1)
    pixels = (100 + 50 * (masks[:, None] > 0)).astype(np.uint16)
    links, tracks = linked(pixels, masks, (1.0, 1.0), model)
    assert len(tracks) == 2 * side**2
    right = sum(c - p == side**2 for p, c in links)
    assert right > 0.97 * side**2
