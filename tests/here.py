"""Commands whose jobs run in this very process, where the process of its own is not the point."""

from contextlib import contextmanager

import pytest
import typer

from napari_cellcycle.cli import steps
from napari_cellcycle.cli.console import StepFailed
from napari_cellcycle.jobs.events import Failed
from napari_cellcycle.jobs.work import outcome
from napari_cellcycle.progress import silent


def follow(job):
    """What commands do with a job, without the seconds that another process takes to begin."""
    event = outcome(job, silent)
    if isinstance(event, Failed):
        raise StepFailed(event)
    for note in event.notes:
        typer.echo(f"Note: {note}", err=True)
    return event


@contextmanager
def jobs_here():
    """Let the commands that are called meanwhile start no other process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "follow", follow)
        yield
