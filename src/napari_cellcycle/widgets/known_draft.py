"""All that is known about the cells now shown, whether it can be corrected or not."""

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.widgets.session import Session


def draft_of(session: Session) -> Draft | None:
    """The draft of the result now shown; one made for reading where nothing can be corrected.

    None where cells are not tracked.
    """
    if session.draft is not None:
        return session.draft if session.draft.tracked else None
    known = session.experiment
    if known is None or known.tracks is None:
        return None
    tracks = known.tracks.with_columns(label=known.tracks.track_id)
    return Draft(tracks, None, known.stages, known.confirmed, known.movie.pixel_size)


def minutes_of(session: Session) -> float:
    """Minutes between two frames of the movie now shown."""
    bench = session.editor.bench if session.editor is not None else None
    if bench is not None and bench.movie is not None:
        return bench.movie.frame_interval / 60
    known = session.experiment
    return known.movie.frame_interval / 60 if known is not None else 1.0
