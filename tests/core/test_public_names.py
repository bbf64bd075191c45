"""What `import napari_cellcycle` offers."""

import os
import subprocess
import sys

import pytest

import napari_cellcycle
import napari_cellcycle.simulate  # a room, which must not take the place of a name


@pytest.mark.parametrize("name", napari_cellcycle.__all__)
def test_every_name_is_there_however_often_it_is_asked_for(name):
    for _ in range(2):
        found = getattr(napari_cellcycle, name)
        assert callable(found) or isinstance(found, str)


def test_a_name_that_is_not_offered_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = napari_cellcycle.nothing


@pytest.mark.parametrize(("chosen", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_chose_otherwise(chosen, used):
    others = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    script = "import os, sys, napari_cellcycle as n; "
    script += "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=others if chosen is None else {**others, "OMP_WAIT_POLICY": chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [used, "False"]
