"""The published tracker, from training to lineages."""

import examples
import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.paper import measure_paper
from napari_cellcycle.models.link.open import open_linker
from napari_cellcycle.models.link.paper.follow import follow
from napari_cellcycle.models.link.paper.graph import Candidates, candidates, reach_of
from napari_cellcycle.models.link.paper.linker import PaperLinker
from napari_cellcycle.models.store import Model
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.pipeline.track_paper import clean_frame, cleaned, link_paper
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link.paper import PaperTraining, train_paper
from napari_cellcycle.training.link.recordings import Recording, fully_known


def short(epochs, rate=3e-3):
    return FitSettings(
        epochs=epochs, learning_rate=rate, weight_decay=1e-5, warmup=0, schedule="constant", clip=0
    )


def easy(ndim, seed, frames=8):
    """A simulated movie of a few cells that keep apart."""
    size = {2: {"size": 160}, 3: {"size": 96, "planes": 10, "plane_spacing": 2.0}}[ndim]
    made = simulate(
        SimulateSettings(
            **{"ndim": ndim, "seed": seed, "frames": frames, "cells": 6, "debris": 0},
            **{"spacing": 1.6, "clustering": 0, **size},
        )
    )
    values = [np.unique(mask)[1:] for mask in made.labels]
    recording = Recording(
        f"easy {seed}",
        made.labels,
        fully_known(values),
        dict(made.tracks.mothers),
        made.movie.pixel_size,
        made.movie,
    )
    return recording, made


def followed(toy, true_links):
    """Links between sightings, if the network finds exactly `true_links`."""
    cells = measure_paper(toy.movie, toy.labels)
    links = candidates(cells.frame, cells.centroid, reach_of(cells, 4))
    sighting = list(zip(cells.frame, cells.table["seg_label"], strict=True))
    ends = zip(links.source, links.target, strict=True)
    score = np.array([0.9 * ((sighting[s], sighting[t]) in true_links) for s, t in ends])
    found = follow(cells.frame, cells.centroid, links, score)
    Tracks(
        cells.table.assign(frame=cells.frame, label=cells.table["seg_label"], y=0, x=0),
        _table(found),
    )
    pairs = zip(found.parent, found.child, strict=True)
    return {(sighting[p], sighting[c]) for p, c in pairs}, found


def _table(lineage):
    import pandas as pd

    return pd.DataFrame(
        {"parent": lineage.parent + 1, "child": lineage.child + 1, "score": lineage.score}
    )


def within_tracks(toy):
    """The links that the published network learns: those of one mask value, one frame on."""
    daughters = {link for link in toy.links if toy.name == "division" and link[0][1] != link[1][1]}
    return {(a, b) for a, b in toy.links - daughters if b[0] == a[0] + 1}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("make", examples.TOYS, ids=lambda make: make.__name__)
def test_toys_are_followed_except_over_gaps(make, ndim):
    toy = make(ndim)
    found, lineage = followed(toy, within_tracks(toy))
    over_gaps = {(a, b) for a, b in toy.links if b[0] > a[0] + 1}
    assert found == toy.links - over_gaps
    assert len(over_gaps) == (toy.name == "blink")
    assert lineage.guessed.sum() == (2 if toy.name == "division" else 0)
    assert set(lineage.score[lineage.guessed]) <= {0.0}


def test_a_newcomer_is_given_to_whatever_cell_vanished_however_far_away():
    toy = examples.newcomer()
    found, lineage = followed(toy, within_tracks(toy) - {((1, 1), (2, 1))})
    assert {((1, 1), (2, 1)), ((1, 1), (2, 2))} <= found
    assert lineage.guessed.sum() == 2


def test_of_three_daughters_the_two_nearest_are_kept():
    frame = np.array([0, 1, 1, 1])
    centroid = np.array([[50, 50], [50, 90], [50, 55], [60, 50]])
    none = Candidates(*np.zeros((2, 0), np.int64), *np.zeros((2, 0), bool))
    found = follow(frame, centroid, none, np.zeros(0))
    assert found.parent.tolist() == [0, 0] and found.child.tolist() == [2, 3]


def candidates_of(*ends):
    source, target = np.array(ends).T
    return Candidates(source, target, *np.zeros((2, len(ends)), bool))


def test_a_cell_with_several_links_goes_on_to_the_nearest_whatever_the_scores():
    frame, centroid = np.array([0, 1, 1]), np.array([[10, 10], [10, 14], [10, 12]])
    score = np.array([0.99, 0.6])
    found = follow(frame, centroid, candidates_of((0, 1), (0, 2)), score)
    assert found.parent.tolist() == [0] and found.child.tolist() == [2]
    assert found.score.tolist() == [0.6]


def test_two_tracks_that_meet_are_not_merged():
    frame, centroid = np.array([0, 0, 1, 2]), np.array([[10, 10], [10, 20], [10, 13], [10, 14]])
    links = candidates_of((0, 2), (1, 2), (2, 3))
    found = follow(frame, centroid, links, np.array([0.6, 0.9, 0.9]))
    assert list(zip(found.parent, found.child, strict=True)) == [(0, 2), (2, 3)]


def test_a_link_counts_above_the_threshold_only():
    frame, centroid = np.array([0, 1, 2]), np.zeros((3, 2), int)
    found = follow(frame, centroid, candidates_of((0, 1), (1, 2)), np.array([0.5, 0.51]))
    kept = found.child[~found.guessed]
    assert kept.tolist() == [2]


@pytest.mark.parametrize("ndim", [2, 3])
def test_masks_are_cleaned_on_a_copy(ndim):
    mask = np.zeros((8, 30, 30)[-ndim:], np.int32)
    mask[..., 2:8, 2:8] = 5
    mask[..., 20:23, 2:5] = 5
    mask[..., 2:8, 8:14] = 6
    mask[(0,) * ndim] = 7
    before = mask.copy()
    clean = clean_frame(mask, 20)
    assert (mask == before).all()
    assert ((clean == 5) == (mask == 5) & (np.arange(30)[:, None] < 10)).all()
    assert ((clean == 6) == (mask == 6)).all()
    assert not (clean == 7).any()
    labels = LabelStack(mask[None])
    assert cleaned(labels, 0) is labels
    assert (cleaned(labels, 20).frame(0) == clean).all()
    assert (clean_frame(np.zeros_like(mask), 20) == 0).all()


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A model trained on three easy movies and judged on another, the first."""
    movies = [easy(2, seed)[0] for seed in (0, 1, 3, 4)]
    settings = PaperTraining(links=short(80, 1e-3), split="sepSequences", graphs=1, stride=1)
    return train_paper(movies, tmp_path_factory.mktemp("models"), settings=settings)


def test_training_lowers_the_loss_until_every_link_is_told(flat):
    losses = [epoch["loss"] for epoch in flat.card.settings["history"]["links"]]
    assert min(losses) < 0.2 * losses[0]
    figures = flat.card.metrics["links of windows kept aside"]
    assert figures["precision"] == figures["recall"] == 1
    assert figures["FP"] == figures["FN"] == 0


def test_an_easy_movie_is_tracked_without_a_fault(flat):
    recording, made = easy(2, 0)
    labels, tracks = track(recording.movie, recording.labels, model=PaperLinker.open(flat))
    assert len(tracks.links) >= len(made.tracks.links) - 2 * len(made.tracks.divisions)
    for time, mask in enumerate(labels):
        true = recording.labels.frame(time)
        assert ((mask > 0) == (true > 0)).all()
    pairs = np.unique(
        np.stack([labels.to_array().ravel(), recording.labels.to_array().ravel()]), axis=1
    )
    assert len(set(pairs[1])) <= len(pairs[0])


def test_the_whole_movie_and_windows_of_it_give_links(flat):
    recording, _ = easy(2, 0, frames=14)
    linker = PaperLinker.open(flat)
    cells = linker.measure(recording.movie, recording.labels)
    links, whole = linker(cells)
    linker.settings = linker.settings.model_copy(update={"inference": "windows"})
    same, parts = linker(cells)
    assert (links.source == same.source).all()
    assert ((parts >= 0) & (parts <= 1)).all() and not np.array_equal(whole, parts)


def test_a_stored_model_is_opened_by_its_card(flat):
    linker = open_linker(str(flat.path), device="cpu")
    assert isinstance(linker, PaperLinker)
    assert linker.settings.features == "basic"
    wrong = flat.card.model_copy(update={"settings": {}})
    with pytest.raises(MissingModel, match="does not fit its card"):
        PaperLinker.open(Model(wrong, flat.path))


def test_a_model_for_images_refuses_volumes(flat):
    toy = examples.frozen(3)
    with pytest.raises(BadInput, match="trained on 2D"):
        link_paper(toy.movie, toy.labels, PaperLinker.open(flat))


def test_masks_of_specks_alone_cannot_be_tracked(flat):
    toy = examples.frozen()
    specks = LabelStack(np.pad(np.ones((3, 2, 2), np.int32), ((0, 0), (40, 54), (40, 54))))
    with pytest.raises(BadInput, match="at least 20 pixels"):
        link_paper(toy.movie, specks, PaperLinker.open(flat))


@pytest.mark.parametrize(
    ("ndim", "features", "mode"),
    [(2, "full", "masks"), (3, "basic", "masks"), (3, "full", "masks"), (2, "full", "markers")],
)
def test_every_kind_of_model_is_trained_stored_and_used(ndim, features, mode, tmp_path):
    recording, _ = easy(ndim, 2, frames=4)
    settings = PaperTraining(links=short(2), metric=short(1, 1e-3), width=4, metric_loss="triplet")
    model = train_paper(
        [recording],
        tmp_path,
        name="small",
        features=features,
        mode=mode,
        ndim=ndim,
        settings=settings,
    )
    assert model.card.kind == "link" and model.card.architecture.startswith("paper")
    assert set(model.card.settings["scaling"]["recordings"]) == {"easy 2"}
    prefixes = {name.split(".")[0] for name in model.weights()}
    assert prefixes == ({"links", "metric"} if features == "full" else {"links"})
    linker = PaperLinker.open(model, device="cpu")
    assert (linker.settings.mode, linker.settings.ndim) == (mode, ndim)
    if features == "full":
        seen = linker.measure(recording.movie, recording.labels).learned()
        assert np.allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    cells, links = link_paper(recording.movie, recording.labels, linker)
    assert len(Tracks(cells, links)) == len(recording.truth)


def test_recordings_without_images_are_refused(tmp_path):
    recording, _ = easy(2, 2, frames=2)
    blind = Recording(
        "blind", recording.labels, recording.truth, {}, recording.pixel_size, movie=None
    )
    with pytest.raises(BadInput, match="blind has no images"):
        train_paper([blind], tmp_path)
    with pytest.raises(BadInput, match="2D, but a model for 3D"):
        train_paper([recording], tmp_path, ndim=3)
