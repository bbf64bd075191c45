"""The score that link training selects by counts the links that are known, and only those."""

from dataclasses import replace

import examples
import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.features.shape import measure
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.models.link.simple import SimpleLinker
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link.graph_examples import cut
from napari_cellcycle.training.link.graph_examples import example_of as graph_example_of
from napari_cellcycle.training.link.presets import measured_of
from napari_cellcycle.training.link.recordings import Recording, fully_known
from napari_cellcycle.training.link.score import Agreement, HeldOut, KnownLinks, LinkScore, total
from napari_cellcycle.training.link.simple import (
    LinkTask,
    cut_window,
    linker_of,
    rivalry_loss,
    train_linker,
)
from napari_cellcycle.training.link.simple_examples import example_of
from napari_cellcycle.training.link.versions import Version


def recording(make=examples.division, ndim=2):
    """A toy whose masks carry the numbers of their true tracks."""
    toy = make(ndim)
    children = {}
    for parent, child in sorted(toy.links):
        children.setdefault(parent, []).append(child)
    track, mother, masks = {}, {}, np.zeros(toy.labels.shape, np.int32)
    for time, mask in enumerate(toy.labels):
        for label in np.unique(mask)[1:].tolist():
            own = track.setdefault((time, label), len(set(track.values())) + 1)
            masks[time][mask == label] = own
            after = children.get((time, label), [])
            if len(after) == 1:
                track[after[0]] = own
            for daughter in after[1:] and after:
                track[daughter] = len(set(track.values())) + 1
                mother[track[daughter]] = own
    labels = LabelStack(masks)
    truth = fully_known([np.unique(mask)[1:] for mask in labels])
    return Recording(toy.name, labels, truth, mother, toy.movie.pixel_size, toy.movie)


def rows(known):
    """True links of the division toy as rows: 1, 3, 5, 7 and 2, 4, ... in each frame."""
    cells = measure(known.movie, known.labels)
    by_track = cells.reset_index().groupby("label")
    links = [
        (a - 1, b - 1)
        for _, own in by_track
        for a, b in zip(own["cell_id"], own["cell_id"][1:], strict=False)
    ]
    for child, mother in known.mother.items():
        links.append(
            (
                cells.index[cells["label"] == mother][-1] - 1,
                cells.index[cells["label"] == child][0] - 1,
            )
        )
    return cells, np.array(links)


@pytest.mark.parametrize("ndim", [2, 3])
def test_true_links_score_one_and_missing_or_wrong_ones_less(ndim):
    made = recording(ndim=ndim)
    cells, links = rows(made)
    known = KnownLinks(made, cells, max_gap=2)
    perfect = known.score(*links.T)
    assert perfect == LinkScore(Agreement(15, 15, 15), Agreement(1, 1, 1))
    assert perfect.value == 1
    missed = known.score(*links[:-1].T)
    assert missed == LinkScore(Agreement(14, 14, 15), Agreement(0, 0, 1))
    assert missed.value == pytest.approx(14 / 29)
    wrong = links.copy()
    wrong[-1, 0] = 0
    assert known.score(*wrong.T).links == Agreement(14, 15, 15)
    none = known.score(np.empty(0, int), np.empty(0, int))
    assert none.value == 0


def test_where_nothing_divides_the_links_alone_count():
    made = recording(examples.two_walkers)
    cells, links = rows(made)
    score = KnownLinks(made, cells, 2).score(*links.T)
    assert score.divisions == Agreement() and score.value == 1
    assert score.figures() == {
        "link F1": 1.0,
        "division F1": 1.0,
        "true links": 6,
        "true divisions": 0,
    }


def test_links_of_cells_of_which_nothing_is_known_do_not_count():
    made = recording()
    cells, links = rows(made)
    nothing = replace(made, truth=made.truth.assign(past=False, future=False))
    assert not KnownLinks(nothing, cells, 2)
    assert KnownLinks(nothing, cells, 2).score(*links.T) == LinkScore()
    mother = int(np.bincount(links[:, 0]).argmax())
    future = np.arange(len(cells)) == mother
    some = KnownLinks(replace(nothing, truth=nothing.truth.assign(future=future)), cells, 2)
    assert some
    assert some.score(*links.T) == LinkScore(Agreement(2, 2, 2), Agreement(1, 1, 1))


def test_a_rejected_link_that_is_found_counts_as_wrong():
    made = recording()
    cells, links = rows(made)
    ends = cells.iloc[links[0]]
    pair = [[*ends["frame"].iloc[[0]], *ends["label"].iloc[[0]], *ends["frame"].iloc[[1]]]]
    pair[0].append(ends["label"].iloc[1])
    names = ["parent_frame", "parent_label", "child_frame", "child_label"]
    made = replace(
        made,
        truth=made.truth.assign(past=False, future=False, track=0),
        mother={},
        rejected=pd.DataFrame(pair, columns=names),
    )
    known = KnownLinks(made, cells, 2)
    assert known
    assert known.score(*links.T).links == Agreement(0, 1, 0)
    assert known.score(*links[1:].T).links == Agreement()


def test_a_gap_longer_than_allowed_is_not_asked_for():
    made = recording(examples.blink)
    cells, _ = rows(made)
    empty = np.empty(0, int)
    asked = [KnownLinks(made, cells, gap).score(empty, empty).links.true for gap in (1, 2)]
    assert asked == [6, 7]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_shipped_linker_scores_one_on_a_toy_and_ignorance_scores_less(ndim):
    linker = SimpleLinker.open(find_model("simple", "link"))
    held = [HeldOut(recording(make, ndim)) for make in (examples.division, examples.blink)]
    assert total(held, lambda one: linker(one.graph)).value == 1
    nothing = total(
        held,
        lambda one: Scores(
            np.zeros(len(one.graph.candidates)), np.zeros(len(one.graph.candidates.first))
        ),
    )
    assert nothing.value == 0
    strict = HeldOut(recording(examples.blink), TrackSettings(max_gap=1))
    assert strict.score(linker(strict.graph)).links.f1 == 1


def test_chances_of_what_is_true_are_told_by_what_it_is():
    held = HeldOut(recording(examples.division))
    known, c = held.known, held.graph.candidates
    n, m = len(c), len(c.first)
    nothing = Scores(np.zeros(n), np.zeros(m))
    kind, chance = known.chances(c, nothing)
    assert np.unique(kind).tolist() == [0, 1, 2]
    assert (chance[kind == 0] == 1).all() and not chance[kind > 0].any()
    shipped = SimpleLinker.open(find_model("simple", "link"))(held.graph)
    again, likely = known.chances(c, shipped)
    assert (again == kind).all() and likely.min() > 0.5


def test_of_links_that_are_not_known_no_chance_is_told():
    made = recording(examples.division)
    bare = replace(made, truth=made.truth.assign(past=False, future=False))
    held = HeldOut(bare)
    c = held.graph.candidates
    kind, chance = held.known.chances(c, Scores(np.zeros(len(c)), np.zeros(len(c.first))))
    assert not len(kind) and not len(chance)


def test_the_loss_of_a_fully_known_recording_is_that_of_all_pasts_and_futures():
    example = example_of(measured_of(recording()))
    network, _ = train_linker([(example, 1.0)], FitSettings(epochs=1, learning_rate=1e-3))
    drawn = LinkTask([(example, 1.0)], 20, 1).batches(np.random.default_rng(0))
    batch = next(windows[0] for windows in drawn if windows[0].judged.all())
    link, division = network(batch.links, batch.divisions)
    n, mother = len(batch.judged), batch.first[:, 0]
    out = torch.ones(len(link), n).index_add(1, batch.parent, link.exp())
    out = out.index_add(1, mother, division.exp()).log()
    into = torch.ones(len(link), n).index_add(1, batch.child, link.exp())
    for daughter in batch.first[:, 1:].T:
        into = into.index_add(1, daughter, division.exp())
    right = 2 * link[:, batch.true_link].sum() + 3 * division[:, batch.true_division].sum()
    expected = ((out + into.log()).sum() - right) / (len(link) * n)
    found = rivalry_loss(network, batch)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_a_linker_learns_what_a_user_says_and_nothing_from_what_is_not_known():
    made = recording(examples.two_walkers)
    cells, links = rows(made)
    unknown = replace(made, truth=made.truth.assign(past=False, future=False))
    weights = find_model("simple", "link").weights()
    quick = FitSettings(epochs=1, learning_rate=3e-3, weight_decay=0)

    def taught(lesson):
        example = example_of(measured_of(lesson))
        network, _ = train_linker([(example, 1.0)], quick, start=weights)
        c = example.graph.candidates
        place = np.flatnonzero((c.parent == links[0, 0]) & (c.child == links[0, 1]))
        return network, float(linker_of(network)(example.graph).link[place[0]])

    network, before = taught(unknown)
    assert all(torch.equal(network.state_dict()[name], weights[name]) for name in weights)
    assert before > 0.9
    ends = cells.iloc[links[0]]
    columns = {
        f"{end}_{what}": [int(ends[what].iloc[i])]
        for i, end in enumerate(("parent", "child"))
        for what in ("frame", "label")
    }
    assert taught(replace(unknown, rejected=pd.DataFrame(columns)))[1] < 0.5


def walker(frames=30):
    """One cell that walks on for long.

    A -- A -- A -- ...
    """
    places = [{1: (40, 20 + 2 * t, examples.RADIUS, 50)} for t in range(frames)]
    links = examples.straight(*[(t, 1) for t in range(frames)])
    return examples.toy("walker", places, links)


def test_what_little_is_known_is_in_every_window_that_is_learned_from():
    made = recording(lambda ndim: walker())
    made = replace(made, truth=made.truth.assign(past=False, future=made.truth["frame"] == 11))
    small = example_of(measured_of(made))
    rng = np.random.default_rng(0)
    assert all(cut_window(small, rng).future.sum() == 1 for _ in range(20))
    graph = graph_example_of(Version(made, 2, 1.0, 1.0))
    assert all(cut(graph, rng).future.sum() == 1 for _ in range(20))
    nothing = replace(made, truth=made.truth.assign(future=False))
    assert not cut_window(example_of(measured_of(nothing)), rng).future.any()
    assert not cut(graph_example_of(Version(nothing, 2, 1.0, 1.0)), rng).future.any()
