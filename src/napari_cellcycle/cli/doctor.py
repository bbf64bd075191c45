"""The command that says what is installed and what is wrong with it."""

from typing import Annotated

import typer

from napari_cellcycle.cli.console import BROKEN, say
from napari_cellcycle.cli.options import ModelFolder


def doctor(
    model_folder: ModelFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write it as JSON")] = False,
) -> None:
    """Say what is installed, what is wrong, and the command that mends it.

    Exit code 1 if something is wrong.

    Example: napari-cellcycle doctor
    """
    from napari_cellcycle.jobs.doctor import examine

    report = examine(str(model_folder) if model_folder else None)
    if as_json:
        say(report.to_json())
    else:
        width = max(len(name) for name in report.facts)
        for name, value in report.facts.items():
            say(f"{name:<{width}}  {value}")
        say("")
        for problem in report.problems:
            say(f"WRONG  {problem.text}")
            say(f"       mend it with:  {problem.command}")
        for hint in report.hints:
            say(f"Note   {hint.text}")
            say(f"       if you want it:  {hint.command}")
        if not report.problems:
            say("Nothing is wrong.")
    if report.problems:
        raise typer.Exit(BROKEN)
