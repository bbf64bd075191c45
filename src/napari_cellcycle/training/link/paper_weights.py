"""Train the shipped `paper` link model: hand-made features, 2D, on what real data there is."""

from pathlib import Path

from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link.paper import PaperTraining, train_paper
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.sources import ctc_recording, simulated_recording

REAL = {
    "Fluo-N2DL-HeLa": "01_ST/SEG",
    "PhC-C2DL-PSC": "01_ST/SEG",
    "DIC-C2DH-HeLa": "01_ST/SEG",
    "Fluo-N2DH-SIM": "01_GT/SEG",
}
"""Sequences 01 of `ctc`, and the masks that are learned from."""
SIMULATED = (9000, 9001, 9002, 9003)
"""Seeds of the simulated movies."""
SETTINGS = PaperTraining(
    links=FitSettings(
        epochs=16, learning_rate=1e-3, weight_decay=1e-5, warmup=0, schedule="cosine", clip=0
    ),
    graphs=1,
    most_links=60_000,
    apart=True,
    select="f1",
)
"""As published, but for a training of ten minutes: fewer windows and epochs, a falling rate."""


def shipped_recordings(data_folder: str | Path, *, without: str = "") -> list[Recording]:
    """The sequences of `REAL` that are there, except that of the data set `without`, and movies."""
    found = []
    for name, masks in REAL.items():
        folder = Path(data_folder) / "ctc" / name
        if name != without and (folder / masks).is_dir():
            found.append(ctc_recording(folder / "01", folder / masks, folder / "01_GT"))
    return found + [simulated_recording(seed, 2) for seed in SIMULATED]


def train_shipped_paper(
    data_folder: str | Path, out_folder: str | Path, progress: Progress = silent
) -> Model:
    """Train `paper` on the sequences in `data_folder` and on simulated movies."""
    return train_paper(
        shipped_recordings(data_folder),
        out_folder,
        settings=SETTINGS,
        card={
            "description": "The published tracker of cell-tracker-gnn (ECCV 2022) with hand-made "
            "features, for comparison: links from one frame to the next, divisions guessed "
            "from where tracks end.",
            "split": "The last, or the first, fifth of the windows of each sequence in turn is "
            "kept aside; the weights that do best there are kept, and its figures stand here.",
            "command": "python -m napari_cellcycle.training.weights paper",
            "licence": "BSD-3-Clause; the challenge's conditions of use apply to what was "
            "learned from it",
        },
        progress=progress,
    )
