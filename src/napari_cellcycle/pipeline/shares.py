"""Progress of a whole made from the progress of its parts."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from napari_cellcycle.progress import Progress, sub_step

PARTS = 1000
_NONE: Mapping[str, float] = MappingProxyType({})


class Share:
    """Passes the progress of one step on as its share of a longer operation.

    The step takes the overall progress from `start` to `start + width` (fractions of 1) and
    never moves it back. A step that reports several sub-steps, each with a message of its
    own, gives each of them `shares[message]` of its width, or half of what is left. Those in
    `by_frame` are made to say the frame: "Segmenting frame 31 of 92".
    """

    def __init__(
        self,
        progress: Progress,
        start: float,
        width: float,
        shares: Mapping[str, float] = _NONE,
        by_frame: Collection[str] = (),
    ) -> None:
        self._progress = progress
        self._start, self._width = start, width
        self._shares, self._by_frame = shares, by_frame
        self._sub_step: str | None = None
        self._begun = self._reserved = 0.0
        self._reached = 0.0

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` parts of the present sub-step are over."""
        if sub_step(message) != self._sub_step:
            self._sub_step = sub_step(message)
            self._begun += self._reserved
            left = 1 - self._begun
            self._reserved = min(left, self._shares.get(message, left / 2))
        within = self._begun + self._reserved * (done / total if total > 0 else 0.0)
        self._reached = max(self._reached, min(1.0, within))
        overall = self._start + self._width * self._reached
        self._progress(round(PARTS * overall), PARTS, self._worded(done, total, message))

    def _worded(self, done: int, total: int, message: str) -> str:
        if message not in self._by_frame or total < 2:
            return message
        comma = "," if " " in message else ""
        return f"{message}{comma} frame {min(done + 1, total)} of {total}"
