"""All panels below the viewer."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_cellcycle.widgets.below import View
from napari_cellcycle.widgets.session import Session

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def views_of(dock: "CellCycle") -> tuple[View, ...]:
    """The panels of a dock, in the order of their buttons."""
    session = dock.session
    return (
        View(
            "lineage",
            "Lineage",
            "Show all cells and their divisions as a tree over time",
            "tracks",
            partial(_lineage, dock),
        ),
        View(
            "gallery",
            "Gallery",
            "Show cells side by side, a row a cell, aligned at birth, mitosis or division",
            "tracks",
            partial(_gallery, dock),
        ),
        View(
            "stages",
            "Stages over time",
            "Show the stages of all cells over time, a row a cell",
            "stages",
            lambda: dock.stages,
        ),
        View(
            "filmstrip",
            "Filmstrip",
            "Show the cell that you click on over time",
            "movie",
            lambda: dock.filmstrip,
        ),
        View("table", "Table", "Show a table of all cells", "tracks", partial(_table, session)),
        View(
            "review",
            "Review",
            "Show what is probably wrong, the likeliest first, and how it could be mended",
            "tracks",
            partial(_review, session),
        ),
        View(
            "audit",
            "Audit",
            "Find out how many links, divisions and stages are right, from a few of them",
            "tracks",
            partial(_audit, session),
        ),
    )


def _lineage(dock: "CellCycle") -> QWidget:
    from napari_cellcycle.widgets.lineage_panel import LineagePanel

    panel = LineagePanel(dock.session)
    panel.menu_requested.connect(dock.correcting.show_menu)
    return panel


def _gallery(dock: "CellCycle") -> QWidget:
    from napari_cellcycle.widgets.gallery_panel import GalleryPanel

    return GalleryPanel(dock.session)


def _table(session: Session) -> QWidget:
    from napari_cellcycle.widgets.cell_table import CellTable

    return CellTable(session)


def _review(session: Session) -> QWidget:
    from napari_cellcycle.widgets.review_panel import ReviewPanel

    return ReviewPanel(session)


def _audit(session: Session) -> QWidget:
    from napari_cellcycle.widgets.audit_panel import AuditPanel

    return AuditPanel(session)
