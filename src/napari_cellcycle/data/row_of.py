"""Rows of numbers that may be large: ids of cells, and labels of masks, of other programs.

Nothing may be as long as the largest of them, as some programs number cells with 16 digits.
"""

import numpy as np

NONE = -1
"""Row of what is not there."""
_SPARSE = 8
_SMALL = 1_000_000
"""Largest number for which a table is small anyway."""


class RowOf:
    """The place of each number among some others; `NONE` of a number that is not among them.

    Looked up in a table where this is not much longer than the numbers are many, and else by
    halving, which takes some ten times as long.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        """`numbers` (n,) are positive and ascend, each once."""
        self._numbers = numbers
        self._table: np.ndarray | None = None
        top = int(numbers[-1]) if len(numbers) else 0
        if top <= max(_SPARSE * len(numbers), _SMALL):
            self._table = np.full(top + 2, NONE)
            self._table[numbers] = np.arange(len(numbers))

    def __call__(self, wanted: np.ndarray) -> np.ndarray:
        """Rows of `wanted`, whole numbers of any shape."""
        if self._table is not None:
            return np.asarray(self._table.take(wanted, mode="clip"))
        row = np.minimum(np.searchsorted(self._numbers, wanted), len(self._numbers) - 1)
        return np.where(self._numbers[row] == wanted, row, NONE)

    def one(self, number: int) -> int:
        """The row of a single number."""
        if self._table is not None:
            return int(self._table[min(number, len(self._table) - 1)])
        return int(self(np.array([number]))[0])

    def __len__(self) -> int:
        return len(self._numbers)
