"""Commands that show stages: figures and tables, films, and pages about single cells."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellcycle.cli.console import Bar, refuse_existing, say
from napari_cellcycle.cli.options import Overwrite
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.evaluation.figure_folder import Judged

_Experiment = Annotated[Path, typer.Argument(help="Experiment folder: NAME.cellcycle")]
_Channel = Annotated[str | None, typer.Option(help="Channel to show; the first if not given")]
_Drawn = StrEnum("_Drawn", ["boundaries", "fills", "none"])
_Projection = StrEnum("_Projection", ["max", "mean", "slice"])
_Axis = StrEnum("_Axis", ["z", "y", "x"])


def figures(
    experiment: _Experiment,
    out: Annotated[Path, typer.Option(help="Folder to make")],
    truth: Annotated[
        Path | None,
        typer.Option(
            help="True stages: an experiment, or a truth folder (01_GT) with stages.csv; adds "
            "the confusion matrix, scores with intervals and the timing of changes"
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            help="Also draw a training: a table (CSV) with the columns epoch, loss, score"
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write figures and tables about stages: who is in which stage when, and for how long.

    label_matrix.png, durations.png, lineages.svg and features.png; stage_visits.csv,
    stage_durations.csv and divisions.csv, with units in the names of columns. Stays that were cut
    off by the movie or the field are marked, and never mixed with whole ones.

    Example: napari-cellcycle figures hela.cellcycle --out hela_figures --truth 01_GT
    """
    from napari_cellcycle.evaluation.figure_folder import write_figures
    from napari_cellcycle.evaluation.learning_figures import draw_learning, read_curve
    from napari_cellcycle.evaluation.stage_figures import save_figure
    from napari_cellcycle.evaluation.stage_truth import open_staged
    from napari_cellcycle.io.experiment import open_experiment

    refuse_existing(out, overwrite)
    opened = open_experiment(experiment)
    learning = None if curve is None else draw_learning(read_curve(curve))
    with Bar() as bar:
        known = None if truth is None else open_staged(truth)
        judged = write_figures(opened, out, truth=known, progress=bar)
    if learning is not None:
        save_figure(learning, out / "learning.png")
    if judged is not None:
        _say_scores(judged)
    _say_assumed(opened)
    say(f"Figures and tables are in {out}.")


def movie(
    experiment: _Experiment,
    out: Annotated[
        Path, typer.Option(help="NAME.mp4, NAME.gif, or a folder for one picture (PNG) a frame")
    ],
    channel: _Channel = None,
    cells: Annotated[_Drawn, typer.Option(help="How cells are coloured")] = _Drawn.boundaries,
    ids: Annotated[bool, typer.Option("--ids", help="Write the number of each cell")] = False,
    tails: Annotated[int, typer.Option(min=0, help="Frames of past places that are drawn")] = 6,
    only: Annotated[str | None, typer.Option(help="Colour the cells of one stage only")] = None,
    follow: Annotated[
        int | None, typer.Option(help="Number of a cell on which the view stays")
    ] = None,
    side: Annotated[float, typer.Option(help="Width of that view in micrometres")] = 60.0,
    projection: Annotated[
        _Projection, typer.Option(help="How a volume is flattened")
    ] = _Projection.max,
    axis: Annotated[_Axis, typer.Option(help="Axis along which it is flattened")] = _Axis.z,
    plane: Annotated[
        int | None, typer.Option(help="Plane of a slice; the middle one if not given")
    ] = None,
    contrast: Annotated[
        tuple[float, float],
        typer.Option(help="Percentiles of brightness that become black and white"),
    ] = (1.0, 99.7),
    speed: Annotated[float, typer.Option("--fps", help="Frames a second")] = 5.0,
    pause: Annotated[
        float, typer.Option(min=0, help="Seconds for which the film rests on divisions")
    ] = 0.0,
    size: Annotated[int, typer.Option(help="Pixels of the longer side, 64 to 4096")] = 720,
    first: Annotated[int | None, typer.Option(help="First frame, counted from 0")] = None,
    last: Annotated[int | None, typer.Option(help="Last frame")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No scale bar, time and legend")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a film of the movie with every cell in the colour of its stage.

    MP4 films are H.264 with the extra 'film' installed, and the older MPEG-4 without it.

    Example: napari-cellcycle movie hela.cellcycle --out hela.mp4 --cells fills --pause 1
    """
    from napari_cellcycle.evaluation.film_frames import FilmSettings
    from napari_cellcycle.evaluation.movie_export import write_film
    from napari_cellcycle.io.experiment import open_experiment

    refuse_existing(out, overwrite)
    settings = FilmSettings(
        channel=channel,
        contrast=contrast,
        cells=cells.value,  # type: ignore[arg-type]
        ids=ids,
        tails=tails,
        projection=projection.value,  # type: ignore[arg-type]
        axis=axis.value,  # type: ignore[arg-type]
        plane=plane,
        only=only,
        follow=follow,
        side=side,
        scale_bar=not plain,
        time_stamp=not plain,
        legend=not plain,
        speed=speed,
        pause=pause,
        size=size,
        first=first,
        last=last,
    )
    opened = open_experiment(experiment)
    with Bar() as bar:
        note = write_film(opened, out, settings, bar)
    if note:
        typer.echo(f"Note: {note}", err=True)
    if settings.time_stamp:
        _say_assumed(opened)
    say(f"The film is {out}.")


def centres(
    experiment: _Experiment,
    out: Annotated[Path, typer.Option(help="NAME.ome.tif, to be opened in napari or ImageJ")],
    model: Annotated[str, typer.Option(help="Recurrent stage model, by its name or file")] = "rnn",
    channel: Annotated[
        str | None,
        typer.Option(help="Channel it looks at; the one that stages were told in if not given"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw each cell alone as a recurrent stage model sees it: to look at when stages seem odd.

    Open the file over the movie: where a cell is missing, or has a piece of its neighbour, its
    stage was told from the wrong pixels.

    Example: napari-cellcycle centres hela.cellcycle --out hela_centres.ome.tif
    """
    from napari_cellcycle.data.channel import stage_channel_of
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.io.ome_tiff import write_pictures
    from napari_cellcycle.pipeline.centre_cells import centre_cells

    refuse_existing(out, overwrite)
    opened = open_experiment(experiment)
    if opened.labels is None or opened.tracks is None:
        raise BadInput(
            f"{experiment} holds no tracked cells; run 'napari-cellcycle run' on it first."
        )
    with Bar() as bar:
        pictures = centre_cells(
            opened.movie,
            opened.labels,
            opened.tracks,
            model=model,
            channel=channel or stage_channel_of(opened),
            progress=bar,
        )
        write_pictures(out, opened.movie, pictures)
    say(f"The cells as {model} sees them are in {out}.")


def report(
    experiment: _Experiment,
    out: Annotated[Path, typer.Option(help="Folder to make")],
    cells: Annotated[
        str | None,
        typer.Option(help="Numbers of cells, such as 3,7; all if not given"),
    ] = None,
    channel: _Channel = None,
    side: Annotated[
        float | None,
        typer.Option(help="Width of the pictures in micrometres; 2.5 cells if not given"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a page (HTML) for each cell: its pictures, probabilities and stays in stages.

    index.html lists the cells by the onset of mitosis; cell_7.png is a filmstrip alone. Open the
    pages with a browser; each holds all that it shows.

    Example: napari-cellcycle report hela.cellcycle --cells 3,7 --out hela_cells
    """
    from napari_cellcycle.evaluation.report import write_report
    from napari_cellcycle.io.experiment import open_experiment

    refuse_existing(out, overwrite)
    chosen = None if cells is None else _numbers(cells)
    opened = open_experiment(experiment)
    with Bar() as bar:
        index = write_report(opened, out, chosen, channel=channel, side=side, progress=bar)
    _say_assumed(opened)
    say(f"The pages are in {out}; begin with {index}.")


def _say_assumed(experiment: "Experiment") -> None:
    """Note that times are only as good as a guess, where they are."""
    words = experiment.movie.assumed_interval
    if words:
        typer.echo(f"Note: {words} To set it, make the experiment with --frame-interval.", err=True)


def _numbers(text: str) -> list[int]:
    from napari_cellcycle.errors import BadInput

    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise BadInput(
            f"--cells is {text!r}, but numbers of cells were expected; give them like 3,7."
        ) from None


def _say_scores(judged: "Judged") -> None:
    say(str(judged.scores))
    if len(judged.timing):
        share, count = judged.timing["within"].iloc[-1], judged.timing["changes"].iloc[-1]
        say(f"{share:.1%} of {count:,} changes of stage are within 1 frame.")
