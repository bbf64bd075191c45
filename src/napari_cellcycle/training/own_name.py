"""Names that models of one's own may have, and what may be in their way."""

import re
from pathlib import Path

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import SHIPPED


def check_name(name: str, out: Path, unfinished: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise `BadInput` if a model cannot be called `name`, or must not replace what is in `out`.

    An `unfinished` training that is neither resumed nor in the way any more is removed.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise BadInput(
            f"{name!r} cannot be the name of a model: use letters, digits, '-' and '_' only, such "
            "as my-model."
        )
    if (SHIPPED / f"{name}.json").is_file() or name == "none":
        raise BadInput(f"{name!r} is the name of a shipped model: choose another name.")
    goes_on = resume and unfinished.exists()
    if (out / f"{name}.safetensors").exists() and not (overwrite or goes_on):
        raise BadInput(
            f"{out} holds a model called {name!r} already: choose another name, or add --overwrite."
        )
    if unfinished.exists() and not resume:
        if not overwrite:
            raise BadInput(
                f"A training of {name!r} was interrupted and left {unfinished}: go on with "
                "--resume, or begin anew with --overwrite."
            )
        unfinished.unlink()
