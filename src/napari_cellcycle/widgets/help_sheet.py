"""What is what, and all keys, on one small sheet."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

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
<table cellspacing="6">
<tr><td><b>O</b></td><td>colour by track or by stage</td></tr>
<tr><td><b>Alt P</b></td><td>preview of the segmentation, on and off</td></tr>
<tr><td><b>R</b></td><td>segment the frame that is shown again; all else stays</td></tr>
<tr><td><b>Shift R</b></td><td>the same in a rectangle you drew, or in what you see</td></tr>
<tr><td><b>?</b></td><td>this sheet</td></tr>
<tr><td><b>← →</b></td><td>frame back and forward (of napari)</td></tr>
<tr><td><b>← → Home End</b></td><td>with the filmstrip chosen: from crop to crop</td></tr>
<tr><td><b>↑ ↓ ← →</b></td><td>with the stages chosen: from cell to cell</td></tr>
<tr><td><b>V</b></td><td>hide and show the chosen layers (of napari)</td></tr>
<tr><td><b>Ctrl Y</b></td><td>2D and 3D view (of napari)</td></tr>
</table>
"""


def show(parent: QWidget) -> QDialog:
    """Show the sheet; it does not keep the viewer from being used."""
    sheet = QDialog(parent)
    sheet.setWindowTitle("Cell cycle: help")
    sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    text = QLabel(_TEXT)
    text.setWordWrap(True)
    text.setMinimumWidth(420)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(sheet.reject)
    layout = QVBoxLayout(sheet)
    layout.addWidget(text)
    layout.addWidget(buttons)
    sheet.show()
    return sheet
