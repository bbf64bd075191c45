"""What is installed, what is wrong with it, and how to mend it: facts, for any interface."""

import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import psutil

from napari_cellcycle.jobs.benchmark import SIDE_PX, seconds_per_frame
from napari_cellcycle.jobs.findings import Problem, Report
from napari_cellcycle.jobs.graphics import Card, find_cards
from napari_cellcycle.jobs.memory import SHARE, machine_memory
from napari_cellcycle.jobs.torch_build import (
    Build,
    build_of_torch,
    check_build,
    install,
    pip_install,
)

PACKAGES = (
    "napari-cellcycle",
    "napari",
    "torch",
    "torch-geometric",
    "cellpose",
    "numpy",
    "scipy",
    "scikit-image",
    "pandas",
    "zarr",
    "tifffile",
    "geff",
)
QT_BINDINGS = ("PySide6", "PyQt6")
NEEDED_MODELS = {"cellcycle-nuclei": "segment", "cellcycle-links": "link", "rnn": "stage"}


Check = Callable[[Report], None]


def checks(model_folder: str | None = None, *, benchmark: bool = True) -> dict[str, Check]:
    """All that is looked at, by what it is, in order."""
    cards: list[Card] = []
    found: dict[str, Check] = {
        "the machine": _machine,
        "the packages": _packages,
        "the graphics card": lambda report: _cards(report, cards),
        "torch": lambda report: _torch(report, cards),
        "cellpose": _cellpose,
        "the models": lambda report: _models(report, model_folder),
        "the speed": _speed,
        "the scores": _scores,
        "Qt": _qt,
        "the folders": _folders,
    }
    if not benchmark:
        del found["the speed"]
    return found


def examine(model_folder: str | None = None, *, benchmark: bool = True) -> Report:
    """Look at the machine, the packages, torch, the models and Qt, in this process.

    Takes some seconds, because torch is imported and used, and its speed is measured.
    """
    report = Report()
    for name, check in checks(model_folder, benchmark=benchmark).items():
        look(name, check, report)
    return report


def look(name: str, check: Check, report: Report) -> None:
    """Add to `report` what a check finds, or that it could not be made."""
    try:
        check(report)
    except Exception as error:  # noqa: BLE001 - a broken installation can raise anything
        text = f"Looking at {name} did not work ({_first_line(error)})."
        report.hints.append(Problem(text))


def _machine(report: Report) -> None:
    total, free = machine_memory(), psutil.virtual_memory().available
    report.facts["system"] = f"{platform.system()} {platform.release()}, {platform.machine()}"
    report.facts["python"] = f"{platform.python_version()} ({sys.executable})"
    report.facts["processors"] = f"{os.cpu_count()}"
    report.facts["memory"] = (
        f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free; a job may take "
        f"{SHARE * total / 1e9:.1f} GB"
    )
    if free < 1e9:
        report.hints.append(
            Problem(
                f"Only {free / 1e9:.1f} GB of memory is free; large movies may not fit.",
                "close other programs, or give --memory-gb",
            )
        )


def _packages(report: Report) -> None:
    for name in PACKAGES:
        try:
            report.facts[name] = version(name)
        except PackageNotFoundError:
            report.facts[name] = "not installed"
            report.problems.append(
                Problem(f"The package {name} is missing.", pip_install(f'"{name}"'))
            )


def _cards(report: Report, cards: list[Card]) -> None:
    cards += find_cards()
    report.facts["graphics card"] = "; ".join(map(str, cards)) or "none found"


def _torch(report: Report, cards: Sequence[Card] = ()) -> None:
    try:
        import torch

        torch.ones(2, 2) @ torch.ones(2, 2)
        build = build_of_torch()
        device = _device(build)
    except Exception as error:  # noqa: BLE001 - a broken library can raise anything
        report.facts["device"] = "none"
        text = f"torch cannot be used ({_first_line(error)})."
        report.problems.append(Problem(text, install(None)))
        return
    report.facts["torch"] = f"{torch.__version__} ({build}, {torch.get_num_threads()} threads)"
    report.facts["device"] = device
    problems, hints = check_build(build, cards)
    report.problems += problems
    report.hints += hints


def _device(build: Build) -> str:
    """Where steps run, and how much memory is free there."""
    import torch

    if build.usable and build.kind == "MPS":
        return "mps: Apple graphics"
    if not build.usable:
        return "cpu"
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return f"cuda: {name}, {total / 1e9:.0f} GB, {free / 1e9:.1f} GB free"


def _speed(report: Report) -> None:
    device = report.facts.get("device", "none").partition(":")[0]
    if device == "none":
        return
    told = []
    for each in dict.fromkeys((device, "cpu")):
        where = "the processor" if each == "cpu" else "the graphics card"
        try:
            told.append(f"{1000 * seconds_per_frame(each):.0f} ms on {where}")
        except Exception as error:  # noqa: BLE001 - a broken library can raise anything
            told.append(f"not measured on {where} ({_first_line(error)})")
    report.facts["speed"] = f"a frame of {SIDE_PX} x {SIDE_PX} pixels: {', '.join(told)}"


def _cellpose(report: Report) -> None:
    try:
        import cellpose.dynamics  # noqa: F401
    except Exception as error:  # noqa: BLE001 - a broken library can raise anything
        text = f"cellpose cannot be imported ({_first_line(error)})."
        mend = pip_install('--upgrade "cellpose>=3.1.1,<5"')
        if "torchvision" in str(error):
            mend = pip_install("--force-reinstall torch torchvision")
        elif "numpy" in str(error).lower():
            mend = pip_install('"numpy<2.1" "cellpose>=3.1.1,<4"')
        report.problems.append(Problem(text, mend))


def _models(report: Report, model_folder: str | None) -> None:
    from napari_cellcycle.models.store import list_models, own_folder

    found = list_models(folder=model_folder)
    kinds = {"segment": "cells", "link": "links", "stage": "stages"}
    names = [f"{model.card.name} ({kinds[model.card.kind]})" for model in found]
    report.facts["models"] = ", ".join(names) or "none"
    report.facts["own models"] = str(own_folder(model_folder))
    missing = NEEDED_MODELS.keys() - {model.card.name for model in found}
    if missing:
        report.problems.append(
            Problem(
                f"The shipped models {', '.join(sorted(missing))} are missing or cannot be read.",
                pip_install("--force-reinstall --no-deps napari-cellcycle"),
            )
        )


def _scores(report: Report) -> None:
    there = importlib.util.find_spec("ctc_metrics") is not None
    report.facts["scores"] = "py-ctcmetrics" if there else "not installed"
    if not there:
        report.hints.append(
            Problem(
                "'evaluate' needs the scores of the Cell Tracking Challenge.",
                pip_install('"napari-cellcycle[evaluate]"'),
            )
        )


def _qt(report: Report) -> None:
    bindings = [name for name in QT_BINDINGS if importlib.util.find_spec(name) is not None]
    report.facts["Qt"] = ", ".join(bindings) or "none: the command line works, napari does not"
    shown = has_display()
    report.facts["display"] = "yes" if shown else "none: napari cannot open a window"
    if not bindings:
        found = Problem(
            "There is no Qt binding, so napari cannot open.",
            pip_install('"napari-cellcycle[qt]"'),
        )
        (report.problems if shown else report.hints).append(found)


def _folders(report: Report) -> None:
    place = tempfile.gettempdir()
    free = psutil.disk_usage(place).free
    report.facts["temporary files"] = f"{place}, {free / 1e9:.1f} GB free"
    if free < 5e8:
        report.problems.append(
            Problem(f"Only {free / 1e6:.0f} MB are free in {place}.", f"rm -r {place}/<old files>")
        )


def has_display() -> bool:
    """Whether a window could open here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
