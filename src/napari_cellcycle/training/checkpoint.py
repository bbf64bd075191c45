"""A training on disk: what it needs to go on where it was interrupted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import writing_to
from napari_cellcycle.models.device import device_of

if TYPE_CHECKING:
    import torch


def write_torch(document: Any, path: Path) -> None:
    """Write what `torch.load` reads, whole or not at all.

    Raises `CannotWrite` if the disk refuses: what was there before is untouched.
    """
    import torch

    draft = path.with_name(f".{path.name}.part")
    torch.save(document, held := BytesIO())  # to a file, a full disk would be another error
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(held.getbuffer())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the state of a training after its latest epoch, replaced as a whole.

    `about` says what the training is of, by name: such as its sources. A file with other
    values is another training's, and refused.
    """

    path: Path
    about: Mapping[str, Any] = field(default_factory=dict)

    def write(
        self,
        state: Mapping[str, Any],
        network: "torch.nn.Module",
        rng: np.random.Generator,
        about: Mapping[str, Any],
    ) -> None:
        """Keep `state` and all generators of chance; `about` is checked by `read`."""
        import torch

        document = {
            **state,
            "about": _text({**self.about, **about}),
            "numpy": json.dumps(rng.bit_generator.state),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(device_of(network)) if _on_cuda(network) else None,
        }
        write_torch(document, self.path)

    def read(
        self, network: "torch.nn.Module", rng: np.random.Generator, about: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Give back the state and set all generators of chance; None where there is no file.

        Raises `BadInput` if the file cannot be read or is of another training.
        """
        import torch

        if not self.path.is_file():
            return None
        try:
            found = torch.load(self.path, map_location=device_of(network), weights_only=True)
            told = json.loads(found["about"])
            rng.bit_generator.state = json.loads(found["numpy"])
            torch.set_rng_state(found["torch"].cpu())
        except Exception as error:
            raise BadInput(
                f"{self.path} cannot be read as an interrupted training "
                f"({type(error).__name__}); delete it to begin anew."
            ) from error
        self._check(told, json.loads(_text({**self.about, **about})), found["network"], network)
        if found["cuda"] is not None and _on_cuda(network):
            torch.cuda.set_rng_state(found["cuda"].cpu(), device_of(network))
        return dict(found)

    def _check(
        self,
        told: Mapping[str, Any],
        expected: Mapping[str, Any],
        stored: "Mapping[str, torch.Tensor]",
        network: "torch.nn.Module",
    ) -> None:
        """Raise `BadInput` unless the file is of this training and this network."""
        shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
        differing = [name for name in expected if told.get(name) != expected[name]]
        if {name: tuple(t.shape) for name, t in stored.items()} != shapes:
            differing.append("network")
        if differing:
            raise BadInput(
                f"{self.path} holds an interrupted training with other {' and '.join(differing)}; "
                "ask for the same again to go on with it, or delete the file to begin anew."
            )


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True, default=str)


def _on_cuda(network: "torch.nn.Module") -> bool:
    return device_of(network).type == "cuda"
