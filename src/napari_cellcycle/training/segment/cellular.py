"""The whole CELLULAR experiment: prepare the data, teach each base model, score all of them.

What is done is not done again: an interrupted experiment goes on where it stopped.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.cellular import IMAGE_FOLDERS, class_names, find_fields
from napari_cellcycle.io.cellular_export import prepare_cellular
from napari_cellcycle.io.cellular_settings import ALL, PrepareSettings, SplitSettings
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.cellpose import is_cellpose
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.models.segment.segmenter import open_segmenter
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.segment.cellpose import SUFFIX, fine_tune
from napari_cellcycle.training.segment.cellpose_settings import PAPER, CellposeSettings
from napari_cellcycle.training.segment.cellular_scores import Scored, comparison, score_model
from napari_cellcycle.training.segment.cellular_settings import (
    PAPER_BASES,
    ExperimentSettings,
)
from napari_cellcycle.training.segment.lesson import in_words
from napari_cellcycle.training.segment.own import (
    SegmentTeachSettings,
    teach_segmentation,
)
from napari_cellcycle.training.segment.pairs import find_pairs, read_pairs
from napari_cellcycle.training.segment.sources import read_sources


def run_cellular(
    source: str | Path,
    out: str | Path,
    bases: Sequence[str] = PAPER_BASES,
    *,
    prepare: PrepareSettings | None = None,
    split: SplitSettings | None = None,
    settings: ExperimentSettings | None = None,
    device: str = "auto",
    model_folder: Path | None = None,
    overwrite: bool = False,
    notify: Callable[[str], None] = lambda _note: None,
    progress: Progress = silent,
) -> list[Scored]:
    """Prepare `source`, teach each of `bases` on its training split, and score each and its base.

    In `out`: `data` (see `prepare_cellular`), `models` (the taught ones, `cellular-BASE`, and
    `diameter.json`), `results/MODEL/SPLIT` (see `evaluate_split`) and `comparison.csv`.

    Parameters
    ----------
    bases
        Names or files of models of this package or of Cellpose.
    overwrite
        Begin anew rather than go on with what is in `out`.
    notify
        Is told in a sentence what is skipped, because it is done, or was left out.

    Raises
    ------
    BadInput
        A source or settings that cannot be used, or an `out` of another experiment.
    MissingModel
        A base that is not there; nothing is taught then.
    """
    settings = settings or ExperimentSettings()
    stages = _Stages(
        Path(source).expanduser(),
        Path(out).expanduser(),
        prepare or PrepareSettings(),
        split or SplitSettings(),
        settings,
        device,
        model_folder,
        overwrite,
        notify,
        progress,
    )
    names = _model_names(bases, settings.subset)
    for base in bases:
        open_segmenter(SegmentSettings(model=base), choose_device(device), model_folder)
    stages.prepare_data()
    scored: list[Scored] = []
    for base in bases:
        taught = stages.teach(base, names[base])
        scored += stages.score(names[base], taught["file"], taught["diameter px"])
        scored += stages.score(_plain(base), base, settings.base_diameter or None)
    with writing_to(stages.out):
        table = comparison(scored).to_csv(index=False, float_format="%.6g")
        replace_file(stages.out / "comparison.csv", table)
    return scored


@dataclass(frozen=True)
class _Stages:
    """The stages of one experiment, each of which leaves a record of what it was made from."""

    source: Path
    out: Path
    prepare: PrepareSettings
    split: SplitSettings
    settings: ExperimentSettings
    device: str
    model_folder: Path | None
    overwrite: bool
    notify: Callable[[str], None]
    progress: Progress

    @property
    def data(self) -> Path:
        return self.out / "data"

    def prepare_data(self) -> None:
        """Write `data`, unless it is there and was made in the same way."""
        about = {
            "files": _fingerprint(self.source, self.prepare),
            "prepare": self.prepare.model_dump(mode="json"),
            "split": self.split.model_dump(mode="json"),
        }
        record = self.out / "data.json"
        if _is_done(record, about, self.data, overwrite=self.overwrite):
            self.notify(f"{self.data} is prepared already")
        else:
            record.unlink(missing_ok=True)
            made = prepare_cellular(
                self.source,
                self.data,
                self.prepare,
                self.split,
                overwrite=True,
                progress=self.progress,
            )
            for note in made.notes:
                self.notify(note)
            _write_record(record, about)
        if not (self.data / self.settings.subset / "train").is_dir():
            names = class_names(find_fields(self.source, masks=self.prepare.masks))
            raise BadInput(
                f"There is no set {self.settings.subset!r} to learn from; there are: "
                f"{', '.join((ALL, *names))}: choose one of them."
            )

    def teach(self, base: str, name: str) -> dict[str, Any]:
        """Teach `base`, unless that is done; returns its record, with `file` and `diameter px`."""
        folder = self.out / "models"
        about = {
            "base": base,
            "file": _digest_if_file(base),
            "data": _read_record(self.out / "data.json")["about"],
            "settings": self.settings.model_dump(mode="json", exclude={"base_diameter"}),
        }
        record = folder / f"{name}.done.json"
        if not self.overwrite and record.is_file():
            found = _read_record(record)
            file = folder / str(found.get("name"))
            if _is_done(record, about, file, overwrite=False):
                self.notify(f"{name} is taught already")
                return {**found, "file": str(file)}
        record.unlink(missing_ok=True)
        diameter = self._write_diameter(folder)
        teach = self._teach_cellpose if is_cellpose(base) else self._teach_own
        file = teach(base, name, folder)
        known = diameter if is_cellpose(base) and _takes_sizes() else None
        _write_record(record, about, name=file.name, **{"diameter px": known})
        return {**_read_record(record), "file": str(file)}

    def score(self, name: str, model: str, diameter_px: float | None) -> list[Scored]:
        """Score a model on all splits."""
        return score_model(
            self.data,
            self.out / "results" / name,
            model,
            subset=self.settings.subset,
            channel=self.settings.channel,
            diameter_px=diameter_px,
            device=self.device,
            model_folder=self.model_folder,
            about={
                "model": name,
                "file": _digest_if_file(model),
                "data": _read_record(self.out / "data.json")["about"],
            },
            again=self.overwrite,
            notify=self.notify,
            progress=self.progress,
        )

    def _splits(self) -> tuple[Path, list[Path]]:
        """Folder to learn from, and the one to choose by, if it has cells."""
        place = self.data / self.settings.subset
        valid = place / "valid"
        return place / "train", [valid] if valid.is_dir() else []

    def _teach_cellpose(self, base: str, name: str, folder: Path) -> Path:
        train, valid = self._splits()
        usual = PAPER if self.settings.preset == "paper" else CellposeSettings()
        changes = {"epochs": self.settings.epochs, "batch_size": self.settings.batch_size}
        given = {key: value for key, value in changes.items() if value is not None}
        if self.settings.batches is not None:
            size = self.settings.batch_size or usual.batch_size or 1
            given["images_per_epoch"] = self.settings.batches * size
        unfinished = folder / f"{name}.training"
        if self.overwrite:
            unfinished.unlink(missing_ok=True)
        file = folder / f"{name}{SUFFIX}"
        learned = read_sources([train], progress=self.progress)
        aside = read_sources(valid, progress=self.progress)
        fine_tune(
            learned,
            aside,
            usual.model_copy(update={**given, "seed": self.settings.seed}),
            base=base,
            out=file,
            channel=self.settings.channel,
            device=self.device,
            checkpoint=Checkpoint(unfinished, {"data": _digest(self.out / "data.json")}),
            told={
                "data": in_words(learned),
                "split": f"epoch chosen on {'; '.join(in_words(aside)) or 'nothing'}",
            },
            progress=self.progress,
        )
        unfinished.unlink(missing_ok=True)
        return file

    def _teach_own(self, base: str, name: str, folder: Path) -> Path:
        train, valid = self._splits()
        model, taught = teach_segmentation(
            name,
            [train],
            folder,
            base=base,
            held_out=valid,
            settings=SegmentTeachSettings(
                held_out_part=0,
                channel=self.settings.channel,
                simulated=self.settings.simulated,
                minutes=self.settings.minutes,
                epochs=self.settings.epochs,
                batch_size=self.settings.batch_size,
                batches=self.settings.batches,
                seed=self.settings.seed,
            ),
            resume=not self.overwrite,
            overwrite=True,
            device=self.device,
            model_folder=self.model_folder,
            command=shlex.join(["napari-cellcycle", "cellular", "run", self.source.name]),
            progress=self.progress,
        )
        for note in taught.notes:
            self.notify(note)
        return model.path

    def _write_diameter(self, folder: Path) -> float:
        """Keep the diameter of the cells learned from, the mean of images, as Cellpose does."""
        pairs = find_pairs(self._splits()[0])
        sizes = [diameters_px(read_pairs([pair], "train")[0].cells) for pair in pairs]
        medians = [float(np.median(found)) for found in sizes if len(found)]
        if not medians:
            raise BadInput(
                f"No cell is in {self._splits()[0]}, so there is nothing to learn from: split the "
                "fields in another way."
            )
        diameter = float(np.mean(medians))
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(
                {"diam_labels": round(diameter, 2), "cells": sum(map(len, sizes))}, indent=2
            )
            replace_file(folder / "diameter.json", text + "\n")
        return diameter


def _model_names(bases: Sequence[str], subset: str) -> dict[str, str]:
    """What the models made from `bases` are called."""
    end = "" if subset == ALL else f"-{_plain(subset)}"
    names = {base: f"cellular-{_plain(base)}{end}" for base in bases}
    if len(set(names.values())) < len(bases) or not bases:
        raise BadInput(
            f"The base models are {', '.join(bases) or 'none'}, but different ones are expected: "
            "name each once, and call files of models differently."
        )
    return names


def _plain(base: str) -> str:
    """A name for files out of the name or path of a model."""
    stem = Path(base.removeprefix("cellpose:")).name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem.rsplit(".", 1)[0]).strip("-") or "model"


def _fingerprint(source: Path, settings: PrepareSettings) -> str:
    """What tells the files of a source from those of others: their names and sizes."""
    images = [settings.images] if settings.images else list(IMAGE_FOLDERS)
    found = sorted(
        (path.relative_to(source).as_posix(), path.stat().st_size)
        for name in (*images, settings.masks)
        for path in (source / name).rglob("*")
        if path.is_file()
    )
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def _digest(file: str | Path) -> str:
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def _digest_if_file(model: str) -> str | None:
    return _digest(model) if Path(model).is_file() else None


def _takes_sizes() -> bool:
    """Whether the installed Cellpose works at one size of cells, as version 4 does not."""
    return int(version("cellpose").split(".")[0]) < 4


def _is_done(record: Path, about: Mapping[str, Any], made: Path, *, overwrite: bool) -> bool:
    """Whether `made` is there and was made from `about`.

    Raises `BadInput` if it was made from something else, and is not to be replaced.
    """
    if overwrite or not record.is_file() or not made.exists():
        return False
    told = _read_record(record).get("about", {})
    differing = [name for name, value in about.items() if told.get(name) != value]
    if differing:
        raise BadInput(
            f"{made} was made from other {' and '.join(differing)}: choose another folder, or "
            "begin anew with --overwrite."
        )
    return True


def _read_record(record: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{record} cannot be read ({type(error).__name__}): begin anew with --overwrite."
        ) from error


def _write_record(record: Path, about: Mapping[str, Any], **more: Any) -> None:
    with writing_to(record):
        record.parent.mkdir(parents=True, exist_ok=True)
        replace_file(record, json.dumps({"about": dict(about), **more}, indent=2) + "\n")
