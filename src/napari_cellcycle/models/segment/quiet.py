"""Cellpose without its log lines, its imports' warnings, and three seconds of compiling."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def cellpose_module(name: str) -> Any:
    """Import `cellpose.<name>`."""
    with warnings.catch_warnings(), _compiled_once():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"cellpose.{name}")
    logging.getLogger("cellpose").setLevel(logging.ERROR)
    return module


@contextmanager
def _compiled_once() -> Iterator[None]:
    """Have numba compile what is imported when it is first called, and keep that for next time.

    Cellpose has functions compiled while it is imported, most of which are never called with
    torch, and each process does it anew.
    """
    import numba

    real = numba.njit

    def njit(*given: Any, **options: Any) -> Any:
        def kept(function: Any) -> Any:
            try:
                return real(**{**options, "cache": True})(function)
            except RuntimeError:  # nowhere to keep it
                return real(**{**options, "cache": False})(function)

        functions = [one for one in given if callable(one)]  # the rest are types of arguments
        return kept(functions[0]) if functions else kept

    numba.njit = njit
    try:
        yield
    finally:
        numba.njit = real
