"""Run steps in a child process: with progress, time left, and a cancel that works at once.

runner = JobRunner()
runner.start(Job("run", RunSettings(), "hela.cellcycle"))
runner.poll()      # [Progress(...)], later [Done(...)], [Failed(...)] or [Stopped(...)]
runner.cancel()
"""

from napari_cellcycle.jobs.events import Done, Event, Failed, Progress, Stopped
from napari_cellcycle.jobs.job import Job, read_job
from napari_cellcycle.jobs.runner import JobRunner
from napari_cellcycle.jobs.time_left import TimeLeft, spoken
from napari_cellcycle.jobs.work import run_inline

__all__ = [
    "Done",
    "Event",
    "Failed",
    "Job",
    "JobRunner",
    "Progress",
    "Stopped",
    "TimeLeft",
    "read_job",
    "run_inline",
    "spoken",
]
