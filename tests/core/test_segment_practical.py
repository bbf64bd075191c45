"""A frame, a region or a piece at a time: what is found there fits what is found in the whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import zarr
from corrections import corrected

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.models.segment.normalise import stretch
from napari_cellcycle.pipeline.huge import segment_pieces
from napari_cellcycle.pipeline.prepare import frame_levels, prepare
from napari_cellcycle.pipeline.preview import preview
from napari_cellcycle.pipeline.resegment import BRIDGE, resegment
from napari_cellcycle.pipeline.segment import segment

SIZED = SegmentSettings(diameter=10)


class Bright:
    """Every bright blob is a cell: what is found depends on nothing but levels and pixels."""

    name = "bright"
    takes_levels = True

    def __call__(self, image, pixel_size, settings, levels=None):
        from skimage.measure import label

        return np.asarray(label(stretch(image, levels=levels) > 0.5), np.int32)

    def find_diameter(self, images, pixel_size, settings):
        return 10.0


def field(shape=(300, 320), cells=60, radius=(3, 8), seed=0):
    """Bright discs, some of which touch, on grey."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[-2:])
    image = np.full(shape[-2:], 100, np.uint16)
    height, width = shape[-2:]
    places = zip(
        rng.uniform(0, height, cells), rng.uniform(0, width, cells), rng.uniform(*radius, cells),
        strict=True,
    )  # fmt: skip
    for cy, cx, r in places:
        image[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = 300
    return np.broadcast_to(image, shape).copy()


def movie_of(*frames, ndim=2):
    pixels = np.stack(frames)[:, None]
    return Movie(pixels, (1.0,) * ndim, 60.0, ("H2B",))


def squares(*corners, side=10, shape=(80, 80)):
    """Squares numbered 1, 2, ...; a corner of three numbers also tells the label."""
    masks = np.zeros(shape, np.int32)
    for number, corner in enumerate(corners, 1):
        y, x, label = corner if len(corner) == 3 else (*corner, number)
        masks[..., y : y + side, x : x + side] = label
    return masks


def shown(masks):
    """An image of masks."""
    return np.where(masks > 0, 300, 100).astype(np.uint16)


def same_cells(one, other):
    """Whether two arrays show the same masks, whatever their numbers."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    counts = [len(np.unique(part)) for part in pairs]
    return pairs.shape[1] == counts[0] == counts[1]


@pytest.mark.parametrize("shape", [(300, 320), (3, 300, 320)])
def test_pieces_give_the_masks_of_the_whole(shape):
    movie = movie_of(field(shape), ndim=len(shape))
    prepared = prepare(movie, SIZED, model=Bright())
    into = np.full((1, *shape), 7, np.int32)
    count = segment_pieces(prepared, 0, into, side_px=64)
    assert same_cells(into[0], prepared.masks(movie.frame(0)))
    assert np.array_equal(np.unique(into), np.arange(count + 1))


def test_what_is_longer_than_a_piece_is_joined():
    image = field(cells=20)
    image[150:154, 5:310] = 300
    image[20:290, 200:204] = 300
    prepared = prepare(movie_of(image), SIZED, model=Bright())
    into = np.zeros((1, *image.shape), np.int32)
    count = segment_pieces(prepared, 0, into, side_px=64)
    assert same_cells(into[0], prepared.masks(image))
    assert np.array_equal(np.unique(into), np.arange(count + 1))


def test_a_dark_corner_is_judged_by_the_brightness_of_the_whole():
    image = np.random.default_rng(0).normal(100, 2, (300, 320)).astype(np.uint16)
    image[20:40, 20:90] = 4000
    prepared = prepare(movie_of(image), SIZED, model=Bright())
    into = np.zeros((1, *image.shape), np.int32)
    segment_pieces(prepared, 0, into, side_px=64)
    assert not into[0, 100:].any()
    assert into[0].any()


@pytest.mark.parametrize("shape", [(70, 90), (3, 70, 90), (1100, 1300)])
def test_brightness_of_strips_is_that_of_the_frame(shape):
    image = np.random.default_rng(1).gamma(2, 100, shape).astype(np.uint16)
    step = max(1, image.size // 1_000_000)
    low, high = frame_levels(movie_of(image, ndim=len(shape)), 0)
    expected = np.percentile(image.ravel()[::step], [1, 99])
    assert (low, high) == pytest.approx(tuple(expected))


def test_size_and_edge_are_judged_for_the_whole_frame():
    image = field(cells=25)
    image[100:220, 100:220] = 300
    settings = SIZED.model_copy(update={"max_diameter": 4.0, "drop_at_edge": True})
    prepared = prepare(movie_of(image), settings, model=Bright())
    into = np.zeros((1, *image.shape), np.int32)
    count = segment_pieces(prepared, 0, into, side_px=64)
    whole = segment(movie_of(image), settings, model=Bright()).frame(0)
    assert whole.any()
    assert not whole[160, 160]
    assert same_cells(into[0], whole)
    assert count == whole.max()


def test_a_huge_frame_is_read_and_written_in_pieces(tmp_path, monkeypatch):
    from napari_cellcycle.io.omezarr import ZarrFrames
    from napari_cellcycle.pipeline import huge
    from napari_cellcycle.pipeline import prepare as prepared_by

    image = field((300, 320))
    source = zarr.create_array(
        str(tmp_path / "huge.zarr"), shape=(1, 1, 300, 320), dtype="u2", chunks=(1, 1, 64, 64)
    )
    source[0, 0] = image
    movie = open_movie(tmp_path / "huge.zarr", pixel_size=1.0, frame_interval=60)
    read = []
    take = ZarrFrames._take

    def watched(self, part, time, channel):
        pixels = take(self, part, time, channel)
        read.append(pixels.size)
        return pixels

    monkeypatch.setattr(ZarrFrames, "_take", watched)
    monkeypatch.setattr(prepared_by, "LARGEST_PLANE", 10_000)
    monkeypatch.setattr(prepared_by, "_STRIP_PX", 10_000)
    monkeypatch.setattr(huge, "PIECE_PX", 64 * 64)
    monkeypatch.setattr(huge, "LEAST_HALOS", 2)
    into = zarr.create_array(
        str(tmp_path / "masks.zarr"), shape=(1, 300, 320), dtype="i4", chunks=(1, 64, 64)
    )
    seen = []
    labels = segment(
        movie, SIZED, model=Bright(), into=into, progress=lambda done, n, text="": seen.append(text)
    )
    assert same_cells(labels.frame(0), segment(movie_of(image), SIZED, model=Bright()).frame(0))
    assert max(read) < 0.2 * image.size
    assert "Segmenting pieces" in seen


def test_the_shipped_network_shows_no_seams():
    from napari_cellcycle.config import SimulateSettings
    from napari_cellcycle.simulate import simulate

    made = simulate(SimulateSettings(frames=1, size=900, cells=180, seed=5))
    settings = SegmentSettings(diameter=13)
    prepared = prepare(made.movie, settings)
    whole = prepared.masks(made.movie.frame(0))
    into = np.zeros((1, 900, 900), np.int32)
    count = segment_pieces(prepared, 0, into, side_px=300)
    code, shared = np.unique(whole.astype(np.int64) * 10_000 + into[0], return_counts=True)
    cell, piece = np.divmod(code, 10_000)
    both = (cell > 0) & (piece > 0)
    sizes = np.bincount(whole.ravel())[cell], np.bincount(into.ravel())[piece]
    overlap = (shared / (sizes[0] + sizes[1] - shared))[both]
    best = np.zeros(int(whole.max()) + 1)
    np.maximum.at(best, cell[both], overlap)
    assert count == whole.max()
    assert best[1:].min() > 0.9
    assert np.median(best[1:]) > 0.98


def test_a_preview_shows_what_the_whole_frame_would():
    image = field()
    whole = segment(movie_of(image), SIZED, model=Bright()).frame(0)
    region = Region(50, 60, 180, 300)
    found = preview(movie_of(image), 0, SIZED, region, model=Bright())
    assert found.offset == (50, 60)
    assert found.masks.shape == (130, 240)
    assert same_cells(found.masks, whole[50:180, 60:300])
    assert np.array_equal(np.unique(found.masks), np.arange(found.masks.max() + 1))


def test_a_preview_of_too_much_shows_the_middle():
    found = preview(movie_of(field()), 0, SIZED, model=Bright(), most_px=100 * 100)
    height, width = found.masks.shape
    assert height * width <= 10_000
    assert found.region.top + height / 2 == pytest.approx(150, abs=1)
    assert found.region.left + width / 2 == pytest.approx(160, abs=1)


def test_the_first_preview_tells_the_diameter_for_the_next():
    movie = movie_of(field())
    first = preview(movie, 0, SegmentSettings(), model=Bright())
    assert first.prepared.settings.diameter == 10.0
    again = preview(movie, 0, first.prepared.settings, model=first.prepared.segmenter)
    assert np.array_equal(again.masks, first.masks)


def tracked(*frames):
    """Masks whose labels are tracks: each label linked to itself in the next frame."""
    rows = [
        {"frame": t, "label": int(k), "y": 0.0, "x": 0.0, "area": 0.0, "stage": "interphase",
         "pinned": "interphase" if k == 1 else "", "filled": True, "p_interphase": 0.9}
        for t, masks in enumerate(frames) for k in np.unique(masks[masks > 0])
    ]  # fmt: skip
    cells = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="cell_id"))
    after = cells.reset_index().assign(frame=cells["frame"].to_numpy() - 1)
    pairs = cells.reset_index().merge(after, on=["frame", "label"])
    links = pd.DataFrame(
        {"parent": pairs["cell_id_x"], "child": pairs["cell_id_y"], "score": 0.8, "by": "user"}
    )
    return LabelStack(np.stack(frames)), Tracks(cells, links)


@pytest.mark.parametrize("planes", [(), (2,)])
def test_cells_found_again_keep_label_stage_and_links(planes):
    shape = (*planes, 80, 80)
    old = squares((10, 10, 1), (10, 40, 2), shape=shape)
    labels, tracks = tracked(old, old, old)
    new = shown(squares((12, 11), (9, 41), shape=shape))
    movie = movie_of(shown(old), new, shown(old), ndim=len(shape))
    again, kept = resegment(labels, tracks, movie, 1, SIZED, model=Bright())
    assert again.frame(1)[..., 15, 15].max() == 1
    assert again.frame(1)[..., 15, 45].max() == 2
    assert np.array_equal(kept.links[["parent", "child"]], tracks.links[["parent", "child"]])
    assert (kept.cells["stage"] == "interphase").all()
    assert kept.cells["pinned"].tolist() == tracks.cells["pinned"].tolist()
    cell = kept.cells[(kept.cells["frame"] == 1) & (kept.cells["label"] == 1)].iloc[0]
    assert (cell["y"], cell["x"]) == (16.5, 15.5)
    assert cell["area"] == 100 * max(1, np.prod(planes))
    assert not cell["filled"]
    assert np.array_equal(labels.frame(1), old)
    assert again.edited.keys() == {1}


def test_a_new_cell_gets_a_new_label_and_no_links():
    old = squares((10, 10, 1))
    labels, tracks = tracked(old, old)
    movie = movie_of(shown(old), shown(squares((10, 10), (50, 50))))
    again, kept = resegment(labels, tracks, movie, 1, SIZED, model=Bright())
    assert again.frame(1)[55, 55] == 2
    cell = kept.cells[kept.cells["label"] == 2]
    assert cell["frame"].tolist() == [1]
    assert cell["by"].tolist() == ["model"]
    assert cell["stage"].isna().all()
    assert len(kept.links) == 1
    assert kept.cells["filled"].dtype == bool


def test_the_track_of_a_vanished_cell_goes_on_across_the_gap():
    old = squares((10, 10, 1), (50, 50, 2))
    labels, tracks = tracked(old, old, old)
    movie = movie_of(shown(old), shown(squares((50, 50))), shown(old))
    again, kept = resegment(labels, tracks, movie, 1, SIZED, model=Bright())
    assert not again.frame(1)[15, 15]
    assert again.frame(0)[15, 15] == 1
    assert again.frame(2)[15, 15] == 1
    assert kept.track_id.tolist() == kept.cells["label"].tolist()
    assert sorted(kept.cells["label"]) == [1, 1, 2, 2, 2]
    bridge = kept.links.set_index(["parent", "child"]).loc[(1, 5)]
    assert bridge["score"] == BRIDGE and bridge["by"] == "model"


def divided(mother=1, daughters=(2, 3)):
    """Masks and tracks of a cell in two frames that divides, and is seen in two more."""
    one, two = squares((10, 10, mother)), squares((10, 10, 2), (50, 50, 3))
    labels, tracks = tracked(one, one, two, two)
    ids = tracks.cells.reset_index().set_index(["frame", "label"])["cell_id"]
    born = [(ids[1, mother], ids[2, daughter]) for daughter in daughters]
    births = pd.DataFrame(born, columns=["parent", "child"]).assign(score=0.8, by="user")
    links = pd.concat([tracks.links, births], ignore_index=True)
    return labels, replace(tracks, links=links), ids, shown(one), shown(two)


@pytest.mark.parametrize("rejected", [False, True])
def test_as_where_a_mother_is_not_found_right_before_her_division(rejected):
    labels, tracks, ids, one, two = divided()
    if rejected:
        pair = {"parent": [ids[0, 1]], "child": [ids[2, 2]]}
        tracks = replace(tracks, rejected=pd.DataFrame(pair))
    movie = movie_of(one, np.full_like(one, 100), two, two)
    _, kept = resegment(labels, tracks, movie, 1, SIZED, model=Bright())
    viewer = corrected(
        Experiment(movie, labels, tracks), "adopt_masks", frame=1, masks=np.zeros((80, 80))
    ).tracks
    born = sorted(kept.links["child"][kept.links["parent"] == ids[0, 1]])
    assert born == ([] if rejected else [ids[2, 2], ids[2, 3]])
    ends = ["parent", "child"]
    assert sorted(kept.links[ends].values.tolist()) == sorted(viewer.links[ends].values.tolist())


def test_two_daughters_of_one_daughter_that_is_gone_do_not_make_three():
    labels, _, _, one, _ = divided()
    more = squares((10, 10, 2), (30, 30, 4), (50, 50, 3))
    cells = [labels.frame(time) for time in range(3)]
    labels, later = tracked(*cells, more)
    ids = later.cells.reset_index().set_index(["frame", "label"])["cell_id"]
    pairs = [((0, 1), (1, 1)), ((1, 1), (2, 2)), ((1, 1), (2, 3)), ((2, 2), (3, 2))]
    pairs += [((2, 2), (3, 4)), ((2, 3), (3, 3))]
    links = pd.DataFrame([(ids[a], ids[b]) for a, b in pairs], columns=["parent", "child"])
    tracks = replace(later, links=links.assign(score=0.8, by="model"))
    movie = movie_of(one, one, shown(squares((50, 50))), shown(more))
    _, kept = resegment(labels, tracks, movie, 2, SIZED, model=Bright())
    born = kept.links["child"][kept.links["parent"] == ids[1, 1]]
    assert born.tolist() == [ids[2, 3]]


def test_one_old_mask_of_two_cells_gives_its_label_to_the_larger():
    old = squares((10, 10, 1), side=24)
    labels, tracks = tracked(old, old)
    now = np.full((80, 80), 100, np.uint16)
    now[10:34, 10:24] = now[10:34, 26:34] = 300
    again, kept = resegment(labels, tracks, movie_of(shown(old), now), 1, SIZED, model=Bright())
    assert again.frame(1)[20, 15] == 1
    assert again.frame(1)[20, 30] == 2
    assert len(kept.links) == 1


def test_only_the_region_changes_and_cells_across_its_border_stay_whole():
    old = squares((10, 10, 1), (10, 36, 2), (50, 50, 3))
    labels, tracks = tracked(old, old)
    now = shown(squares((11, 11), (12, 36), (52, 52)))
    movie = movie_of(shown(old), now)
    region = Region(0, 0, 40, 39)
    again, kept = resegment(labels, tracks, movie, 1, SIZED, region, model=Bright())
    assert np.array_equal(again.frame(1) == 1, squares((11, 11)) > 0)
    assert np.array_equal(again.frame(1) == 2, old == 2)
    assert np.array_equal(again.frame(1) == 3, old == 3)
    assert (kept.cells.loc[kept.cells["label"] > 1, "filled"]).all()


def test_frames_without_tracks_keep_their_labels():
    old = squares((10, 10, 5), (50, 50, 9))
    labels = LabelStack(np.stack([old, old]))
    movie = movie_of(*[shown(squares((12, 12), (30, 30), (50, 51)))] * 2)
    again, tracks = resegment(labels, None, movie, [0, 1], SIZED, model=Bright())
    assert tracks is None
    for frame in again:
        assert (frame[15, 15], frame[55, 55], frame[35, 35]) == (5, 9, 10)


def test_nothing_found_in_a_frame_empties_it():
    old = squares((10, 10, 1))
    labels, tracks = tracked(old, old)
    movie = movie_of(shown(old), np.full((80, 80), 100, np.uint16))
    again, kept = resegment(labels, tracks, movie, 1, SIZED, model=Bright())
    assert not again.frame(1).any()
    assert len(kept) == 1


def test_only_the_frames_asked_for_are_segmented():
    movie = movie_of(*[field()] * 5)
    settings = SIZED.model_copy(update={"first_frame": 1, "frame_count": 2})
    into = np.full((5, 300, 320), 3, np.int32)
    labels = segment(movie, settings, model=Bright(), into=into)
    assert [bool(frame.any()) for frame in labels] == [False, True, True, False, False]
    with pytest.raises(BadInput, match=r"first frame is 7, but the movie has 5 frames"):
        segment(movie, SIZED.model_copy(update={"first_frame": 7}), model=Bright())


@pytest.mark.parametrize("ask", [preview, resegment])
def test_a_region_outside_of_the_image_is_refused(ask):
    movie, outside = movie_of(field()), Region(400, 0, 500, 100)
    with pytest.raises(BadInput, match=r"rows 400 to 500 .* image of 300 x 320 pixels"):
        if ask is preview:
            preview(movie, 0, SIZED, outside, model=Bright())
        else:
            empty = LabelStack(np.zeros((1, 300, 320), np.int32))
            resegment(empty, None, movie, 0, SIZED, outside, model=Bright())


def test_a_frame_that_does_not_exist_is_refused():
    with pytest.raises(BadInput, match="Frame 3 was asked for, but the movie has 1 frames"):
        preview(movie_of(field()), 3, SIZED, model=Bright())


def test_masks_of_another_movie_are_refused():
    with pytest.raises(BadInput, match="must be of the same movie"):
        resegment(
            LabelStack(np.zeros((1, 9, 9), np.int32)), None, movie_of(field()), 0, SIZED,
            model=Bright(),
        )  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 1, 1)])
def test_frames_of_one_pixel_are_refused(shape):
    image = np.zeros(shape, np.uint16)
    with pytest.raises(BadInput, match="too small to show a cell"):
        segment(movie_of(image, ndim=len(shape)), SIZED, model=Bright())


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels_is_fine_as_one_of_them_is_chosen(channels):
    names = tuple(f"c{i}" for i in range(channels))
    pixels = np.full((1, channels, 300, 320), 100, np.uint16)
    pixels[0, -1] = field()
    movie = Movie(pixels, (1.0, 1.0), 60.0, names)
    settings = SIZED.model_copy(update={"channel": names[-1]})
    assert segment(movie, settings, model=Bright()).frame(0).max() > 20
    assert preview(movie, 0, settings, model=Bright()).masks.max() > 20


def test_a_graphics_card_that_is_not_there_is_named():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UserError, match="'cuda' was asked for"):
        preview(movie_of(field()), 0, SegmentSettings(), device="cuda")
