"""Where the results of a recording lie until they are saved: one folder a result."""

import os
import re
import secrets
import shutil
import time
from pathlib import Path

import platformdirs

from napari_cellcycle.errors import CannotWrite

ENVIRONMENT = "NAPARI_CELLCYCLE_WORK"
KEPT_DAYS = 30
SAVED = "saved"
"""An empty file in a folder of results whose corrections go on in another folder."""


def root() -> Path:
    """Folder of all workplaces: $NAPARI_CELLCYCLE_WORK, or one in the user's data folder."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    return Path(platformdirs.user_data_dir("napari-cellcycle", appauthor=False)) / "work"


def clean_up(days: float = KEPT_DAYS) -> None:
    """Remove workplaces that nothing was written to for so many days.

    Those with corrections that were never saved stay until somebody decides about them.
    """
    if not root().is_dir():
        return
    oldest = time.time() - days * 86400
    for folder in root().iterdir():
        if folder.is_dir() and folder.stat().st_mtime < oldest and not unsaved_in(folder):
            shutil.rmtree(folder, ignore_errors=True)


def unsaved_in(workplace: Path) -> list[Path]:
    """Folders of results in a workplace that were corrected and not saved elsewhere."""
    journals = workplace.glob("*.cellcycle/journal*.jsonl")
    folders = {journal.parent for journal in journals if journal.stat().st_size}
    return sorted(folder for folder in folders if not (folder / SAVED).exists())


class Workplace:
    """A folder of one recording: its movie, if that has no file, and its results.

    Each run works in an experiment folder of its own, so a run that fails or is cancelled
    leaves nothing behind, and results that can be brought back by undo stay where they are.
    """

    def __init__(self, name: str) -> None:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40].strip("_") or "movie"
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = root() / f"{plain}-{stamp}-{secrets.token_hex(2)}"
        self._count = 0

    @property
    def movie_file(self) -> Path:
        """Where the pixels of a movie without a file are written."""
        return self.folder / "movie.zarr"

    def new_folder(self) -> Path:
        """Path of the next experiment folder; only the folder around it exists yet."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotWrite(
                f"The folder for results, {self.folder}, cannot be made ({error.strerror}); free "
                f"some room, or set {ENVIRONMENT} to a folder that you can write to."
            ) from error
        self._count += 1
        return self.folder / f"result-{self._count:03d}.cellcycle"

    def discard(self, folder: Path | None) -> None:
        """Remove a result that nobody can ask for any more; those saved elsewhere stay."""
        if folder is not None and folder.parent == self.folder:
            shutil.rmtree(folder, ignore_errors=True)
