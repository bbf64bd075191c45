"""One click is enough to follow a cell, with masks or without."""

import numpy as np
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import crops
from napari_cellcycle.features.follow import follow_cell
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path


def sample(name):
    path = sample_path(name)
    labels, tracks = read_ctc(path.with_name(f"{name}_GT") / "TRA", by_track=True)
    return open_movie(path), labels, tracks


def longest_track(tracks):
    track = tracks.track_id
    chosen = track.value_counts().index[0]
    return tracks.cells[(track == chosen).to_numpy()].sort_values("frame")


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["first", "middle", "last"])
def test_a_cell_is_followed_to_both_ends_by_its_masks(name, part):
    movie, labels, tracks = sample(name)
    cell = longest_track(tracks)
    clicked = cell.iloc[round(part * (len(cell) - 1))]
    place = clicked[tracks.axes].to_numpy(float)
    found = follow_cell(movie, labels, int(clicked["frame"]), place)
    shared = found.cells.merge(cell, on=["frame", "label"])
    assert len(shared) == len(cell)
    assert found.cells["frame"].is_monotonic_increasing
    assert len(found.links) == len(found) - 1 and not len(found.divisions)
    np.testing.assert_allclose(shared["x_x"], shared["x_y"], atol=1e-6)


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
def test_without_masks_the_light_is_followed(name):
    movie, _, tracks = sample(name)
    track, cells = tracks.track_id, tracks.cells
    whole = [t for t, n in track.value_counts().items() if n >= 0.8 * len(movie)]
    kept = []
    for one in whole:
        cell = cells[(track == one).to_numpy()].sort_values("frame")
        start = cell.iloc[len(cell) // 2]
        place = start[tracks.axes].to_numpy(float)
        found = follow_cell(movie, None, int(start["frame"]), place, diameter=14.0)
        both = found.cells.merge(cell, on="frame")
        away = (both["x_x"] - both["x_y"]) ** 2 + (both["y_x"] - both["y_y"]) ** 2
        kept.append((np.sqrt(away) * movie.pixel_size[-1] < 7).sum() / len(cell))
    assert len(kept) >= 3 and np.mean(kept) > 0.6, kept


def test_following_ends_where_the_cell_is_gone():
    masks = np.zeros((9, 40, 40), np.int32)
    for time in (1, 2, 3, 4, 6):
        masks[time, 10:18, 5 + 3 * time : 13 + 3 * time] = 5
    masks[5, 30:38, 30:38] = 5
    movie = Movie(masks[:, np.newaxis], (1.0, 1.0), 60.0, ("made up",))
    found = follow_cell(movie, LabelStack(masks), 3, (13.0, 17.0))
    assert found.cells["frame"].tolist() == [1, 2, 3, 4]
    light = follow_cell(movie, None, 3, (13.0, 17.0), diameter=8.0)
    assert light.cells["frame"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(light.cells[["y", "x"]], found.cells[["y", "x"]], atol=0.2)


def test_corrected_masks_are_followed_not_the_stored_ones():
    masks = np.zeros((3, 30, 30), np.int32)
    masks[0, 8:16, 8:16] = masks[2, 8:16, 8:16] = 1
    labels = LabelStack(masks).with_frame(1, np.where(masks[0], 7, 0))
    movie = Movie(masks[:, np.newaxis], (1.0, 1.0), 60.0, ("made up",))
    assert follow_cell(movie, labels, 0, (12, 12)).cells["label"].tolist() == [1, 7, 1]


@pytest.mark.parametrize("with_masks", [True, False])
def test_there_must_be_a_cell_at_the_place(with_masks):
    noise = np.random.default_rng(0).normal(100, 5, (4, 1, 80, 80))
    movie = Movie(noise, (1.0, 1.0), 60.0, ("noise",))
    labels = LabelStack(np.zeros((4, 80, 80), np.int32)) if with_masks else None
    with pytest.raises(BadInput, match="click on a cell"):
        follow_cell(movie, labels, 0, (40, 40))
    with pytest.raises(BadInput, match="no frame 9"):
        follow_cell(movie, labels, 9, (40, 40))


def test_what_was_followed_can_be_cut_out():
    movie, labels, tracks = sample("nuclei_2d")
    cell = longest_track(tracks)
    found = follow_cell(movie, labels, int(cell["frame"].iloc[0]), cell[["y", "x"]].iloc[0])
    row = found.cells.iloc[5]
    image = movie.frame(int(row["frame"]))
    seen = crops(image, row[["y", "x"]].to_numpy(float)[np.newaxis], 40.0, 40)[0]
    assert seen[15:25, 15:25].mean() > 1.5 * np.percentile(seen, 10)
