"""Which processor or graphics card a network runs on."""

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
