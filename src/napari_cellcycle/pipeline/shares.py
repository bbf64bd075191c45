"""Progress of a whole made from the progress of its parts."""

from napari_cellcycle.progress import Progress

PARTS = 1000
_NO_DIGITS = str.maketrans("", "", "0123456789")


class Share:
    """Passes the progress of one step on as its share of a longer operation.

    The step takes the overall progress from `start` to `start + width` (fractions of 1) and
    never moves it back. A step that reports several sub-steps, each with a message of its
    own, gives each of them `shares[message]` of its width, or half of what is left. Messages
    are made to say the frame: "Segmenting frame 31 of 92" for the 31st of `frames`.
    """

    def __init__(
        self,
        progress: Progress,
        start: float,
        width: float,
        frames: int,
        shares: dict[str, float] | None = None,
    ) -> None:
        self._progress = progress
        self._start, self._width = start, width
        self._frames = frames
        self._shares = shares or {}
        self._sub_step: str | None = None
        self._begun = self._reserved = 0.0
        self._reached = 0.0

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` parts of the present sub-step are over."""
        sub_step = message.translate(_NO_DIGITS)
        if sub_step != self._sub_step:
            self._sub_step = sub_step
            self._begun += self._reserved
            left = 1 - self._begun
            self._reserved = min(left, self._shares.get(message, left / 2))
        within = self._begun + self._reserved * (done / total if total > 0 else 0.0)
        self._reached = max(self._reached, min(1.0, within))
        overall = self._start + self._width * self._reached
        self._progress(round(PARTS * overall), PARTS, self._worded(done, total, message))

    def _worded(self, done: int, total: int, message: str) -> str:
        says_all = any(letter.isdigit() for letter in message)
        if says_all or total != self._frames or total < 2:
            return message
        what = message.removesuffix(" frames").removesuffix(" frame")
        return f"{what} frame {min(done + 1, total)} of {total}"
