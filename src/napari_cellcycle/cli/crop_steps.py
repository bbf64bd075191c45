"""Classify a folder of crops: the part of the command 'classify' that has no movie."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_cellcycle.cli.console import Bar, say
from napari_cellcycle.config import ClassifySettings
from napari_cellcycle.errors import BadInput

if TYPE_CHECKING:
    from napari_cellcycle.pipeline.classify_crops import ToldCrops


def classify_folder(
    folder: Path,
    out: Path,
    settings: ClassifySettings,
    device: str,
    model_folder: Path | None,
) -> None:
    """Write the stage of every crop of a folder as a table, and score it if folders name stages.

    Raises `BadInput` if the folder holds no crops, or is an experiment or result of tracking.
    """
    from napari_cellcycle.io.storage import replace_file, writing_to
    from napari_cellcycle.models.device import choose_device
    from napari_cellcycle.models.stage.model import stage_model_of
    from napari_cellcycle.models.store import find_model

    if not folder.is_dir() or (folder / "experiment.json").is_file():
        raise BadInput(
            f"{folder} is no folder of crops, and without tracks nothing else can be classified: "
            "give a movie and its tracks, or a folder of crops, flat or one subfolder a stage."
        )
    model = stage_model_of(find_model(settings.model, "stage", model_folder), choose_device(device))
    with Bar() as bar:
        told = _classified(folder, model, settings, bar)
    with writing_to(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        replace_file(out, told.table.to_csv(index=False, float_format="%.5f"))
    say(f"{len(told.table):,} crops.")
    _say_scores(told, model.stages.names)
    say(f"The table is {out}.")


def _classified(folder: Path, model: Any, settings: ClassifySettings, bar: Bar) -> "ToldCrops":
    import numpy as np

    from napari_cellcycle.models.stage.nucleus.model import NucleusModel
    from napari_cellcycle.pipeline.classify_crops import ToldCrops, classify_crops

    if isinstance(model, NucleusModel):
        from napari_cellcycle.io.nucleus_folders import find_samples
        from napari_cellcycle.models.stage.nucleus.folders import predict_samples

        table = predict_samples(folder, model, batch_size=settings.batch_size, progress=bar)
        samples = find_samples(folder)
        true = np.array([sample.state or "" for sample in samples])
        group = np.array([sample.dataset or str(n) for n, sample in enumerate(samples)])
        return ToldCrops(table, true, group)
    channel = settings.channel or "0"
    if not channel.isdigit():
        raise BadInput(f"The channel of crops is {channel!r}, but its number from 0 was expected.")
    return classify_crops(
        folder, model, channel=int(channel), batch_size=settings.batch_size, progress=bar
    )


def _say_scores(told: "ToldCrops", stages: tuple[str, ...]) -> None:
    """Compare with the folders, as far as these are named after stages of the model."""
    import numpy as np

    from napari_cellcycle.evaluation.stages import score_stages

    strange = sorted(set(told.true.tolist()) - set(stages) - {""})
    if strange:
        typer.echo(
            f"Note: the folders {', '.join(strange)} are named after no stage of the model "
            f"({', '.join(stages)}), so they are not scored.",
            err=True,
        )
    known = np.isin(told.true, stages)
    if known.any():
        stage = told.table["stage"].to_numpy(str)
        scores = score_stages(told.true[known], stage[known], stages, told.group[known])
        say(str(scores))
