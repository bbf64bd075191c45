"""Command-line options made from the settings models, and those that commands share."""

import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_cellcycle.config import ClassifySettings, SegmentSettings, Settings, TrackSettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.models.store import Kind

Movie = Annotated[
    Path,
    typer.Argument(help="TIFF or OME-TIFF file, folder of TIFF frames, or OME-Zarr folder"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace --out if it exists")]
DeviceName = StrEnum("DeviceName", ["auto", "cpu", "cuda", "mps"])
Device = Annotated[
    DeviceName, typer.Option(help="Graphics card if there is one ('auto'), or a fixed choice")
]
AUTO = DeviceName.auto
MemoryGb = Annotated[
    float | None,
    typer.Option(help="Most memory the job may take, in GB; three quarters of all if not given"),
]
ModelFolder = Annotated[
    Path | None, typer.Option(help="Folder of your own models; the usual place if not given")
]
ModelOut = Annotated[
    Path | None, typer.Option(help="Folder for the model; that of your own models if not given")
]
HeldOut = Annotated[
    list[Path] | None,
    typer.Option(help="Source to score on and not to learn from; may be given several times"),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Most rounds of training; as usual if not given")
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="End after so many rounds without a better score, 0: never; as usual if not given",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(min=1e-6, max=1, help="How fast it learns; as usual if not given"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an interrupted training of this name")
]
ReplaceModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace a model of that name in --out")
]
PixelSize = Annotated[
    str | None,
    typer.Option(
        help="Micrometres per pixel, such as 0.65, or plane spacing first: 2,0.65,0.65; "
        "from the file if not given"
    ),
]
FrameInterval = Annotated[
    float | None, typer.Option(help="Seconds between frames; from the file if not given")
]

_SHORTER = {"segment_model": ("--model",)}
"""Further names of options."""
_KINDS: "dict[type[Settings], Kind]" = {
    SegmentSettings: "segment",
    TrackSettings: "link",
    ClassifySettings: "stage",
}
"""Settings whose `model`, if it is not given, is the one in use."""


def settings_options(
    models: Mapping[str, type[Settings]], *, prefixed: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option for each field of `models`, keyed by the parameter they fill.

    The command gets one built settings object for each key. With `prefixed`, options start
    with the key: "--track-max-gap". A step's model is the one in use if it is not given.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters: dict[str, inspect.Parameter] = {}
        for key, model in models.items():
            for name, info in model.model_fields.items():
                full = f"{key}_{name}" if prefixed else name
                if name == "model" and model in _KINDS:
                    info = _found_later(info)
                parameters[full] = _parameter(full, info)

        def command(**given: Any) -> Any:
            for key, model in models.items():
                names = {n: f"{key}_{n}" if prefixed else n for n in model.model_fields}
                values = {name: given.pop(full) for name, full in names.items()}
                if model in _KINDS and values["model"] is None:
                    values["model"] = _in_use(_KINDS[model], given.get("model_folder"))
                given[key] = _built(model, values)
            return function(**given)

        own = inspect.signature(function).parameters
        kept = [parameter for name, parameter in own.items() if name not in models]
        all_of_them = [*kept, *parameters.values()]
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature(all_of_them)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in all_of_them}
        return command

    return decorate


def parse_pixel_size(given: str | None) -> tuple[float, ...] | None:
    """Read "0.65" or "2,0.65,0.65"; `BadInput` if it is neither."""
    if given is None:
        return None
    try:
        sizes = tuple(float(part) for part in given.split(","))
    except ValueError:
        sizes = ()
    if not sizes or len(sizes) > 3 or min(sizes) <= 0:
        raise BadInput(
            f"--pixel-size is {given!r}, but micrometres were expected; "
            "give one number, such as 0.65, or one an axis, such as 2,0.65,0.65."
        )
    return sizes


def _found_later(info: FieldInfo) -> FieldInfo:
    """The field of a model without a default of its own."""
    about = f"{info.description}; if not given, the one in use ('models' marks it)"
    return FieldInfo(annotation=str, default=None, description=about)


def _in_use(kind: "Kind", folder: Path | None) -> str:
    from napari_cellcycle.models.library import default_model

    return default_model(kind, folder)


def _parameter(name: str, info: FieldInfo) -> inspect.Parameter:
    kind = _plain_type(info.annotation)
    details: dict[str, Any] = {"help": info.description}
    default = info.default
    if get_origin(kind) is Literal:
        kind = _choice(name, get_args(kind))
        default = kind(str(default))
    elif kind in (int, float):
        details |= _limits(info)
    if default is None:
        kind = kind | None
        details["show_default"] = False
    option = name.replace("_", "-")
    flags = [f"--{option}/--no-{option}" if kind is bool else f"--{option}"]
    flags += _SHORTER.get(name, ())
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer.Option(*flags, **details)],
    )


def _limits(info: FieldInfo) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    noted = [one for part in get_args(info.annotation) for one in getattr(part, "__metadata__", ())]
    for bound in [*info.metadata, *(bound for field in noted for bound in field.metadata)]:
        if isinstance(bound, Ge):
            limits["min"] = bound.ge
        elif isinstance(bound, Le):
            limits["max"] = bound.le
        elif isinstance(bound, Gt):
            limits["help"] = f"{info.description} (above {bound.gt:g})"
    return limits


def _choice(name: str, values: tuple[Any, ...]) -> Any:
    """Enumeration of the texts that stand for `values` on the command line."""
    members = {str(value): str(value) for value in values}
    return StrEnum(name, members)


def _plain_type(annotation: Any) -> Any:
    """The type of a value without "or None" and without what is noted of it."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _built(model: type[Settings], values: dict[str, Any]) -> Settings:
    for name, info in model.model_fields.items():
        if get_origin(info.annotation) is Literal:
            choices = get_args(info.annotation)
            values[name] = next(c for c in choices if str(c) == values[name])
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise BadInput(
            f"{option} is {first['input']!r}, but {first['msg'].lower()}; "
            "see --help for what it means."
        ) from error
