"""What another model does differently, and how many errors were left after each round."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.progress import silent
from napari_cellcycle.training.teach import Contrast, TaughtModel, Verdict
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.running import still_true
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.teach_carry import carry_rounds
from napari_cellcycle.widgets.teach_changes import Question, choose_frames, excerpt, find_changes
from napari_cellcycle.widgets.teach_differences import of_links, of_masks, of_stages, places
from napari_cellcycle.widgets.teach_overlay import AFTER, BEFORE, Overlay
from napari_cellcycle.widgets.teach_rounds import Round, add_rounds, read_rounds, rounds_of


def tracks(parents, **columns):
    """Cells 1, 2, 3... of which two are in each frame, with these parents (0: none)."""
    ids = np.arange(1, len(parents) + 1)
    cells = pd.DataFrame(
        {
            "frame": (ids - 1) // 2,
            "label": 1 + (ids - 1) % 2,
            "y": 10.0,
            "x": np.where(ids % 2, 5.0, 30.0) + ids,
            **columns,
        },
        index=ids,
    )
    links = [(parent, child) for child, parent in zip(ids, parents, strict=True) if parent]
    return Tracks(cells, pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0))


def names_of(made):
    return pd.Series(made.track_id.to_numpy(), places(made.cells, made.axes))


def test_masks_that_are_new_gone_or_of_another_outline_are_told():
    before, after = np.zeros((2, 20, 30), np.int32)
    before[2:8, 2:8], after[2:8, 2:8] = 3, 7
    before[2:8, 12:18], after[2:8, 12:16] = 4, 1
    before[12:18, 2:8] = 9
    after[12:18, 12:18] = 2
    found = {change.words: change for change in of_masks({5: (before, after)})}
    assert set(found) == {"new cell", "no cell any more", "another outline (67% the same)"}
    assert all(change.frame == 5 for change in found.values())
    assert found["no cell any more"].place == (14.0, 4.0)
    assert after[tuple(map(int, found["new cell"].place))] == 2


def test_cells_that_come_from_another_cell_are_told_by_their_numbers():
    before, after = tracks([0, 0, 1, 2, 3, 4]), tracks([0, 0, 1, 2, 4, 0])
    found = of_links(before, after, names_of(before), start=10)
    assert [change.frame for change in found] == [12, 12]
    assert found[0].words == "cell 1 comes from 2; before, comes from 1"
    assert found[1].words == "cell 2 appears anew; before, comes from 2"
    assert found[0].before == (10.0, 8.0) and found[0].after == (10.0, 34.0)
    assert found[1].after is None


def test_runs_of_frames_with_another_stage_are_one_change():
    base = [0, 0, 1, 2, 3, 4]
    before = tracks(base, stage=["a", "a", "a", "b", "a", "b"])
    after = tracks(base, stage=["a", "a", "b", "b", "b", "a"])
    found = of_stages(before, after, names_of(before), start=4)
    assert [change.words for change in found] == [
        "cell 1: to frame 6, b instead of a",
        "cell 2: a instead of b",
    ]
    assert [(change.frame, change.cell) for change in found] == [(5, 1), (6, 2)]


@pytest.fixture(scope="module")
def known():
    path = sample_path("nuclei_2d")
    truth = path.with_name(path.name.removesuffix(".ome.tif") + "_GT") / "TRA"
    labels, made = read_ctc(truth, by_track=True)
    return Experiment(open_movie(path), LabelStack(labels.to_array()), made)


def test_frames_with_corrections_are_looked_at_last(known):
    done = frozenset(("frame", time) for time in range(len(known.movie)) if time not in (7, 20))
    assert choose_frames(replace(known, confirmed=done), "segment") == (7, 20)
    early = replace(known, confirmed=frozenset(("frame", time) for time in range(20)))
    assert min(choose_frames(early, "link")) >= 20


class Watched:
    """Pixels of a movie that remember which were read."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.read = pixels, pixels.shape, []

    def __getitem__(self, place):
        self.read.append(place[:2])
        return self.pixels[place]


@pytest.mark.parametrize(
    ("kind", "step", "frames"), [("stage", "classify", range(3, 9)), ("segment", "segment", (4, 9))]
)
def test_frames_are_read_one_by_one_in_the_channel_that_is_looked_at(known, kind, step, frames):
    own = np.asarray(known.movie.pixels)
    pixels = Watched(np.concatenate([np.zeros_like(own), own], axis=1))
    movie = replace(known.movie, pixels=pixels, channels=("phase", "H2B"))
    part = excerpt(
        replace(known, movie=movie, history=(Step(step, {"channel": "H2B"}),)), frames, kind
    )
    assert part.movie.channels == ("H2B",) and len(pixels.read) < 2
    for number, time in enumerate(frames):
        assert (part.movie.frame(number) == own[time, 0]).all()
        assert pixels.read[-1] == (time, 1)
        if kind == "stage":
            assert (part.labels.frame(number) == known.labels.frame(time)).all()


def first_frames(experiment, count):
    """The beginning of an experiment, of which there is less to compute."""
    movie = replace(experiment.movie, pixels=np.asarray(experiment.movie.pixels[:count]))
    cells = experiment.tracks.cells[experiment.tracks.cells["frame"] < count]
    links = experiment.tracks.links[experiment.tracks.links["child"].isin(cells.index)]
    labels = LabelStack(experiment.labels.base[:count])
    return replace(experiment, movie=movie, labels=labels, tracks=Tracks(cells, links))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [("segment", "threshold", "cellcycle-nuclei"), ("stage", "rnn", "frame")],
)
def test_what_two_models_say_is_shown_side_by_side(viewer, known, kind, before, after):
    known = known if kind == "segment" else first_frames(known, 14)
    question = Question(kind, before, after, known, ComputeSettings(device="cpu"))
    changes = find_changes(question, progress=silent)
    assert changes.changes and {change.frame for change in changes.changes} <= set(changes.frames)
    session = Session(viewer)
    session.choose(viewer.add_image(known.movie.pixels[:, 0], name="sample"))
    session.open(Result(known, prepare(known)))
    overlay = Overlay(viewer)
    layers = len(viewer.layers)
    overlay.show(changes, session.recording)
    shown = [layer.name for layer in overlay.layers]
    if kind == "segment":
        assert shown == [BEFORE, AFTER]
        time = changes.frames[0]
        assert np.array_equal(np.asarray(overlay.layers[0].data[time]), changes.masks[time][0])
        assert not session.recording.layers.labels.visible
    else:
        (points,) = overlay.layers
        first = changes.changes[0]
        assert points.features["said"].iloc[0] == f"{first.before} → {first.after}"
        assert tuple(points.data[0]) == (first.frame, *first.place)
    overlay.clear()
    assert len(viewer.layers) == layers and session.recording.layers.labels.visible
    session.close()


def taught(name, base, before, after):
    held = Contrast(
        name="F1",
        on="3 lineages",
        before=before,
        after=after,
        before_interval=(before - 0.1, before + 0.05),
        after_interval=(after - 0.1, after + 0.05),
        gain=after - before,
        gain_interval=(0.0, 0.1),
        groups=3,
        figures={"link F1": (before + 0.02, after + 0.02)},
    )
    verdict = Verdict(outcome="better", words="", recommended=True, share=1.0, held_out=held)
    return TaughtModel(
        kind="link", base=base, name=name, path="x", verdict=verdict, split="", counts={}
    )


def test_rounds_go_on_from_the_model_that_was_taken(tmp_path):
    for model in (taught("b", "a", 0.9, 0.95), taught("c", "b", 0.94, 0.97)):
        add_rounds(tmp_path, rounds_of(model, read_rounds(tmp_path)))
    found = read_rounds(tmp_path)
    assert [(each.number, each.model) for each in found] == [(0, "a"), (1, "b"), (2, "c")]
    assert [each.errors for each in found] == pytest.approx([80, 30, 10])
    assert {each.name for each in found} == {"link F1"}


def test_of_audits_in_one_round_the_last_counts(tmp_path):
    audit = Round(kind="stage", number=0, model="rnn", source="audit", errors=9, low=1, high=20)
    add_rounds(tmp_path, [audit])
    add_rounds(tmp_path, [audit.model_copy(update={"errors": 7})])
    assert [each.errors for each in read_rounds(tmp_path)] == [7]


def test_rounds_go_with_the_experiment_and_damaged_ones_are_left_out(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    carry_rounds(one, other)
    assert read_rounds(other) == ()
    add_rounds(one, rounds_of(taught("b", "a", 0.9, 0.95), ()))
    carry_rounds(one, other)
    assert read_rounds(other) == read_rounds(one) != ()
    (other / "rounds.json").write_text("[{")
    assert read_rounds(other) == ()


@pytest.mark.parametrize(
    ("step", "left"), [("classify", {"audit link", "link"}), ("run", {"link"})]
)
def test_answers_of_an_audit_are_forgotten_with_what_they_were_about(step, left):
    said = frozenset({("audit link", 3), ("audit wrong stage", 3), ("audit stage", 1), ("link", 9)})
    assert {kind for kind, _ in still_true(said, step)} == left


def test_the_settings_of_the_open_result_are_taken(known):
    from napari_cellcycle.widgets.teach_changes import settings_with

    made = replace(known, history=(Step("track", {"model": "a", "max_gap": 3}),))
    settings = settings_with(made, "track", "b")
    assert (settings.model, settings.max_gap) == ("b", 3)
