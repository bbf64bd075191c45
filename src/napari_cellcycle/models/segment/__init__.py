"""Segmenters: what finds cells in one image."""

from napari_cellcycle.models.segment.segmenter import Segmenter, open_segmenter

__all__ = ["Segmenter", "open_segmenter"]
