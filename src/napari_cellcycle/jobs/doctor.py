"""What is installed, what is wrong with it, and how to mend it: facts, for any interface."""

import importlib.util
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from napari_cellcycle.jobs.memory import SHARE, machine_memory

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


@dataclass(frozen=True)
class Problem:
    """Something wrong, or worth knowing, and the exact command that mends it."""

    text: str
    command: str


@dataclass
class Report:
    """What an examination found: `facts` by name, in order; `problems`; and `hints`."""

    facts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    hints: list[Problem] = field(default_factory=list)

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(asdict(self), indent=2)


def examine(model_folder: str | None = None) -> Report:
    """Look at the machine, the packages, torch, the models and Qt.

    Takes some seconds, because torch is imported and used.
    """
    report = Report()
    checks: tuple[Callable[[Report], None], ...] = (
        _machine,
        _packages,
        _torch,
        _cellpose,
        lambda found: _models(found, model_folder),
        _scores,
        _qt,
        _folders,
    )
    for check in checks:
        check(report)
    return report


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
                Problem(f"The package {name} is missing.", f'{_pip()} install "{name}"')
            )


def _torch(report: Report) -> None:
    try:
        import torch

        torch.ones(2, 2) @ torch.ones(2, 2)
    except Exception as error:  # noqa: BLE001 - a broken library can raise anything
        report.facts["device"] = "none"
        report.problems.append(
            Problem(
                f"torch cannot be used ({_first_line(error)}).",
                f"{_pip()} install --force-reinstall torch",
            )
        )
        return
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    report.facts["torch"] = f"{torch.__version__} ({build}, {torch.get_num_threads()} threads)"
    if torch.cuda.is_available():
        _, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        report.facts["device"] = f"cuda: {name}, {total / 1e9:.0f} GB"
    elif torch.backends.mps.is_available():
        report.facts["device"] = "mps: Apple graphics"
    else:
        report.facts["device"] = "cpu"
        _unused_card(report, torch.version.cuda)


def _unused_card(report: Report, cuda: str | None) -> None:
    if not Path("/proc/driver/nvidia/version").exists():
        return
    if cuda is None:
        text = "There is an NVIDIA card, but this torch is the CPU build."
        mend = f"{_pip()} install --force-reinstall torch"
    else:
        text = f"There is an NVIDIA card, but torch (CUDA {cuda}) cannot use it; its driver is old."
        mend = "nvidia-smi  (and update the driver to one that shows at least that CUDA version)"
    report.hints.append(Problem(text, mend))


def _cellpose(report: Report) -> None:
    try:
        import cellpose.dynamics  # noqa: F401
    except Exception as error:  # noqa: BLE001 - a broken library can raise anything
        text = f"cellpose cannot be imported ({_first_line(error)})."
        mend = f'{_pip()} install --upgrade "cellpose>=3.1.1,<5"'
        if "torchvision" in str(error):
            mend = f"{_pip()} install --force-reinstall torch torchvision"
        elif "numpy" in str(error).lower():
            mend = f'{_pip()} install "numpy<2.1" "cellpose>=3.1.1,<4"'
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
                f"{_pip()} install --force-reinstall --no-deps napari-cellcycle",
            )
        )


def _scores(report: Report) -> None:
    there = importlib.util.find_spec("ctc_metrics") is not None
    report.facts["scores"] = "py-ctcmetrics" if there else "not installed"
    if not there:
        report.hints.append(
            Problem(
                "'evaluate' needs the scores of the Cell Tracking Challenge.",
                f'{_pip()} install "napari-cellcycle[evaluate]"',
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
            f'{_pip()} install "napari-cellcycle[qt]"',
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


def _pip() -> str:
    python = sys.executable or "python"
    return f'"{python}" -m pip' if " " in python else f"{python} -m pip"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
