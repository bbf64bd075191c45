"""How boxes for numbers look where there is little room."""

_STYLE = """
QAbstractSpinBox { padding: 1px 4px; min-width: 40px; %s }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
  width: 0px; border: none; subcontrol-origin: content;
}
QAbstractSpinBox::up-arrow, QAbstractSpinBox::down-arrow { image: none; width: 0px; }
"""


def narrow(more: str = "") -> str:
    """Style sheet of a box without buttons; `more` is put into its rule."""
    return _STYLE % more
