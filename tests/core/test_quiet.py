"""Cellpose is imported without what it does not need."""

import subprocess
import sys

import pytest

SCRIPT = """
import numba, numpy as np, torch
before = numba.njit
from napari_cellcycle.models.segment.dynamics import flows_of
from napari_cellcycle.models.segment.quiet import cellpose_module
dynamics = cellpose_module("dynamics")
assert numba.njit is before
assert not dynamics.steps2D.signatures, "compiled while it was imported"
masks = np.zeros((40, 40), np.int32)
masks[10:30, 8:28] = 1
flows = flows_of(masks)
assert flows[0, 12, 18] > 0.5 and flows[0, 27, 18] < -0.5
start = np.array([[12.0], [10.0]], np.float32)
end = np.ravel(dynamics.steps2D(start, flows.astype(np.float32), np.int32(50)))
assert np.abs(end - [19.5, 17.5]).max() < 3, end
"""


NOWHERE = "from numba.core import caching; caching.CacheImpl._locator_classes = []\n"


@pytest.mark.parametrize("disk", ["", NOWHERE], ids=["kept", "nowhere to keep it"])
def test_cellpose_is_compiled_when_it_is_called_and_works_as_ever(disk):
    script = disk + SCRIPT
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
