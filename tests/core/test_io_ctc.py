"""The Cell Tracking Challenge's layout is written validly and read back as it was."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.ctc import find_truth, is_ctc, label_by_track, read_ctc, write_ctc
from napari_cellcycle.io.exchange import import_tracks
from napari_cellcycle.io.frames import frame_names

DATA = Path(os.environ.get("CELLCYCLE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def lineage(tracks, frames=8, ndim=2):
    """Masks and tracks from {track: (its frames, its mother or 0)}; one column a track."""
    shape = (frames, *(2,) * (ndim - 2), 4, 3 * max(tracks, default=1) + 3)
    masks = np.zeros(shape, np.int32)
    rows, links, last = [], [], {}
    for track, (times, mother) in tracks.items():
        parent = last.get(mother)
        for time in times:
            masks[time, ..., 1:3, 3 * track : 3 * track + 2] = track
            centre = {"z": 0.5} if ndim == 3 else {}
            cell = {"frame": time, "label": track, **centre, "y": 1.5, "x": 3 * track + 0.5}
            rows.append(cell)
            if parent is not None:
                links.append((parent, len(rows)))
            parent = len(rows)
        last[track] = parent
    columns = ["frame", "label", *"zyx"[3 - ndim :]]
    cells = pd.DataFrame(rows, columns=columns, index=pd.RangeIndex(1, len(rows) + 1))
    cells[["frame", "label"]] = cells[["frame", "label"]].astype(np.int64)
    ends = pd.DataFrame(links, columns=["parent", "child"], dtype=np.int64)
    return LabelStack(masks), Tracks(cells, ends.assign(score=1.0))


def spans(tracks):
    """Frames and mother of every track, whatever the ids."""
    track = tracks.track_id
    frames = tracks.cells.groupby(track)["frame"].apply(lambda f: tuple(sorted(f)))
    x = tracks.cells.groupby(track)["x"].first()
    return {
        (x[t], frames[t], x[tracks.mothers[t]] if t in tracks.mothers else None)
        for t in frames.index
    }


def valid(folder, frames):
    """Check a result by the challenge's rules; return its lines by label."""
    lines = {}
    for line in (folder / "res_track.txt").read_text().splitlines():
        label, begin, end, parent = map(int, line.split())
        assert label not in lines and begin <= end
        lines[label] = (begin, end, parent)
    names = sorted(path.name for path in folder.glob("*.tif"))
    assert names == [f"mask{time:03d}.tif" for time in range(frames)]
    for time, name in enumerate(names):
        mask = tifffile.imread(folder / name)
        assert mask.dtype == np.uint16
        alive = {label for label, (begin, end, _) in lines.items() if begin <= time <= end}
        assert set(np.unique(mask)) - {0} == alive
    for begin, _, parent in lines.values():
        assert parent == 0 or lines[parent][1] < begin
    return lines


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_division_and_a_gap_are_written_and_read_back(tmp_path, ndim):
    family = {1: ([0, 1, 3, 4], 0), 2: ([5, 6], 1), 3: ([6, 7], 1), 4: ([2], 0)}
    labels, tracks = lineage(family, ndim=ndim)
    write_ctc(labels, tracks, tmp_path / "01_RES")
    lines = valid(tmp_path / "01_RES", 8)
    assert sorted(lines.values()) == [(0, 1, 0), (2, 2, 0), (3, 4, 1), (5, 6, 2), (6, 7, 2)]
    masks, again = read_ctc(tmp_path / "01_RES")
    assert is_ctc(tmp_path / "01_RES")
    assert spans(again) == spans(tracks)
    np.testing.assert_array_equal(masks.to_array() > 0, labels.to_array() > 0)


@st.composite
def families(draw):
    tracks = {}
    for track in range(1, draw(st.integers(0, 5)) + 1):
        times = sorted(draw(st.sets(st.integers(0, 7), min_size=1, max_size=6)))
        sisters = [mother for _, mother in tracks.values()]
        ready = [t for t, (seen, _) in tracks.items() if seen[-1] < times[0]]
        able = [t for t in ready if sisters.count(t) < 2]
        tracks[track] = (times, draw(st.sampled_from([0, *able])))
    lone = {m for _, m in tracks.values() if [n for _, n in tracks.values()].count(m) == 1}
    return {t: (times, 0 if mother in lone else mother) for t, (times, mother) in tracks.items()}


@settings(deadline=None, max_examples=10)
@given(families(), st.sampled_from([2, 3]))
def test_any_lineage_survives_the_layout(tmp_path_factory, family, ndim):
    labels, tracks = lineage(family, ndim=ndim)
    folder = tmp_path_factory.mktemp("ctc") / "01_RES"
    write_ctc(labels, tracks, folder)
    valid(folder, 8)
    masks, again = read_ctc(folder, by_track=True)
    assert spans(again) == spans(tracks)
    assert (again.cells["label"] == again.track_id).all()
    for time, mask in enumerate(masks):
        rows = again.cells[again.cells["frame"] == time]
        assert set(np.unique(mask)) - {0} == set(rows["label"])


def test_labels_become_tracks_lazily():
    labels, tracks = lineage({7: ([0, 1, 2], 0), 9: ([3], 7)})
    tracks = tracks.unlink(4).link(3, 4)
    renumbered, same = label_by_track(labels, tracks)
    assert set(np.unique(renumbered.to_array())) == {0, 1}
    assert set(same.cells["label"]) == {1}


def test_masks_of_no_cell_are_left_out(tmp_path):
    labels, tracks = lineage({1: ([0, 1], 0), 2: ([0, 1], 0)})
    alone = Tracks(tracks.cells.query("label == 2"), tracks.links.iloc[:0])
    write_ctc(labels, alone, tmp_path / "out")
    assert len(valid(tmp_path / "out", 8)) == 2


def test_a_new_result_replaces_the_former_one_but_nothing_else(tmp_path):
    labels, tracks = lineage({1: ([0, 1], 0)})
    write_ctc(labels, tracks, tmp_path / "out")
    fewer, same = lineage({1: ([0, 1], 0)}, frames=2)
    write_ctc(fewer, same, tmp_path / "out")
    valid(tmp_path / "out", 2)
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(CannotWrite, match=r"already holds other files, such as thesis\.txt"):
        write_ctc(fewer, same, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_export_leaves_the_former_result(tmp_path):
    labels, tracks = lineage({1: ([0, 1], 0)})
    write_ctc(labels, tracks, tmp_path / "out")
    empty = labels.with_frame(1, np.zeros_like(labels.frame(1)))
    with pytest.raises(BadInput, match="Cell 1 of frame 1 has no mask"):
        write_ctc(empty, tracks, tmp_path / "out")
    valid(tmp_path / "out", 8)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_frames_get_four_digits_from_a_thousand_on():
    assert frame_names("mask", 1000)[-1] == "mask999.tif"
    assert frame_names("mask", 1001)[0] == "mask0000.tif"


def test_a_result_without_cells_is_a_result(tmp_path):
    labels, tracks = lineage({})
    write_ctc(labels, tracks, tmp_path / "out")
    assert valid(tmp_path / "out", 8) == {}
    assert len(read_ctc(tmp_path / "out")[1]) == 0


def test_a_folder_in_which_a_frame_is_missing_is_refused_by_its_name(tmp_path):
    labels, tracks = lineage({1: ([0, 1, 2, 3, 4, 5, 6, 7], 0)})
    write_ctc(labels, tracks, tmp_path / "out")
    (tmp_path / "out" / "mask003.tif").unlink()
    with pytest.raises(BadInput, match=r"has no mask003\.tif, but masks of every frame"):
        read_ctc(tmp_path / "out")
    (tmp_path / "out" / "mask005.tif").unlink()
    with pytest.raises(BadInput, match=r"has no mask003\.tif \(and 1 more\)"):
        read_ctc(tmp_path / "out")


def said_of(folder, family, lines):
    """What an import says of masks with a track file of these lines."""
    labels, tracks = lineage(family)
    write_ctc(labels, tracks, folder)
    (folder / "res_track.txt").write_text(lines)
    read, report = import_tracks(folder)
    ends = read.cells["label"].to_dict()
    pairs = read.links[["parent", "child"]].map(ends.get).drop_duplicates().to_numpy().tolist()
    return pairs, report


def test_a_third_daughter_is_told(tmp_path):
    family = {n: ([0] if n == 1 else [1], 0) for n in (1, 2, 3, 4)}
    lines = "1 0 0 0\n2 1 1 1\n3 1 1 1\n4 1 1 1\n"
    pairs, report = said_of(tmp_path / "RES", family, lines)
    assert pairs == [[1, 2], [1, 3]]
    assert "1 link was left out because the track file names more than two children" in str(report)
    assert not report.complete


def test_tracks_without_masks_and_their_daughters_are_told(tmp_path):
    lines = "1 0 1 0\n2 2 3 9\n8 0 3 0\n9 0 1 0\n"
    pairs, report = said_of(tmp_path / "RES", {1: ([0, 1], 0), 2: ([2, 3], 0)}, lines)
    assert pairs == [[1, 1], [2, 2]]
    assert "2 tracks of the track file have no mask in any frame, and were left out" in str(report)
    assert "1 link names a cell that the file does not have" in str(report)


def test_tracks_that_begin_or_end_elsewhere_than_the_file_says_are_told(tmp_path):
    family = {1: ([0, 1, 2], 0), 2: ([1, 2], 0)}
    _, report = said_of(tmp_path / "RES", family, "1 0 3 0\n2 1 2 0\n")
    assert "1 track begins or ends in other frames than the track file says" in str(report)
    _, report = said_of(tmp_path / "RES", family, "1 0 2 0\n2 1 2 0\n")
    assert report.complete


def test_frames_may_be_counted_from_the_number_of_the_first_file(tmp_path):
    folder = tmp_path / "RES"
    said_of(folder, {1: ([0, 1, 2], 0)}, "1 7 9 0\n")
    for path in sorted(folder.glob("*.tif"), reverse=True):
        path.rename(folder / f"mask{int(path.stem[4:]) + 7:03d}.tif")
    tracks, report = import_tracks(folder)
    assert tracks.cells["frame"].tolist() == [0, 1, 2] and report.complete


def test_truth_is_found_beside_the_images(tmp_path):
    for place in ("01", "01_GT/TRA", "01_ST/SEG"):
        (tmp_path / place).mkdir(parents=True)
    truth = find_truth(tmp_path / "01")
    assert truth.tracking == tmp_path / "01_GT" / "TRA"
    assert truth.silver == tmp_path / "01_ST" / "SEG"
    assert truth.gold is None


def test_real_truth_written_back_is_valid_and_perfect(tmp_path):
    name = "ctc/Fluo-N2DH-SIM/01_GT/TRA"
    if not (DATA / name).is_dir():
        pytest.skip(f"needs {name} in CELLCYCLE_DATA")
    evaluate = pytest.importorskip("ctc_metrics.scripts.evaluate")
    labels, tracks = read_ctc(DATA / name)
    write_ctc(labels, tracks, tmp_path / "01_RES")
    metrics = ["Valid", "TRA", "LNK"]
    scores = evaluate.evaluate_sequence(
        res=str(tmp_path / "01_RES"), gt=str((DATA / name).parent), metrics=metrics
    )
    assert [scores[metric] for metric in metrics] == [1, 1, 1]
