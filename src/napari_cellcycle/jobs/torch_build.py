"""Whether the installed torch fits the graphics cards of the machine, and what mends it if not.

Which build a card and its driver need follows NVIDIA's table of the least driver (CUDA 12: 525,
CUDA 13: 580) and the builds that PyTorch offers: those for CUDA 13 leave out cards older than
Turing (capability 7.5), those for CUDA 12.6 cards newer than Hopper (capability 9).
"""

import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from napari_cellcycle.jobs.findings import Problem
from napari_cellcycle.jobs.graphics import Card, is_translated

Kind = Literal["CPU", "CUDA", "ROCm", "MPS", "XPU"]
_INDEX = "https://download.pytorch.org/whl"
CUDA_12, CUDA_13, ROCM = "cu126", "cu130", "rocm7.2"
"""Builds of PyTorch for NVIDIA's older and newer cards, and for AMD's."""
_DRIVER_12, _DRIVER_13 = 525, 580
_KFD = "/dev/kfd"
_DRIVERS = "https://www.nvidia.com/drivers"


@dataclass(frozen=True)
class Build:
    """A build of torch: for what, of which version of that, and whether it can use a card here.

    `why_not` is what torch says where it cannot, though it was made for one.
    """

    kind: Kind
    made_for: str = ""
    usable: bool = False
    why_not: str = ""

    def __str__(self) -> str:
        """Name the build: "CUDA 13.0", "CPU build"."""
        return f"{self.kind} {self.made_for}".strip() if self.kind != "CPU" else "CPU build"


def build_of_torch() -> Build:
    """Which build is installed, and whether a small product can be computed on its card."""
    import torch

    hip, cuda = torch.version.hip, torch.version.cuda
    if hip or cuda:
        kind: Kind = "ROCm" if hip else "CUDA"
        return Build(kind, str(hip or cuda), *_tried("cuda"))
    if torch.backends.mps.is_built():
        if not torch.backends.mps.is_available():
            return Build("MPS", why_not="macOS is too old, or there is no Apple chip")
        return Build("MPS", "", *_tried("mps"))
    if getattr(torch.version, "xpu", None):
        return Build("XPU", str(torch.version.xpu))
    return Build("CPU")


def _tried(device: str) -> tuple[bool, str]:
    import torch

    try:
        if device == "cuda" and not torch.cuda.is_available():
            torch.cuda.init()
            return False, "no card was found"
        ones = torch.ones(8, 8, device=device)
        is_right = float((ones @ ones).sum().cpu()) == 512
    except Exception as error:  # noqa: BLE001 - a broken driver can raise anything
        return False, (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return is_right, "" if is_right else "it computes wrong numbers"


def check_build(build: Build, cards: Sequence[Card]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong between torch and the cards, and what is worth knowing; both may be empty."""
    if build.usable:
        return [], _crowded(cards)
    nvidia = [card for card in cards if card.maker == "nvidia"]
    amd = [card for card in cards if card.maker == "amd"]
    if any(card.maker == "apple" for card in cards):
        return _apple(build), []
    if nvidia:
        return _nvidia(build, nvidia[0])
    if amd:
        return [], _amd(build, amd[0])
    return [], []


def _nvidia(build: Build, card: Card) -> tuple[list[Problem], list[Problem]]:
    there = f"There is an NVIDIA card ({card.name})"
    if card.driver is None:
        text = f"{there}, but no driver of NVIDIA's that works, so steps run on the processor."
        return [], [Problem(text, f"get the driver from {_DRIVERS}, and start the machine anew")]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if build.kind == "CUDA" and hidden is not None and hidden.strip() in ("", "-1"):
        text = f"{there}, but the variable CUDA_VISIBLE_DEVICES ({hidden!r}) hides it from torch."
        return [], [Problem(text, _unset("CUDA_VISIBLE_DEVICES"))]
    wanted = cuda_build(card)
    if wanted is None:
        number = _DRIVER_13 if (card.capability or 0) >= 10 else _DRIVER_12
        text = f"{there}, but its driver ({card.driver}) is too old for torch: {number} is needed."
        return [Problem(text, f"get the driver from {_DRIVERS}, and start the machine anew")], []
    if build.kind == "CUDA":
        if _fits(build, wanted):
            text = f"{there}, but torch ({build}) cannot use it ({build.why_not})."
            return [Problem(text, install(wanted))], []
        text = (
            f"{there}, but torch is made for another version of CUDA ({build.made_for}) than the "
            f"card and its driver ({card.driver}) can take ({build.why_not})."
        )
        return [Problem(text, install(wanted))], []
    made = "for the processor only" if build.kind == "CPU" else f"for {build.kind}"
    text = f"{there}, but this torch is made {made}, so steps are many times slower than need be."
    return [Problem(text, install(wanted))], []


def cuda_build(card: Card) -> str | None:
    """The build of PyTorch for an NVIDIA card; None if its driver is too old for any."""
    driver, capability = card.driver_number or 0, card.capability
    is_old = capability is not None and capability < 7.5
    is_new = capability is not None and capability >= 10
    if driver >= _DRIVER_13 and not is_old:
        return CUDA_13
    if driver >= _DRIVER_12 and not is_new:
        return CUDA_12
    return None


def _fits(build: Build, wanted: str) -> bool:
    return build.made_for.split(".")[0] == wanted.removeprefix("cu")[:2]


def _amd(build: Build, card: Card) -> list[Problem]:
    there = f"There is an AMD card ({card.name})"
    if sys.platform == "win32":
        return []
    if build.kind == "ROCm":
        if os.access(_KFD, os.R_OK | os.W_OK) or not Path(_KFD).exists():
            text = f"{there}, but torch ({build}) cannot use it ({build.why_not})."
            return [Problem(text, install(ROCM))]
        text = f"{there}, but you are not allowed to use it for computing."
        return [Problem(text, "sudo usermod -a -G render,video $USER  (and log in anew)")]
    text = (
        f"{there}, but this torch is made for {'the processor' if build.kind == 'CPU' else build}; "
        "if ROCm supports the card, steps can run many times faster."
    )
    return [Problem(text, install(ROCM))]


def _apple(build: Build) -> list[Problem]:
    if is_translated():
        text = "This Python is made for Intel processors, so torch cannot use the Apple chip."
        return [Problem(text, "install Python for Apple chips (arm64), and the package in it")]
    if build.kind == "MPS" and build.why_not:
        text = f"There is an Apple chip, but torch cannot use its graphics ({build.why_not})."
        return [Problem(text, "update macOS, then: " + install(None))]
    text = f"There is an Apple chip, but this torch ({build}) cannot use its graphics."
    return [Problem(text, install(None))]


def _crowded(cards: Sequence[Card]) -> list[Problem]:
    if not cards or cards[0].free_gb is None or cards[0].free_gb >= 2:
        return []
    text = f"Only {cards[0].free_gb:.1f} GB of the graphics card's memory are free."
    return [Problem(text, "nvidia-smi  (lists the programs that use it; end those not needed)")]


def install(build: str | None) -> str:
    """The command that replaces torch by a build: "cu126", "cpu", ...; None: the usual one.

    What must fit torch is replaced with it.
    """
    packages = "torch torchvision" if _is_installed("torchvision") else "torch"
    index = f" --index-url {_INDEX}/{build}" if build else ""
    return pip_install(f"--force-reinstall {packages}{index}")


def pip_install(what: str) -> str:
    """The command that installs packages for the Python that runs, with pip or, without it, uv."""
    python = sys.executable or "python"
    quoted = f'"{python}"' if " " in python else python
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {quoted} {what}"
    return f"{quoted} -m pip install {what}"


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _unset(variable: str) -> str:
    return f"set {variable}=" if platform.system() == "Windows" else f"unset {variable}"
