"""The commands of the model library: what there is, which is in use, and the way back."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import say
from napari_cellcycle.cli.options import ModelFolder
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.models.library_cards import Comparison, Difference

_OPTION = {"segment": "segment --model", "link": "track --model", "stage": "classify --model"}
_STEP = {"segment": "segmenting", "link": "tracking", "stage": "classifying"}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model")]


class ModelKind(StrEnum):
    """What models do."""

    SEGMENT = "segment"
    LINK = "link"
    STAGE = "stage"


def models(
    context: typer.Context,
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
    model. '*' marks those in use: what a step takes if no other is named.

    Example: napari-cellcycle models --kind segment --details
    """
    from napari_cellcycle.models.library import list_entries
    from napari_cellcycle.models.store import own_folder

    if context.invoked_subcommand is not None:
        if kind or model_folder or details:
            raise BadInput(
                f"Options were found before {context.invoked_subcommand!r}; give them after it."
            )
        return
    found = list_entries(kind.value if kind else None, model_folder)
    for entry in found:
        card, mark = entry.model.card, "*" if entry.used else " "
        say(f"{mark} {card.name}  ({_OPTION[card.kind]})  {card.description}")
        if details:
            say(f"    data: {'; '.join(card.data) or 'not told'}")
            figures = (f"{name} {value}" for name, value in card.metrics.items())
            say(f"    figures on data kept aside: {'; '.join(figures) or 'none'}")
            say(f"    file: {entry.model.path}")
    if not found:
        say("No models are installed; 'napari-cellcycle doctor' says how to get them.")
    say(f"Your own models are looked for in {own_folder(model_folder)}.")


def show(name: Name, model_folder: ModelFolder = None) -> None:
    """Show what is known of a model: what it was taught from, data, scores, settings.

    Example: napari-cellcycle models show my-nuclei
    """
    from napari_cellcycle.models.library import default_model, pick_model
    from napari_cellcycle.models.library_cards import card_in_words

    model = pick_model(name, model_folder)
    used = default_model(model.card.kind, model_folder) == model.card.name
    told = card_in_words(model, model_folder, used=used)
    width = max(len(title) for title, _ in told)
    say(model.card.name)
    for title, text in told:
        first, *rest = text.splitlines()
        say(f"  {title:<{width}}  {first}")
        for line in rest:
            say(f"  {'':<{width}}  {line}")


def rename(
    name: Name,
    new_name: Annotated[str, typer.Argument(help="What it is to be called")],
    model_folder: ModelFolder = None,
) -> None:
    """Give one of your own models another name: experiments that know the former one find it.

    Example: napari-cellcycle models rename my-nuclei hela-20x
    """
    from napari_cellcycle.models.library import pick_model, rename_model

    rename_model(pick_model(name, model_folder), new_name, model_folder)
    say(f"{name!r} is called {new_name!r} now.")


def compare(
    name: Name,
    other: Annotated[str, typer.Argument(help="Name of the other model")],
    model_folder: ModelFolder = None,
) -> None:
    """Show what two models differ in: the data they learned from, settings and scores.

    Example: napari-cellcycle models compare cellcycle-nuclei my-nuclei
    """
    from napari_cellcycle.models.library import pick_model
    from napari_cellcycle.models.library_cards import compare_cards

    one, two = (pick_model(each, model_folder).card for each in (name, other))
    for line in _comparison_lines(compare_cards(one, two)):
        say(line)


def _comparison_lines(found: "Comparison") -> list[str]:
    one, other = found.one.name, found.other.name
    if found.one == found.other:
        return [f"{one} and {other} are the same model."]
    lines = []
    groups = {
        f"Only {one} learned from": found.data_one,
        f"Only {other} learned from": found.data_other,
        "Both learned from": found.data_both,
    }
    for title, names in groups.items():
        lines += [f"{title}:", *(f"  {each}" for each in names)] if names else []
    if found.scores:
        lines += ["Scores on what was kept aside:", *_rows(found.scores, one, other)]
        if not found.same_measure:
            lines.append("  They were not measured on the same data, so they tell little together.")
    if found.settings:
        lines += ["Settings that differ:", *_rows(found.settings, one, other)]
    return lines or [f"The cards of {one} and {other} tell of no difference."]


def _rows(differences: "list[Difference]", one: str, other: str) -> list[str]:
    from napari_cellcycle.models.library_cards import number_in_words

    rows = [("", one, other)] + [
        (
            each.name,
            *("-" if v is None else number_in_words(v)[:40] for v in (each.one, each.other)),
        )
        for each in differences
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows
    ]


def export(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="File or folder; NAME.cellmodel here if not given")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file")] = False,
    model_folder: ModelFolder = None,
) -> None:
    """Write a model to one file to pass on: NAME.cellmodel, with its weights and its card.

    Example: napari-cellcycle models export my-nuclei --out /mnt/share
    """
    from napari_cellcycle.models.library import pick_model
    from napari_cellcycle.models.library_file import export_model

    model = pick_model(name, model_folder)
    path = export_model(model, out or Path.cwd(), model_folder, overwrite=overwrite)
    say(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)")


def import_(
    file: Annotated[Path, typer.Argument(help="File that 'export' made, NAME.cellmodel")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; its own name if not given")
    ] = None,
    model_folder: ModelFolder = None,
) -> None:
    """Take over a model that somebody passed on: anything but weights and a card is refused.

    Example: napari-cellcycle models import my-nuclei.cellmodel
    """
    from napari_cellcycle.models.library import NameTaken
    from napari_cellcycle.models.library_file import import_model

    try:
        model = import_model(file, model_folder, name)
    except NameTaken as error:
        raise BadInput(f"{error} Add --name {error.offer}.") from error
    say(f"{model.card.name}  ({_OPTION[model.card.kind]})  {model.path}")


def use(name: Name, model_folder: ModelFolder = None) -> None:
    """Have a step take this model from now on.

    Example: napari-cellcycle models use my-nuclei
    """
    from napari_cellcycle.models.library import pick_model, use_model

    model = pick_model(name, model_folder)
    use_model(model, model_folder)
    say(f"{model.card.name!r} is in use for {_STEP[model.card.kind]} now.")


def rollback(
    kind: Annotated[ModelKind, typer.Argument(help="Which step is to go back")],
    model_folder: ModelFolder = None,
) -> None:
    """Go back: use the model that was in use before, or that the one in use was taught from.

    Example: napari-cellcycle models rollback segment
    """
    from napari_cellcycle.models.library import default_model, roll_back

    former = default_model(kind.value, model_folder)
    model = roll_back(kind.value, model_folder)
    say(f"{model.card.name!r} is in use for {_STEP[kind.value]} again; {former!r} is still there.")


def remove(name: Name, model_folder: ModelFolder = None) -> None:
    """Move one of your own models to the bin: 'models restore' brings it back.

    Example: napari-cellcycle models remove my-nuclei
    """
    from napari_cellcycle.models.library import pick_model, remove_model

    model = pick_model(name, model_folder)
    remove_model(model, model_folder)
    say(f"{model.card.name!r} is in the bin; 'models restore {model.card.name}' brings it back.")


def restore(
    name: Annotated[
        str | None, typer.Argument(help="Name of a removed model; all are listed if not given")
    ] = None,
    rename_to: Annotated[
        str | None, typer.Option("--name", help="What to call it, if its name is taken by now")
    ] = None,
    model_folder: ModelFolder = None,
) -> None:
    """Bring a model back from the bin: the one removed last, if several had that name.

    Example: napari-cellcycle models restore my-nuclei
    """
    from napari_cellcycle.models.library import list_removed, restore_model

    removed = list_removed(model_folder)
    if name is None:
        for each in removed:
            say(
                f"{each.card.name}  ({_OPTION[each.card.kind]})  removed {each.when:%Y-%m-%d %H:%M}"
            )
        say(f"{len(removed)} in the bin.")
        return
    found = next((each for each in removed if each.card.name == name), None)
    if found is None:
        names = ", ".join(dict.fromkeys(each.card.name for each in removed)) or "none"
        raise BadInput(f"No model called {name!r} is in the bin; there are: {names}.")
    model = restore_model(found, model_folder, rename_to)
    say(f"{model.card.name!r} is back.")


def empty_bin(model_folder: ModelFolder = None) -> None:
    """Delete for good what was removed.

    Example: napari-cellcycle models empty-bin
    """
    from napari_cellcycle.models.library import empty_bin as delete_removed

    say(f"{delete_removed(model_folder)} deleted.")
