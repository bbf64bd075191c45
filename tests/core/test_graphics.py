"""Graphics cards are found without torch, and a torch that does not fit them is told apart."""

import os
import stat
import sys

import pytest

from napari_cellcycle.jobs import graphics, torch_build
from napari_cellcycle.jobs.graphics import Card, find_cards, parse_nvidia
from napari_cellcycle.jobs.torch_build import Build, check_build, cuda_build, pip_install

CPU = Build("CPU")
ADA = Card("nvidia", "RTX 4090", "580.65.06", 8.9, 25.3, 24.0)
CU126 = "torch --index-url https://download.pytorch.org/whl/cu126"
CU130 = "torch --index-url https://download.pytorch.org/whl/cu130"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No torchvision, no hidden cards, whatever this machine has."""
    monkeypatch.setattr(torch_build, "_is_installed", lambda _: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A nvidia-smi that prints these lines, the only one there is."""
    monkeypatch.setattr(graphics, "_ELSEWHERE", ())

    def make(script):
        folder = tmp_path / "bin"
        folder.mkdir()
        path = folder / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])

    return make


def nothing(monkeypatch):
    monkeypatch.setattr(graphics, "_ELSEWHERE", ())
    monkeypatch.setattr(graphics.shutil, "which", lambda _: None)


def device(root, name, vendor, kind):
    place = root / "sys/bus/pci/devices" / name
    place.mkdir(parents=True)
    (place / "vendor").write_text(vendor + "\n")
    (place / "class").write_text(kind + "\n")


linux = pytest.mark.skipif(sys.platform != "linux", reason="folders of Linux")


def test_a_line_of_nvidia_smi_is_read():
    card = parse_nvidia("NVIDIA H100 80GB HBM3, 550.90.07, 81559, 80991, 9.0")
    assert card == Card(
        "nvidia", "NVIDIA H100 80GB HBM3", "550.90.07", 9.0, 85.520809984, 84.925218816
    )
    assert str(card) == "NVIDIA H100 80GB HBM3, 86 GB, 84.9 GB free, driver 550.90.07"
    assert parse_nvidia("Tesla K80, 470.57.02, 11441, [N/A]").free_gb is None
    assert parse_nvidia("NVIDIA-SMI has failed because it couldn't talk to the driver") is None
    assert parse_nvidia("") is None


@linux
def test_the_driver_is_asked_first(tool, tmp_path):
    device(tmp_path, "0000:01:00.0", "0x10de", "0x030000")
    tool("echo 'NVIDIA RTX A4000, 535.1.2, 16376, 16000, 8.6'")
    (card,) = find_cards(str(tmp_path))
    assert card.name == "NVIDIA RTX A4000" and card.driver_number == 535


@linux
def test_an_old_tool_that_knows_no_capability_is_asked_again(tool, tmp_path):
    tool('case "$1" in *compute_cap*) exit 2;; esac; echo "Tesla K80, 470.5.2, 11441, 11000"')
    (card,) = find_cards(str(tmp_path))
    assert card.capability is None and card.driver == "470.5.2"


@linux
@pytest.mark.parametrize(
    "script", ["exit 9", "echo broken", "kill -9 $$", "printf '\\377\\376,,,'"]
)
def test_a_tool_that_fails_is_passed_over(tool, tmp_path, script):
    device(tmp_path, "0000:01:00.0", "0x10de", "0x030200")
    tool(script)
    assert find_cards(str(tmp_path)) == [Card("nvidia", "graphics card")]


@linux
def test_a_tool_that_hangs_is_ended(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(graphics, "_PATIENCE", 0.2)
    tool("exec sleep 60")
    assert find_cards(str(tmp_path)) == []


@linux
def test_cards_without_a_driver_are_found_on_the_bus(tmp_path, monkeypatch):
    nothing(monkeypatch)
    device(tmp_path, "0000:00:00.0", "0x10de", "0x040300")  # the sound of a card
    device(tmp_path, "0000:01:00.0", "0x10de", "0x030000")
    device(tmp_path, "0000:02:00.0", "0x1002", "0x038000")
    device(tmp_path, "0000:03:00.0", "0x8086", "0x030000")
    assert find_cards(str(tmp_path)) == [
        Card("nvidia", "graphics card"),
        Card("amd", "graphics card"),
    ]
    (tmp_path / "sys/module/amdgpu").mkdir(parents=True)
    assert find_cards(str(tmp_path))[1].driver == "amdgpu"


@linux
def test_the_list_of_the_kernel_names_card_and_driver(tmp_path, monkeypatch):
    nothing(monkeypatch)
    place = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    place.mkdir(parents=True)
    (place / "information").write_text("Model: \t\t NVIDIA GeForce GTX 1080\nIRQ: 1\n")
    (place.parents[1] / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build\n"
    )
    assert find_cards(str(tmp_path)) == [Card("nvidia", "NVIDIA GeForce GTX 1080", "570.86.10")]


@linux
def test_a_machine_without_cards_has_none(tmp_path, monkeypatch):
    nothing(monkeypatch)
    assert find_cards(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("driver", "capability", "build"),
    [
        ("580.65.06", 8.9, "cu130"),
        ("610.10", 12.0, "cu130"),
        ("580.65", None, "cu130"),
        ("580.65", 6.1, "cu126"),
        ("535.54", 8.6, "cu126"),
        ("572.16", 12.0, None),
        ("470.57", 8.6, None),
        (None, 8.6, None),
    ],
)
def test_each_card_and_driver_gets_the_build_that_runs_on_it(driver, capability, build):
    assert cuda_build(Card("nvidia", "card", driver, capability)) == build


def test_a_torch_for_processors_beside_a_card_is_wrong():
    (problem,), hints = check_build(CPU, [ADA])
    assert "RTX 4090" in problem.text and "for the processor only" in problem.text
    assert problem.command == pip_install(f"--force-reinstall {CU130}") and not hints


def test_what_must_fit_torch_is_replaced_with_it(monkeypatch):
    monkeypatch.setattr(torch_build, "_is_installed", lambda name: name == "torchvision")
    (problem,), _ = check_build(CPU, [ADA])
    assert "--force-reinstall torch torchvision --index-url" in problem.command


def test_a_card_that_torch_uses_is_no_problem():
    assert check_build(Build("CUDA", "13.0", usable=True), [ADA]) == ([], [])
    full = Card("nvidia", "RTX 4090", "580.1", 8.9, 25.3, 0.7)
    problems, (hint,) = check_build(Build("CUDA", "13.0", usable=True), [full])
    assert not problems and "0.7 GB" in hint.text and "nvidia-smi" in hint.command


@pytest.mark.parametrize(
    ("build", "card", "words", "command"),
    [
        (
            Build("CUDA", "13.0", why_not="no kernel image"),
            ("580.1", 6.1),
            "another version",
            CU126,
        ),
        (Build("CUDA", "13.0", why_not="driver too old"), ("535.1", 8.6), "another version", CU126),
        (Build("CUDA", "12.6", why_not="no kernel image"), ("580.1", 12.0), "another vers", CU130),
        (Build("CUDA", "13.0", why_not="unknown error"), ("580.1", 8.6), "unknown error", CU130),
        (CPU, ("470.1", 8.6), "too old for torch: 525 is needed", "nvidia.com/drivers"),
        (CPU, ("550.1", 12.0), "too old for torch: 580 is needed", "nvidia.com/drivers"),
        (Build("ROCm", "7.2"), ("580.1", 8.6), "made for ROCm", CU130),
    ],
)
def test_what_keeps_torch_from_the_card_is_mended_by_one_command(build, card, words, command):
    (problem,), _ = check_build(build, [Card("nvidia", "card", *card)])
    assert words in problem.text and command in problem.command


def test_a_hidden_card_is_only_a_note(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    problems, (hint,) = check_build(Build("CUDA", "13.0", why_not="no card"), [ADA])
    assert not problems and "CUDA_VISIBLE_DEVICES" in hint.command


def test_a_card_without_a_driver_is_only_a_note():
    problems, (hint,) = check_build(CPU, [Card("nvidia", "graphics card")])
    assert not problems and "no driver" in hint.text and "nvidia.com/drivers" in hint.command


@linux
def test_an_amd_card_gets_the_build_for_it_as_an_offer(monkeypatch, tmp_path):
    amd = Card("amd", "graphics card", "amdgpu")
    problems, (hint,) = check_build(CPU, [amd])
    assert not problems and hint.command.endswith(
        "--index-url https://download.pytorch.org/whl/rocm7.2"
    )
    closed = tmp_path / "kfd"
    closed.touch()
    monkeypatch.setattr(torch_build, "_KFD", str(closed))
    monkeypatch.setattr(torch_build.os, "access", lambda *_: False)
    _, (hint,) = check_build(Build("ROCm", "7.2", why_not="no card"), [amd])
    assert "not allowed" in hint.text and "usermod" in hint.command


def test_an_apple_chip_wants_a_torch_for_it():
    chip = [Card("apple", "chip", "Metal")]
    (problem,), _ = check_build(CPU, chip)
    assert problem.command == pip_install("--force-reinstall torch")
    (problem,), _ = check_build(Build("MPS", why_not="macOS is too old"), chip)
    assert "macOS is too old" in problem.text
    assert check_build(Build("MPS", usable=True), chip) == ([], [])


def test_a_python_without_pip_is_mended_with_uv(monkeypatch):
    monkeypatch.setattr(torch_build.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(torch_build.sys, "executable", "/my venv/bin/python")
    assert pip_install("torch") == 'uv pip install --python "/my venv/bin/python" torch'
