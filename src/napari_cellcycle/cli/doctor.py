"""The command that says what is installed and what is wrong with it."""

from typing import Annotated

import typer

from napari_cellcycle.cli.console import BROKEN, Bar, say
from napari_cellcycle.cli.options import ModelFolder


def doctor(
    model_folder: ModelFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write it as JSON")] = False,
    no_benchmark: Annotated[
        bool, typer.Option("--no-benchmark", help="Do not measure how fast this machine is")
    ] = False,
) -> None:
    """Say what is installed, what is wrong, and the command that mends it.

    Also how long a frame takes on the graphics card and on the processor. Exit code 1 if
    something is wrong.

    Example: napari-cellcycle doctor
    """
    from napari_cellcycle.jobs.examination import examine_apart

    folder = str(model_folder) if model_folder else None
    with Bar() as bar:
        report = examine_apart(folder, benchmark=not no_benchmark, progress=bar)
    if as_json:
        say(report.to_json())
    else:
        width = max(map(len, report.facts), default=0)
        for name, value in report.facts.items():
            say(f"{name:<{width}}  {value}")
        say("")
        for problem in report.problems:
            say(f"WRONG  {problem.text}")
            if problem.command:
                say(f"       mend it with:  {problem.command}")
        for hint in report.hints:
            say(f"Note   {hint.text}")
            if hint.command:
                say(f"       if you want it:  {hint.command}")
        if not report.problems:
            say("Nothing is wrong.")
    if report.problems:
        raise typer.Exit(BROKEN)
