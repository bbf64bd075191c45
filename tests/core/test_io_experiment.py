"""An experiment folder reopens as it was saved, and survives a crash at any moment."""

import json
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from corrections import corrected
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import H2B, Stage, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.experiment import is_experiment, open_experiment, save_experiment
from napari_cellcycle.io.frames import write_movie_frames
from napari_cellcycle.io.labelstore import new_label_store
from napari_cellcycle.io.movies import movie_from_array, open_movie

OWN = StageSet(
    "two stages",
    (Stage("G1", "#112233", (10, float("inf"))), Stage("not G1", "#445566", (1.5, 20))),
    frozenset({("G1", "not G1")}),
    first=frozenset({"G1"}),
    last=frozenset({"not G1"}),
)
SHAPES = {2: (4, 6, 9), 3: (4, 3, 6, 9)}


def movie(ndim=2, value=0):
    array = np.full((4, 2, *SHAPES[ndim][1:]), value, np.uint16)
    array += np.arange(array[0].size, dtype=np.uint16).reshape(array.shape[1:])
    axes = "TC" + "ZYX"[-ndim:]
    return movie_from_array(array, axes, channels=("H2B", "tubulin"), frame_interval=90)


def pair(ndim=2):
    """One cell in frames 0 to 3 that divides into two in frame 3."""
    masks = np.zeros(SHAPES[ndim], np.int32)
    masks[:3, ..., 1:3, 1:4] = 1
    masks[3, ..., 1:3, 1:3], masks[3, ..., 4:6, 1:3] = 2, 3
    cells = pd.DataFrame(
        {
            "frame": [0, 1, 2, 3, 3],
            "label": [1, 1, 1, 2, 3],
            **({"z": 1.0} if ndim == 3 else {}),
            "y": [1.5] * 4 + [4.5],
            "x": [2.0, 2.0, 2.0, 1.5, 1.5],
            "stage": ["interphase", None, "metaphase", "anaphase", "anaphase"],
            "by": ["model", "user", "model", "model", "model"],
        },
        index=pd.Index([3, 5, 8, 13, 21], name="cell_id"),
    )
    links = pd.DataFrame(
        {"parent": [3, 5, 8, 8], "child": [5, 8, 13, 21], "score": [0.5, 1, 0.25, 0], "by": "model"}
    )
    return LabelStack(masks), Tracks(cells, links)


def experiment(ndim=2, **changes):
    labels, tracks = pair(ndim)
    step = Step(
        "track",
        {"max_gap": 2, "tags": ["a"]},
        model="simple",
        software={"scipy": "1"},
        seconds=1.5,
        notes=("slow",),
        time=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    )
    return replace(Experiment(movie(ndim), labels, tracks, H2B, (step,)), **changes)


def identical(one, other):
    np.testing.assert_array_equal(np.asarray(one.movie.pixels), np.asarray(other.movie.pixels))
    for name in ("pixel_size", "frame_interval", "channels", "guessed", "source"):
        assert getattr(one.movie, name) == getattr(other.movie, name)
    assert (one.labels is None) == (other.labels is None)
    if one.labels is not None:
        np.testing.assert_array_equal(one.labels.to_array(), other.labels.to_array())
    assert (one.tracks is None) == (other.tracks is None)
    if one.tracks is not None:
        pd.testing.assert_frame_equal(one.tracks.cells, other.tracks.cells)
        pd.testing.assert_frame_equal(one.tracks.links, other.tracks.links)
        pd.testing.assert_frame_equal(one.tracks.rejected, other.tracks.rejected)
    assert one.stages == other.stages
    assert one.history == other.history


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_saved_is_opened(tmp_path, ndim):
    saved = experiment(ndim, stages=OWN)
    save_experiment(saved, tmp_path / "a.cellcycle")
    identical(open_experiment(tmp_path / "a.cellcycle"), saved)
    assert names(tmp_path / "a.cellcycle") == [
        "experiment.json",
        "labels.zarr",
        "movie.zarr",
        "tracks.geff",
    ]


@pytest.mark.parametrize("ndim", [2, 3])
def test_links_that_the_user_took_away_are_kept(tmp_path, ndim):
    divided = corrected(experiment(ndim), "divide", mother=5, daughters=[8, 13])
    saved = corrected(divided, "unlink", child=21)
    save_experiment(saved, tmp_path / "a.cellcycle")
    opened = open_experiment(tmp_path / "a.cellcycle")
    assert opened.tracks.rejected.to_numpy().tolist() == [[8, 13], [8, 21]]
    identical(opened, saved)


def test_an_experiment_from_before_rejected_links_were_kept_opens(tmp_path):
    folder = tmp_path / "a.cellcycle"
    save_experiment(corrected(experiment(), "unlink", child=21), folder)
    metadata = folder / "tracks.geff" / ".zattrs"
    document = json.loads(metadata.read_text())
    del document["geff"]["extra"]["napari-cellcycle"]["rejected"]
    metadata.write_text(json.dumps(document))
    tracks = open_experiment(folder).tracks
    assert len(tracks) == 5 and tracks.rejected.empty


def test_a_movie_alone_can_be_saved(tmp_path):
    saved = Experiment(movie())
    save_experiment(saved, tmp_path / "a.cellcycle")
    identical(open_experiment(tmp_path / "a.cellcycle"), saved)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5)
measured = {
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "str": texts | st.none(),
    "Int64": st.integers(-9, 9) | st.none(),
    "boolean": st.booleans() | st.none(),
    "category": st.sampled_from(["a", "b"]) | st.none(),
}


@st.composite
def forests(draw):
    count = draw(st.integers(0, 8))
    ids = draw(st.lists(st.integers(1, 10**6), min_size=count, max_size=count, unique=True))
    frames = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    columns = {
        "frame": pd.array(frames, "int64"),
        "label": pd.array(range(1, count + 1), "int64"),
        "y": pd.array([0.5] * count, "float64"),
        "x": pd.array([1.5] * count, "float64"),
    }
    for dtype in draw(st.lists(st.sampled_from(sorted(measured)), unique=True, max_size=4)):
        values = draw(st.lists(measured[dtype], min_size=count, max_size=count))
        columns[f"my {dtype}"] = pd.Series(values, dtype=dtype).array
    columns["by"] = pd.Series(["user"] * count, dtype="str").array
    cells = pd.DataFrame(columns, index=pd.Index(ids, dtype="int64", name="cell_id"))
    links, used = [], {}
    for child in range(count):
        able = [p for p in range(count) if frames[p] < frames[child] and used.get(p, 0) < 2]
        parent = draw(st.none() | st.sampled_from(able)) if able else None
        if parent is not None:
            used[parent] = used.get(parent, 0) + 1
            links.append((ids[parent], ids[child], draw(st.floats(0, 1))))
    ends = pd.DataFrame(links, columns=["parent", "child", "score"])
    ends = ends.astype({"parent": "int64", "child": "int64", "score": "float64"})
    return Tracks(cells, ends.assign(by=pd.array(["model"] * len(ends), "str")))


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
steps = st.builds(
    Step,
    texts,
    st.dictionaries(texts, values | st.lists(values, max_size=2), max_size=3),
    st.none() | texts,
    st.dictionaries(texts, texts, max_size=2),
    st.none() | st.floats(0, 1e6),
    st.lists(texts, max_size=2).map(tuple),
    st.datetimes(timezones=st.just(UTC)),
)


@settings(deadline=None, max_examples=10, phases=[Phase.explicit, Phase.generate])
@given(st.data(), forests(), st.lists(steps, max_size=2).map(tuple), st.sampled_from([2, 3]))
def test_any_experiment_is_saved_and_opened(tmp_path_factory, data, tracks, history, ndim):
    if ndim == 3:
        tracks = tracks.with_columns(z=np.zeros(len(tracks)))
    labels = LabelStack(np.zeros(SHAPES[ndim], np.int32))
    for time in data.draw(st.sets(st.integers(0, 3))):
        labels = labels.with_frame(time, np.full(SHAPES[ndim][1:], data.draw(st.integers(0, 9))))
    saved = Experiment(movie(ndim), labels, tracks, history=history)
    folder = tmp_path_factory.mktemp("any") / "a.cellcycle"
    save_experiment(saved, folder)
    identical(open_experiment(folder), saved)


@pytest.mark.parametrize("ndim", [2, 3])
def test_edited_frames_are_merged_and_the_rest_is_linked(tmp_path, ndim):
    folder = tmp_path / "a.cellcycle"
    first = save_experiment(experiment(ndim), folder)
    edited = first.labels.with_frame(2, np.full(SHAPES[ndim][1:], 7))
    second = save_experiment(replace(first, labels=edited), folder)
    assert not second.labels.edited
    assert (second.labels.frame(2) == 7).all()
    identical(open_experiment(folder), second)
    unchanged = [p for p in (folder / "labels-2.zarr/0/c/1").rglob("*") if p.is_file()]
    assert {path.stat().st_nlink for path in unchanged} == {2}
    assert (first.labels.frame(2) == experiment(ndim).labels.frame(2)).all(), "undo still reads"


def test_former_masks_go_with_the_save_after_next(tmp_path):
    folder = tmp_path / "a.cellcycle"
    now = first = save_experiment(experiment(), folder)
    for value in (5, 6):
        for old in folder.glob("labels*"):
            for path in (old, old / "0", old / "0/c"):
                os.utime(path, (0, 0))
        labels = now.labels.with_frame(0, np.full((6, 9), value))
        now = save_experiment(replace(now, labels=labels), folder)
    assert names(folder) == [
        "experiment.json",
        "labels-2.zarr",
        "labels-3.zarr",
        "movie.zarr",
        "tracks.geff",
    ]
    with pytest.raises(BadInput, match=r"Frame 0 is not in .*labels\.zarr"):
        first.labels.frame(0)


def test_frames_streamed_into_the_folder_are_not_copied(tmp_path):
    folder = tmp_path / "a.cellcycle"
    saved = experiment()
    store = new_label_store(folder, saved.labels.shape)
    assert store.dtype == np.int32 and store.chunks == (1, 6, 9)
    for time, mask in enumerate(saved.labels):
        store[time] = mask
    save_experiment(replace(saved, labels=LabelStack(store)), folder)
    assert names(folder) == ["experiment.json", "labels.zarr", "movie.zarr", "tracks.geff"]
    identical(open_experiment(folder), saved)


def test_a_step_in_progress_is_not_swept_away_by_a_save(tmp_path):
    folder = tmp_path / "a.cellcycle"
    save_experiment(experiment(), folder)
    running = new_label_store(folder, SHAPES[2])
    running[0] = 3
    save_experiment(experiment(), folder)
    assert (running[0] == 3).all()


def test_huge_frames_are_stored_in_tiles(tmp_path):
    store = new_label_store(tmp_path / "a.cellcycle", (2, 3, 9000, 8000))
    assert store.chunks == (1, 1, 2048, 2048)


@pytest.mark.parametrize("ndim", [2, 3])
def test_others_can_read_the_masks_and_the_tracks(tmp_path, ndim):
    geff = pytest.importorskip("geff")
    folder = tmp_path / "a.cellcycle"
    save_experiment(experiment(ndim), folder)
    ome = zarr.open_group(folder / "labels.zarr", mode="r").attrs["ome"]
    entry = ome["multiscales"][0]
    assert [axis["name"] for axis in entry["axes"]] == ["t", *"zyx"[-ndim:]]
    scale = entry["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [90.0, *experiment(ndim).movie.pixel_size]
    assert "image-label" in ome
    geff.validate_structure(folder / "tracks.geff")
    graph, metadata = geff.read(folder / "tracks.geff", structure_validation=True)
    assert sorted(graph.edges) == [(3, 5), (5, 8), (8, 13), (8, 21)]
    assert metadata.track_node_props == {"tracklet": "track_id"}
    assert metadata.related_objects[0].path == "../labels.zarr"
    assert graph.nodes[8]["stage"] == H2B.names.index("metaphase")


def test_a_movie_from_a_file_is_kept_as_a_path(tmp_path):
    write_movie_frames(movie(), tmp_path / "data" / "01", "H2B")
    source = open_movie(tmp_path / "data" / "01", pixel_size=0.2)
    saved = Experiment(source, pair()[0])
    save_experiment(saved, tmp_path / "data" / "a.cellcycle")
    assert "movie.zarr" not in names(tmp_path / "data" / "a.cellcycle")
    identical(open_experiment(tmp_path / "data" / "a.cellcycle"), saved)
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = open_experiment(tmp_path / "moved" / "a.cellcycle")
    assert moved.movie.source == str(tmp_path / "moved" / "01")
    assert moved.movie.pixel_size == (0.2, 0.2)


def test_a_movie_that_is_gone_can_be_pointed_to(tmp_path):
    write_movie_frames(movie(), tmp_path / "01", "H2B")
    saved = Experiment(open_movie(tmp_path / "01"), pair()[0])
    save_experiment(saved, tmp_path / "a.cellcycle")
    (tmp_path / "01").rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"no longer at .*/01: put it back, or say where it is"):
        open_experiment(tmp_path / "a.cellcycle")
    again = open_experiment(tmp_path / "a.cellcycle", movie=tmp_path / "elsewhere")
    np.testing.assert_array_equal(again.movie.frame(3), movie().frame(3))
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((9, 5, 5), np.uint8))
    with pytest.raises(BadInput, match=r"shape \(9, 1, 5, 5\), but the experiment a\.cell"):
        open_experiment(tmp_path / "a.cellcycle", movie=tmp_path / "other.tif")


def test_axes_said_by_the_user_are_remembered(tmp_path):
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((4, 6, 9), np.uint8), imagej=True,
                     metadata={"axes": "ZYX"})  # fmt: skip
    saved = Experiment(open_movie(tmp_path / "z.tif", axes="TYX"), pair()[0])
    save_experiment(saved, tmp_path / "a.cellcycle")
    identical(open_experiment(tmp_path / "a.cellcycle"), saved)


def test_a_stored_movie_is_written_once(tmp_path):
    folder = tmp_path / "a.cellcycle"
    save_experiment(experiment(), folder)
    before = (folder / "movie.zarr" / "0" / "c" / "0").stat().st_mtime_ns
    save_experiment(experiment(), folder)
    save_experiment(open_experiment(folder), folder)
    assert (folder / "movie.zarr" / "0" / "c" / "0").stat().st_mtime_ns == before
    other = experiment(movie=movie(value=9))
    save_experiment(other, folder)
    identical(open_experiment(folder), other)


EVENTS = {"open", "os.rename", "os.mkdir", "os.link", "os.remove", "os.rmdir", "os.truncate"}


def save_and_die(saved, folder, after):
    """Save in a child that is killed at its `after`th change to the disk; say if it finished."""
    child = os.fork()
    if child == 0:
        left = [after]

        def count(event, arguments):
            reads = event == "open" and not (
                isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            )
            if event in EVENTS and not reads:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            save_experiment(saved, folder)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_crash_at_any_moment_leaves_the_former_or_the_new_state(tmp_path):
    folder = tmp_path / "a.cellcycle"
    former = experiment()
    stored = save_experiment(former, folder)
    labels = stored.labels.with_frame(1, np.full((6, 9), 4))
    new = replace(stored, labels=labels, tracks=former.tracks.unlink(5), stages=OWN)
    seen, after = set(), 1
    while not save_and_die(new, folder, after):
        found = open_experiment(folder)
        seen.add(found.stages.name)
        identical(found, former if found.stages == former.stages else new)
        if found.stages != former.stages:
            stored = save_experiment(former, folder)
        after += 1 + after
    assert former.stages.name in seen
    identical(open_experiment(folder), new)


def test_a_failing_save_leaves_the_former_state(tmp_path, monkeypatch):
    folder = tmp_path / "a.cellcycle"
    save_experiment(experiment(), folder)
    before = names(folder)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cellcycle.io.experiment.write_geff", full)
    with pytest.raises(CannotWrite, match="the disk is full; free some space"):
        save_experiment(experiment(stages=OWN), folder)
    assert names(folder) == before
    identical(open_experiment(folder), experiment())


def test_only_a_folder_with_its_file_is_an_experiment(tmp_path):
    save_experiment(Experiment(movie()), tmp_path / "a.cellcycle")
    assert is_experiment(tmp_path / "a.cellcycle")
    assert not is_experiment(tmp_path)
