"""Synthetic movies with full truth: masks, lineage and stages, in 2D and 3D."""

from napari_cellcycle.simulate.movie import Simulation, simulate
from napari_cellcycle.simulate.random_settings import random_settings

__all__ = ["Simulation", "random_settings", "simulate"]
