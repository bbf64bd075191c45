"""The command that writes nuclei and what happens to them as samples in folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, refuse_existing, say
from napari_cellcycle.cli.options import Overwrite, PixelSize, parse_pixel_size, settings_options
from napari_cellcycle.config import ExtractSettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.progress import Progress


@settings_options({"settings": ExtractSettings})
def events(
    source: Annotated[
        Path,
        typer.Argument(
            help="Tracked experiment (NAME.cellcycle), or folder of an embryo with "
            "LineageGraph.json, registered_images and registered_label_images"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make: CLASS/SAMPLE/t-1, t, t+1")],
    settings: ExtractSettings,
    relaxed: Annotated[
        bool,
        typer.Option(
            "--relaxed",
            help="Every nucleus with one child and no event of its own is stable, not only those "
            "around which all is quiet, as published",
        ),
    ] = False,
    channel: Annotated[
        str | None,
        typer.Option(help="Channel of the nuclei; that of segmenting, or the first, if not given"),
    ] = None,
    pixel_size: PixelSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Write nuclei as samples in folders, by what their lineage says that happens to them.

    All links and stages are taken as true; states that you set by hand come first. The folder is
    in the published layout, and a source for 'train stage --preset 4ncnn' and 'nucleus'.

    Example: napari-cellcycle events embryo.cellcycle --out nuclei --max-samples 500
    """
    from napari_cellcycle.data.channel import channel_of
    from napari_cellcycle.data.stages import NUCLEUS
    from napari_cellcycle.io.nucleus_extract import Source, write_samples
    from napari_cellcycle.training.stage.nucleus_states import corrected_states

    refuse_existing(out, overwrite)
    with Bar() as bar:
        experiment = _opened(source, pixel_size, bar)
        assert experiment.labels is not None and experiment.tracks is not None
        channel = channel or channel_of(experiment)
        states = corrected_states(experiment, channel, trust_all=True)
        told = states.known & (relaxed | states.clean | states.by_hand)
        names = [
            NUCLEUS.names[code] if known else ""
            for code, known in zip(states.code, told, strict=True)
        ]
        name = source.name.removesuffix(".cellcycle")
        cut = Source(experiment.movie, experiment.labels, experiment.tracks, name, channel)
        table = write_samples(cut, names, out, settings, progress=bar)
    count = table["state"].value_counts()
    say(", ".join(f"{number:,} {state}" for state, number in count.items()) + ".")
    say(f"The samples are in {out}.")


def _opened(source: Path, pixel_size: str | None, progress: "Progress") -> "Experiment":
    """The tracked cells of an experiment, or of an embryo with a lineage graph."""
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.io.lineage_graph import is_embryo, open_embryo

    size = parse_pixel_size(pixel_size)
    if is_embryo(source):
        if size is None:
            embryo = open_embryo(source, progress=progress)
        elif len(size) == 3:
            embryo = open_embryo(source, pixel_size=size, progress=progress)
        else:
            raise BadInput(
                f"--pixel-size is {pixel_size!r}, but an embryo is a volume: give plane spacing "
                "first, such as 2,0.2,0.2."
            )
        return Experiment(embryo.movie, embryo.labels, embryo.tracks)
    if size is not None:
        raise BadInput("An experiment knows its pixel size: leave out --pixel-size.")
    experiment = open_experiment(source)
    if experiment.labels is None or experiment.tracks is None or not len(experiment.tracks):
        raise BadInput(f"The experiment {source} has no tracked cells to write: track them first.")
    return experiment
