"""The command that lists models."""

from enum import StrEnum
from typing import Annotated

import typer

from napari_cellcycle.cli.console import say
from napari_cellcycle.cli.options import ModelFolder

_OPTION = {"segment": "segment --model", "link": "track --model", "stage": "classify --model"}


class ModelKind(StrEnum):
    """What models do."""

    SEGMENT = "segment"
    LINK = "link"
    STAGE = "stage"


def models(
    kind: Annotated[
        ModelKind | None,
        typer.Option(help="Only models that do this: find cells, link them, tell their stage"),
    ] = None,
    model_folder: ModelFolder = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also the data, the figures and the file")
    ] = False,
) -> None:
    """List the models that are installed, and what each is for.

    Besides these, 'segment' takes 'threshold' (no network) and the name or file of any Cellpose
    model.

    Example: napari-cellcycle models --kind segment --details
    """
    from napari_cellcycle.models.store import list_models, own_folder

    found = list_models(kind.value if kind else None, model_folder)
    for model in found:
        card = model.card
        say(f"{card.name}  ({_OPTION[card.kind]})  {card.description}")
        if details:
            say(f"    data: {'; '.join(card.data) or 'not told'}")
            figures = (f"{name} {value}" for name, value in card.metrics.items())
            say(f"    figures on data kept aside: {'; '.join(figures) or 'none'}")
            say(f"    file: {model.path}")
    if not found:
        say("No models are installed; 'napari-cellcycle doctor' says how to get them.")
    say(f"Your own models are looked for in {own_folder(model_folder)}.")
