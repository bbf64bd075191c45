"""The graphics cards of this machine, whether or not torch can use them.

Asked are the driver's own tool (nvidia-smi) and what the system tells of its devices. Nothing here
raises: what cannot be found out is left out.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Maker = Literal["nvidia", "amd", "apple"]
NAMES = {"nvidia": "NVIDIA", "amd": "AMD", "apple": "Apple"}
_VENDORS: dict[str, Maker] = {"0x10de": "nvidia", "0x1002": "amd"}
_PCI, _NVIDIA, _AMD = "/sys/bus/pci/devices", "/proc/driver/nvidia", "/sys/module/amdgpu"
_PATIENCE = 15.0
_ELSEWHERE = ("/usr/lib/wsl/lib/nvidia-smi", "C:/Windows/System32/nvidia-smi.exe")
_FIELDS = "name,driver_version,memory.total,memory.free"


@dataclass(frozen=True)
class Card:
    """A graphics card: `driver` is the version of NVIDIA's driver, or any name of another's.

    `capability` is NVIDIA's number for the generation of a card (8.9: Ada); memory is in GB. What
    is not known is None.
    """

    maker: Maker
    name: str
    driver: str | None = None
    capability: float | None = None
    memory_gb: float | None = None
    free_gb: float | None = None

    @property
    def driver_number(self) -> int | None:
        """First part of the version of the driver: 580 of 580.65.06."""
        found = re.match(r"\d+", self.driver or "")
        return int(found[0]) if found else None

    def __str__(self) -> str:
        """Say what is known, in one line."""
        maker = NAMES[self.maker]
        parts = [self.name if maker.lower() in self.name.lower() else f"{maker} {self.name}"]
        if self.memory_gb is not None:
            parts.append(f"{self.memory_gb:.0f} GB")
        if self.free_gb is not None:
            parts.append(f"{self.free_gb:.1f} GB free")
        parts.append(f"driver {self.driver}" if self.driver else "no driver found")
        return ", ".join(parts)


def find_cards(root: str = "/") -> list[Card]:
    """All cards that were found; `root` is where the system's folders are looked for."""
    cards = _asked_nvidia()
    if sys.platform == "darwin":
        return _apple()
    if sys.platform == "win32":
        named = _named_by_windows()
    else:
        named = _listed_devices(Path(root))
    known = {card.maker for card in cards}
    return cards + [card for card in named if card.maker not in known]


def _asked_nvidia() -> list[Card]:
    """What nvidia-smi tells; old ones do not know of capabilities."""
    tool = shutil.which("nvidia-smi") or next((p for p in _ELSEWHERE if Path(p).is_file()), None)
    if tool is None:
        return []
    for fields in (f"{_FIELDS},compute_cap", _FIELDS):
        said = _said([tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"])
        cards = [card for line in said.splitlines() if (card := parse_nvidia(line))]
        if cards:
            return cards
    return []


def parse_nvidia(line: str) -> Card | None:
    """A line of nvidia-smi: name, driver, memory and free memory in MiB, capability."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) not in (4, 5) or not re.match(r"\d+\.\d", parts[1]):
        return None
    numbers = [_number(part) for part in parts[2:]] + [None]
    gb = [None if mib is None else mib * 2**20 / 1e9 for mib in numbers[:2]]
    return Card("nvidia", parts[0], parts[1], numbers[2], *gb)


def _listed_devices(root: Path) -> list[Card]:
    """Display devices on the PCI bus, and NVIDIA's own list, which machines without a bus have."""
    makers: dict[Maker, int] = {}
    for device in sorted((root / _PCI.lstrip("/")).glob("*")):
        maker = _VENDORS.get(_text(device / "vendor"))
        if maker and _text(device / "class").startswith("0x03"):
            makers[maker] = makers.get(maker, 0) + 1
    place = root / _NVIDIA.lstrip("/")
    version = re.search(r"Kernel Module.*?\s(\d+\.\d+[.\d]*)", _text(place / "version"))
    driver = version[1] if version else None
    models = [
        found[1].strip()
        for about in sorted(place.glob("gpus/*/information"))
        if (found := re.search(r"Model:\s*(.+)", _text(about)))
    ]
    names = models or ["graphics card"] * (makers.get("nvidia", 0) or int(driver is not None))
    cards = [Card("nvidia", name, driver) for name in names]
    amd = "amdgpu" if (root / _AMD.lstrip("/")).exists() else None
    return cards + [Card("amd", "graphics card", amd)] * makers.get("amd", 0)


def _named_by_windows() -> list[Card]:
    asked = (
        "Get-CimInstance Win32_VideoController | Select-Object Name,DriverVersion | ConvertTo-Json"
    )
    cards = []
    with suppress(ValueError, TypeError, AttributeError):
        found = json.loads(_said(["powershell", "-NoProfile", "-Command", asked]))
        for each in found if isinstance(found, list) else [found]:
            name = str(each.get("Name"))
            if "nvidia" in name.lower():
                cards.append(Card("nvidia", name))
            elif re.search(r"\bAMD\b|radeon", name, re.IGNORECASE):
                cards.append(Card("amd", name, each.get("DriverVersion")))
    return cards


def _apple() -> list[Card]:
    is_apple = platform.machine() == "arm64" or is_translated()
    return [Card("apple", "chip", "Metal")] if is_apple else []


def is_translated() -> bool:
    """Whether this Python was made for Intel processors and runs on an Apple chip."""
    if sys.platform != "darwin":
        return False
    return _said(["/usr/sbin/sysctl", "-n", "sysctl.proc_translated"]).strip() == "1"


def _said(command: list[str]) -> str:
    """What a program prints; nothing if it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
