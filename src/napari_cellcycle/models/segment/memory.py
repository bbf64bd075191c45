"""Telling that memory ran out from everything else that can go wrong."""

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "defaultcpuallocator")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the machine or its graphics card has no memory left."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _SIGNS)
