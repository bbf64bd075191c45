"""Command-line options made from the settings models, and those that commands share."""

import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput

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


def settings_options(
    models: Mapping[str, type[Settings]], *, prefixed: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option for each field of `models`, keyed by the parameter they fill.

    The command gets one built settings object for each key. With `prefixed`, options start
    with the key: "--track-max-gap".
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters: dict[str, inspect.Parameter] = {}
        for key, model in models.items():
            for name, info in model.model_fields.items():
                full = f"{key}_{name}" if prefixed else name
                parameters[full] = _parameter(full, info)

        def command(**given: Any) -> Any:
            for key, model in models.items():
                names = {n: f"{key}_{n}" if prefixed else n for n in model.model_fields}
                values = {name: given.pop(full) for name, full in names.items()}
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
    flags = [f"--{name.replace('_', '-')}", *_SHORTER.get(name, ())]
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer.Option(*flags, **details)],
    )


def _limits(info: FieldInfo) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for bound in info.metadata:
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
    if get_origin(annotation) in (UnionType,):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


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
