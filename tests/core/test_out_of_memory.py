"""Want of memory is told from all else, however far down it was met."""

import sys

import pytest

from napari_cellcycle.errors import BadInput, is_out_of_memory

SILENT = SystemError("error return without exception set")


def caused(error, cause):
    try:
        raise error from cause
    except Exception as raised:  # noqa: BLE001 - any kind, as that is the matter here
        return raised


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
        caused(BadInput("The tracks cannot be read"), MemoryError()),
    ],
)
def test_want_of_memory_is_known_by_its_kind_its_words_or_its_cause(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        SILENT,
        RuntimeError("can't start new thread"),
        ValueError("not enough memory of the cell's past"),
        caused(BadInput("The tracks cannot be read"), OSError(2, "No such file")),
    ],
)
def test_other_errors_are_not_blamed_on_memory_while_there_is_some(error):
    assert not is_out_of_memory(error)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems grant any amount")
def test_an_error_without_a_reason_is_blamed_on_memory_where_none_is_left():
    import resource

    former = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1, former[1]))
    try:
        assert is_out_of_memory(SILENT)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, former)
