"""How commands speak: errors as one sentence, progress as one bar, exit codes."""

import inspect
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellcycle.errors import BadInput, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tqdm import tqdm

    from napari_cellcycle.jobs import Done, Failed, Job

WRONG_INPUT, INTERRUPTED, BROKEN = 2, 130, 1

Verbose = Annotated[
    bool, typer.Option("--verbose", help="On an error, show the traceback and all details")
]


class StepFailed(UserError):
    """A job that ended without its result."""

    def __init__(self, failed: "Failed") -> None:
        super().__init__(failed.text)
        self.details = failed.details
        self.is_bug = failed.kind == "crash"


def spoken_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command end with one sentence and an exit code, and give it `--verbose`.

    2 for what the user can mend, 1 for errors of the program, 130 after Ctrl-C.
    """

    def command(*, verbose: bool = False, **given: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", UserWarning)
                warnings.showwarning = _say_warning  # type: ignore[assignment]
                return function(**given)
        except UserError as error:
            is_bug = getattr(error, "is_bug", False)
            _say_error(str(error), getattr(error, "details", "") or _trace(error), verbose)
            raise typer.Exit(BROKEN if is_bug else WRONG_INPUT) from None
        except KeyboardInterrupt:
            _say_error("Stopped; nothing was written.", "", False)
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the border to the user
            sentence = (
                f"An error in the program ended the command ({type(error).__name__}: {error}); "
                "add --verbose for what to report."
            )
            _say_error(sentence, _trace(error), verbose)
            raise typer.Exit(BROKEN) from None

    option = inspect.Parameter(
        "verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose
    )
    parameters = [*inspect.signature(function).parameters.values(), option]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _say_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """What a user should know is a note; what developers tell each other is left out."""
    if issubclass(category, UserWarning):
        typer.echo(f"Note: {message}", err=True)


@contextmanager
def resumable(unfinished: "Path") -> Iterator[None]:
    """Say how to go on with a training whose state `unfinished` holds, when Ctrl-C stops it."""
    try:
        yield
    except KeyboardInterrupt:
        if not unfinished.is_file():
            raise
        typer.echo("Stopped; the same command with --resume goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def say(text: str) -> None:
    """Write a line to standard output."""
    typer.echo(text)


def refuse_existing(out: "Path", overwrite: bool) -> None:
    """Raise `BadInput` if `out` is there and must not be replaced."""
    is_empty_folder = out.is_dir() and not any(out.iterdir())
    if out.exists() and not overwrite and not is_empty_folder:
        raise BadInput(f"{out} exists already; choose another --out, or add --overwrite.")


def follow(job: "Job") -> "Done":
    """Run a job in a child process under a progress bar; `StepFailed` if it fails.

    Ctrl-C kills the child at once.
    """
    from napari_cellcycle.jobs import Done, Failed, JobRunner, Progress

    with JobRunner(warm=False) as runner, Bar() as bar:
        for event in runner.events(job):
            if isinstance(event, Progress):
                bar.show(event.done, event.total, event.message, event.seconds_left)
            elif isinstance(event, Failed):
                raise StepFailed(event)
            elif isinstance(event, Done):
                bar.show(1, 1, "Done", 0)
                done = event
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    return done


class Bar:
    """One line of progress on standard error, with the time left; the `Progress` of commands."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __enter__(self) -> "Bar":
        from tqdm import tqdm

        from napari_cellcycle.jobs.time_left import TimeLeft

        self._left = TimeLeft()
        self._bar = tqdm(
            total=1000,
            file=sys.stderr,
            bar_format="{desc:<38.38} |{bar:20}| {percentage:3.0f}%{postfix}",
            leave=False,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report as any `Progress` does."""
        self.show(done, total, message, self._left(done, total, message))

    def show(self, done: int, total: int, message: str, seconds_left: float | None) -> None:
        """Draw the bar anew."""
        from napari_cellcycle.jobs.time_left import spoken

        if self._bar is not None:
            self._bar.n = 1000 * done / total if total > 0 else 0
            self._bar.set_description_str(message, refresh=False)
            self._bar.set_postfix_str(spoken(seconds_left), refresh=False)
            self._bar.refresh()


def _say_error(sentence: str, details: str, verbose: bool) -> None:
    if verbose and details:
        typer.echo(details, err=True)
    typer.secho(" ".join(sentence.split()), err=True, fg=typer.colors.RED)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
