"""What `import napari_cellcycle` offers."""

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
