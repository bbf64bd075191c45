"""What is done when a widget is gone."""

from collections.abc import Callable


class Closing:
    """Lets go of `parts`, one after the other; holds nothing of the widget itself."""

    def __init__(self, *parts: Callable[[], None]) -> None:
        self._parts = parts

    def __call__(self, *_: object) -> None:
        """Let go of them."""
        for close in self._parts:
            close()
