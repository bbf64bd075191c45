"""Stages of whole lineages: what a life may look like, and what it may not."""

import time

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.pipeline.decode import decode

LETTERS = dict(zip("ipPmatx", H2B.names, strict=True))
FIVE_MINUTES = 300.0


def one_cell(frames):
    """A single track that is seen in `frames`."""
    frames = np.asarray(frames)
    cells = pd.DataFrame(
        {"frame": frames, "label": 1, "y": 0.0, "x": 0.0},
        index=pd.RangeIndex(1, len(frames) + 1, name="cell_id"),
    )
    links = pd.DataFrame({"parent": cells.index[:-1], "child": cells.index[1:], "score": 1.0})
    return Tracks(cells, links)


def family(mother, daughter):
    """A mother of `mother` frames, then two daughters of `daughter` frames each.

    ::

        1-2-...-m-<  a-...
                     b-...
    """
    frame = [*range(mother)]
    label = [1] * mother
    links = [(i, i + 1) for i in range(1, mother)]
    for sister in (0, 1):
        start = mother + 1 + sister * daughter
        frame += range(mother, mother + daughter)
        label += [2 + sister] * daughter
        links += [(mother, start), *((i, i + 1) for i in range(start, start + daughter - 1))]
    cells = pd.DataFrame(
        {"frame": frame, "label": label, "y": 0.0, "x": 0.0},
        index=pd.RangeIndex(1, len(frame) + 1, name="cell_id"),
    )
    return Tracks(cells, pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0))


def looks(letters, confidence=0.8):
    """Probabilities of cells that look like `letters` (i p P m a t x, as in H2B)."""
    names = list(LETTERS)
    chances = np.full((len(letters), len(H2B)), (1 - confidence) / (len(H2B) - 1))
    chances[np.arange(len(letters)), [names.index(letter) for letter in letters]] = confidence
    return chances


def letters(codes):
    return "".join(list(LETTERS)[code] for code in codes)


def lived(tracks, seen, smoothing=0.5, interval=FIVE_MINUTES, confidence=0.8):
    return letters(decode(tracks, looks(seen, confidence), H2B, interval, smoothing).code)


def test_a_single_flicker_of_mitosis_is_smoothed_away():
    assert lived(one_cell(range(9)), "iiimiiiii") == "iiiiiiiii"


def test_without_smoothing_every_frame_stands_for_itself():
    seen = "iximapiPi"
    assert lived(one_cell(range(9)), seen, smoothing=0) == seen


def test_a_mitosis_in_its_order_is_kept():
    seen = "iiippPPmmm" + "atttiiii" * 2
    assert lived(family(10, 8), seen) == seen


def test_stages_out_of_order_are_put_in_order():
    assert lived(one_cell(range(10)), "ippPmPmmmm") in ("ippPmmmmmm", "ippPPPmmmm")


def test_a_mother_ends_in_mitosis_and_her_daughters_begin_after_it():
    seen = "iiippPPmmP" + "itttiiii" + "aattiiii"
    codes = lived(family(10, 8), seen)
    assert codes[9] in "ma"
    assert codes[10] in "at"
    assert codes[18] in "at"


def test_the_dead_stay_dead():
    assert lived(one_cell(range(10)), "iiixxxixxi") == "iiixxxxxxx"


def test_one_frame_that_looks_dead_kills_nobody():
    assert lived(one_cell(range(9)), "iiixiiiii") == "iiiiiiiii"


def test_a_gap_gives_time_for_stages_that_nobody_saw():
    seen = "iimmttii"
    together = lived(one_cell(range(8)), seen, smoothing=0.5)
    apart = lived(one_cell([0, 1, 12, 13, 20, 21, 30, 31]), seen, smoothing=0.5)
    assert apart == seen
    assert together != seen


def test_coarse_frames_may_skip_short_stages():
    seen = "iiimiiii"
    assert lived(one_cell(range(8)), seen, interval=3600.0, confidence=0.97) == seen
    assert lived(one_cell(range(8)), seen, interval=300.0, confidence=0.97) == "iiiiiiii"


def test_no_cells_get_no_stages():
    assert decode(one_cell([]), np.zeros((0, 7)), H2B, FIVE_MINUTES, 0.5).code.shape == (0,)


def test_a_large_movie_takes_less_than_a_third_of_a_second():
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(92), 93)
    label = np.tile(np.arange(1, 94), 92)
    cells = pd.DataFrame(
        {"frame": frame, "label": label, "y": 0.0, "x": 0.0},
        index=pd.RangeIndex(1, len(frame) + 1, name="cell_id"),
    )
    links = pd.DataFrame({"parent": cells.index[:-93], "child": cells.index[93:], "score": 1.0})
    tracks = Tracks(cells, links)
    chances = rng.dirichlet(np.ones(7), len(cells))
    start = time.process_time()
    decode(tracks, chances, H2B, FIVE_MINUTES, 0.5)
    assert time.process_time() - start < 0.3
