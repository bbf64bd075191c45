"""Run jobs in a warm child process, hear of them, and stop them at once."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress

from napari_cellcycle.errors import CannotWrite, JobDied
from napari_cellcycle.jobs.events import Done, Event, Failed, FailureKind, Stopped
from napari_cellcycle.jobs.job import Job
from napari_cellcycle.jobs.process import ChildProcess, Ended, command_of_child
from napari_cellcycle.jobs.record import FormerState, forget, record


class JobRunner:
    """Runs one job at a time in a child process of its own.

    From Qt, call `poll` from a timer (it never blocks)::

        runner = JobRunner()                 # a child starts and imports torch meanwhile
        runner.start(Job("run", RunSettings(), folder))
        timer.timeout.connect(lambda: [show(event) for event in runner.poll()])
        runner.cancel()                      # at most a second; the next poll gives Stopped

    In a script::

        with JobRunner(warm=False) as runner:
            for event in runner.events(Job("run", RunSettings(), folder)):
                print(event)

    Each job gives any number of `Progress` and then one `Done`, `Failed` or `Stopped`. The
    result of a job is in its experiment folder, and nowhere else: open it again after `Done`.
    The child ends with its parent, however that ends, unless `let_go` was called. Use a
    runner from one thread.

    Parameters
    ----------
    warm
        Keep a child ready that has imported the slow libraries, at a lower priority than the
        viewer. Otherwise it is started with the first job and imports what that needs.
    command
        How the child is started, if not in the usual way.
    """

    def __init__(self, *, warm: bool = True, command: Sequence[str] | None = None) -> None:
        self._command = [*(command or command_of_child()), *(["--warm"] if warm else [])]
        self._warm = warm
        self._child: ChildProcess | None = None
        self._job: Job | None = None
        self._former: FormerState | None = None
        self._unheard: list[Event] = []
        self._used = False
        self._warm_again()

    def __enter__(self) -> "JobRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def job(self) -> Job | None:
        """The job that runs now, if any."""
        return self._job

    @property
    def is_busy(self) -> bool:
        """Whether a job runs now."""
        return self._job is not None

    @property
    def pid(self) -> int | None:
        """Process id of the child, if there is one."""
        return self._child.process.pid if self._child else None

    def start(self, job: Job) -> None:
        """Start `job` and return at once.

        Raises `BadInput` or `CannotWrite` if its folder is no experiment or read-only, and
        `RuntimeError` while another job runs.
        """
        if self._job is not None:
            raise RuntimeError(f"the job {self._job.name} still runs; wait for it or cancel it")
        self._former = FormerState.of(job.folder)
        record(job)
        if self._child is None or not self._child.is_alive:
            self._replace_child()
        try:
            self._send(job)
        except JobDied:
            forget(job)
            raise
        self._job = job

    def poll(self) -> list[Event]:
        """What has happened since the last call; never blocks."""
        events, self._unheard = self._unheard, []
        while (event := self._next(0.0)) is not None:
            events.append(event)
        return events

    def events(self, job: Job) -> Iterator[Event]:
        """Run `job`, giving each event as it comes; leaving the loop early cancels it."""
        self.start(job)
        try:
            while self._job is not None:
                event = self._next(0.25)
                if event is not None:
                    yield event
            unheard, self._unheard = self._unheard, []
            yield from unheard
        finally:
            if self._job is job:
                self.cancel()
                self._unheard = []

    def cancel(self) -> None:
        """Kill the job at once; its folder is then as before, and a new child gets warm.

        The next `poll` gives `Stopped`. Without a running job nothing happens.
        """
        job, former = self._job, self._former
        if job is None or former is None:
            return
        self._drop_child()
        self._job = self._former = None
        with suppress(OSError):
            former.restore()
            forget(job)
        self._unheard.append(Stopped(job.folder))
        self._warm_again()

    def let_go(self) -> None:
        """Let the running job go on without this runner and without this program.

        Its result, or in `folder`/jobs/NAME.json what went wrong, is found in the folder later.
        """
        if self._child is not None and self._job is not None:
            self._child.let_go()
            self._child = self._job = self._former = None
            self._warm_again()

    def close(self) -> None:
        """End the child. A job that still runs is cancelled."""
        self._warm = False  # so that the cancel does not start another child
        self.cancel()
        self._drop_child()

    def _next(self, seconds: float) -> Event | None:
        if self._child is None:
            return None
        heard = self._child.hear(seconds)
        if isinstance(heard, Ended):
            return self._child_ended(heard)
        if heard is not None and self._job is None:
            return None
        if isinstance(heard, Done):
            self._job = self._former = None
        elif isinstance(heard, Failed):
            self._job_failed(heard)
            if heard.kind == "memory":
                self._drop_child()
                self._warm_again()
        return heard

    def _child_ended(self, ended: Ended) -> Event | None:
        words = self._child.last_words if self._child else ""
        used = self._used
        self._drop_child()
        if used:  # one that dies before its first job would only die again
            self._warm_again()
        if self._job is None:
            return None
        failed = _death(ended.code, words)
        self._job_failed(failed)
        return failed

    def _job_failed(self, failed: Failed) -> None:
        job, former = self._job, self._former
        self._job = self._former = None
        if job is not None and former is not None:
            with suppress(OSError, CannotWrite):
                former.tidy()
                record(job, failed=failed.text, details=failed.details)

    def _send(self, job: Job) -> None:
        for _ in range(2):
            assert self._child is not None
            self._used = True
            try:
                return self._child.send({"job": job.to_json()})
            except OSError:
                self._replace_child()
        raise JobDied(
            "The process that computes steps ends as soon as it is started; "
            "run 'napari-cellcycle doctor' to see what is wrong."
        )

    def _replace_child(self) -> None:
        self._drop_child()
        self._child, self._used = ChildProcess(self._command), False

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _warm_again(self) -> None:
        if self._warm:
            with suppress(JobDied):
                self._replace_child()


def _death(code: int, last_words: str) -> Failed:
    """Say how a child died, from its exit status."""
    kind: FailureKind = "crash"
    if code == -getattr(signal, "SIGKILL", 9):
        kind = "memory"
        found = "was ended from outside, as the system does when memory runs out"
        mend = "close other programs, or choose smaller tiles and a smaller batch size"
    else:
        name = f"exit status {code}"
        with suppress(ValueError):
            name = signal.Signals(-code).name if code < 0 else name
        found = f"broke down ({name})"
        mend = "try again, choose another model or device, and report it with the details"
    text = f"The process that ran the step {found}; nothing was lost: {mend}."
    return Failed(text, last_words, kind)
