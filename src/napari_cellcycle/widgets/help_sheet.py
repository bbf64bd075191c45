"""What is what, and all keys, on one small sheet."""

from itertools import zip_longest

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from napari_cellcycle.widgets.actions import ACTIONS
from napari_cellcycle.widgets.fold import scrolled

_TEXT = """
<h3>Cell cycle</h3>
<p><b>Track and classify</b> does three steps in one go. <b>Segment</b> finds the cells in every
frame, <b>Track</b> follows them and their divisions over time, <b>Classify</b> gives each cell
its stage. Unfold a step to change its settings or to run it alone.</p>
<p>The results are ordinary layers: the number of a mask is the number of its track. Layers &gt;
Metadata &gt; Features table shows all measurements of the tracks layer.</p>
<p><b>Click on a cell</b> to choose it. <b>Filmstrip</b> shows it over time, its mother before it;
<b>Stages over time</b> shows all cells. Clicking there moves the viewer. Where nothing is tracked
yet, a click while the filmstrip is open follows that one cell.</p>
<p><b>Correct</b>: choose a cell by a click and others by Shift-clicks, then press a key, a button
in the section Correct, or the right mouse button. Everything can be taken back, also after napari
was closed: each correction is on disk at once.</p>
"""
_KEYS = {
    "O": "colour by track or by stage",
    "Shift P": "preview of the segmentation, on and off",
    "R": "segment the frame that is shown again; all else stays",
    "Shift R": "the same in a rectangle you drew, or in what you see",
    "?": "this sheet",
    "← → Home End": "frame back and forward; with the filmstrip chosen, from crop to crop",
    "↑ ↓ ← →": "with the stages chosen: from cell to cell",
    "1 … 9": "with stages, filmstrip or gallery chosen: set the stage from this frame on; held "
    "down in the gallery: brush it over cells",
    "Delete": "with one of these chosen: let the model decide about the stage again",
    "Ctrl wheel": "with stages, gallery or lineage chosen: closer and farther; Shift: sideways",
    "N, Shift N": "the next and the former place to check, in the review",
    "1, 2, 3": "with the review chosen: take the first, second or third mend",
    "Enter": "with the review chosen: all is right there",
    "Ctrl Alt P": "play the movie, and stop it (of napari)",
    "V": "hide and show the chosen layers (of napari)",
}
"""Keys that are no corrections, and what they do."""
_KEYS_PX, _WORDS_PX = 110, 320


def show(parent: QWidget) -> QDialog:
    """Show the sheet; it does not keep the viewer from being used."""
    sheet = QDialog(parent)
    sheet.setWindowTitle("Cell cycle: help")
    sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    text = QLabel(_TEXT + _table())
    text.setWordWrap(True)
    width = 2 * (_KEYS_PX + _WORDS_PX) + 40
    text.setMinimumWidth(width)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(sheet.reject)
    layout = QVBoxLayout(sheet)
    layout.addWidget(scrolled(text))
    layout.addWidget(buttons)
    sheet.resize(width + 50, text.heightForWidth(width) + 70)
    sheet.show()
    return sheet


def _table() -> str:
    """All keys and what they do, in two columns."""
    known = {", ".join(a.keys).replace("+", " "): a.words for a in ACTIONS if a.keys}
    rows = list((known | _KEYS).items())
    half = (len(rows) + 1) // 2
    lines = []
    for left, right in zip_longest(rows[:half], rows[half:], fillvalue=("", "")):
        cells = "".join(
            f'<td width="{_KEYS_PX}"><b>{keys}</b></td><td width="{_WORDS_PX}">{words}</td>'
            for keys, words in (left, right)
        )
        lines.append(f"<tr>{cells}</tr>")
    return f'<table cellspacing="5">{"".join(lines)}</table>'
