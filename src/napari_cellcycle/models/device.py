"""Which processor or graphics card a network runs on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_cellcycle.errors import UserError

if TYPE_CHECKING:
    import torch


def choose_device(name: str = "auto") -> "torch.device":
    """The device called `name`: "cpu", "cuda", "mps", or the best there is for "auto".

    Raises `UserError` if a graphics card is asked for that torch cannot use.
    """
    import torch

    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, there in usable.items() if there), "cpu")
    elif not usable.get(name, name == "cpu"):
        raise UserError(
            f"The device {name!r} was asked for, but this installation of torch "
            f"({torch.__version__}) cannot use it; choose 'auto' or 'cpu', or run "
            "'napari-cellcycle doctor' to see what is missing."
        )
    return torch.device(name)


def device_of(network: "torch.nn.Module") -> "torch.device":
    """Where the weights of a network are, and what it looks at has to be."""
    return next(network.parameters()).device


def faster_products(device: "torch.device") -> "torch.autocast":
    """A context in which products are of bfloat16, if the processor multiplies it in hardware.

    Without such hardware bfloat16 is several times slower than float32, so nothing changes there,
    and nothing on graphics cards.
    """
    import torch

    tells = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    is_fast = device.type == "cpu" and any(getattr(torch.cpu, tell, bool)() for tell in tells)
    return torch.autocast("cpu", torch.bfloat16, enabled=is_fast)


def plain(state: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """A copy of weights on the CPU."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
