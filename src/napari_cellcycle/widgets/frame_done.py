"""Saying that a frame is right as a whole: every mask is, and none is missing."""

from napari_cellcycle.widgets.session import Session

FRAME = "frame"


def is_done(session: Session) -> bool:
    """Whether the user said so of the frame that is shown."""
    draft = session.draft
    return draft is not None and (FRAME, session.frame) in draft.confirmed


def toggle_done(session: Session) -> None:
    """Say so of the frame that is shown, or take that back."""
    operation = "unconfirm" if is_done(session) else "confirm"
    session.do(operation, kind=FRAME, number=session.frame)
