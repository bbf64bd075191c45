"""Cellpose without its log lines, and without the warnings that its own imports raise."""

import importlib
import logging
import warnings
from typing import Any


def cellpose_module(name: str) -> Any:
    """Import `cellpose.<name>`; takes some seconds the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"cellpose.{name}")
    logging.getLogger("cellpose").setLevel(logging.ERROR)
    return module
