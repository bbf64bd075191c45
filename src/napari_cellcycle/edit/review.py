"""Operations of reviewing: saying that something is right as it is."""

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.edit.bench import Bench

OF_LINKS = ("link", "division")
"""Kinds of confirmations that say that links are right, too."""


def confirm(bench: Bench, kind: str, number: int) -> str:
    """Say that something is right: a "link" to a cell, the "division" of a cell, and so on.

    `number` is a cell, or a frame for the kind "frame". Links that are right are held by the user
    from now on, whatever a tracker thinks.
    """
    draft = bench.draft
    draft.mark("confirmed", [(kind, int(number))])
    if kind in OF_LINKS and draft.has(number):
        children = [number] if kind == "link" else draft.children(number)
        for child in children:
            if draft.parent(child) != NOBODY:
                draft.set_values("link_by", [child], BY_USER)
    return "Confirmed as right"


def unconfirm(bench: Bench, kind: str, number: int) -> str:
    """Take a confirmation back."""
    bench.draft.mark("confirmed", [(kind, int(number))], there=False)
    return "No longer confirmed"
