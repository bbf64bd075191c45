"""Train the published recurrent network, on stages or on their order alone."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import Unit
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.paper_rnn import HIDDEN, SIZE, PaperNetwork, in_parts
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.frame import macro_f1
from napari_cellcycle.training.stage.sequences import UNKNOWN, CellSequences
from napari_cellcycle.training.stage.weak import Aligner

FIT = FitSettings(
    epochs=500, learning_rate=1e-2, weight_decay=1e-5, warmup=0, schedule="constant", clip=0
)
"""As published; Adagrad takes the steps."""


class PaperTraining(Settings):
    """How the published recurrent network is trained."""

    batch: int = Field(4, ge=1, description="Sequences in a batch")
    stage_weight: float = Field(0.1, ge=0, description="Weight of the stages against the drawing")
    every: int = Field(1, ge=1, description="Stages are learned in every n-th batch")
    second_step: int = Field(
        2000, ge=0, description="Batches of whole sequences before the rate falls; 0: never"
    )
    second_rate: float = Field(0.1, gt=0, description="What the rate is then multiplied by")
    windows: bool = Field(True, description="Learn from a random window after each whole batch")
    after_onset: int = Field(
        15, ge=0, description="Most frames after the onset at which windows begin"
    )
    least: int = Field(25, ge=1, description="Fewest frames of a window, where there are as many")
    turns: bool = Field(True, description="Mirror and turn sequences by quarters at random")
    he: bool = Field(
        True, description="Begin with weights that keep signals as strong as they are (He)"
    )
    hidden: int = Field(HIDDEN, ge=1, description="Width of the layer before the last")
    width: int = Field(8, ge=1, description="Channels of the first convolution")
    size: int = Field(SIZE, ge=16, multiple_of=16, description="Side of the crops in pixels")
    side: float = Field(2.4, gt=0, description="Side of the window that crops were cut from")
    unit: Unit = Field("diameters", description="What that side is counted in")


class SecondRateAdagrad(torch.optim.Adagrad):
    """Adagrad whose rate is multiplied by `factor` once, after `step_of_fall` steps.

    Its count stands in its parameter groups, so that an interrupted training goes on with it.
    """

    def __init__(
        self, network: torch.nn.Module, settings: FitSettings, step_of_fall: int, factor: float
    ) -> None:
        rate, decay = settings.learning_rate, settings.weight_decay
        super().__init__(network.parameters(), lr=rate, weight_decay=decay)
        self.step_of_fall, self.factor = step_of_fall, factor
        for group in self.param_groups:
            group["steps"] = 0

    def step(self, closure: Any = None) -> Any:
        """One step, at the second rate where it is time."""
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            if self.step_of_fall and group["steps"] >= self.step_of_fall:
                group["lr"] *= self.factor
            group["steps"] += 1
        result = super().step(closure)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        return result


class PaperBatch(NamedTuple):
    """Sequences padded at their ends: images and masks (b, t, y, x), codes and validity (b, t).

    `begin` (b,) is the frame of each sequence at which it begins; `which` (b,) its number.
    `whole` says that none of it was left out, `tells` that stages are learned from it.
    """

    images: torch.Tensor
    masks: torch.Tensor | None
    code: torch.Tensor
    valid: torch.Tensor
    which: np.ndarray
    begin: np.ndarray
    whole: bool
    tells: bool


class PaperTask:
    """Learn to draw the centre cell and to tell its stage: a `Task` for `fit`.

    Each batch of whole sequences is followed by one of windows of them. With an `aligner`, the
    stages of `learned` are not looked at, only their order. `losses` holds what was lost by the
    drawing and by the stages in each step. The held-out score is the macro-F1 of the frames.
    """

    def __init__(
        self,
        learned: CellSequences,
        settings: PaperTraining,
        held_out: CellSequences | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        self.learned, self.settings, self.held_out = learned, settings, held_out
        self.aligner = aligner
        self.losses: list[tuple[float, float]] = []
        if aligner is None and len(np.unique(learned.code[learned.code != UNKNOWN])) < 2:
            raise BadInput(
                "The sequences show fewer than two stages, but a stage model needs at least two; "
                "add cells of other stages, or give transcripts."
            )
        _check_size(learned, settings.size)

    def __len__(self) -> int:
        return -(-len(self.learned) // self.settings.batch) * (2 if self.settings.windows else 1)

    def batches(self, rng: np.random.Generator) -> Iterator[PaperBatch]:
        """All sequences in random order, then random windows of each, turned at random."""
        settings = self.settings
        order = rng.permutation(len(self.learned))
        for number, start in enumerate(range(0, len(order), settings.batch)):
            which = order[start : start + settings.batch]
            tells = number % settings.every == 0
            begin = np.zeros(len(which), np.int64)
            end = np.array([len(self.learned.paths[i]) for i in which])
            yield self._turned(which, begin, end, True, tells, rng)
            if settings.windows:
                spans = [self._window(int(i), rng) for i in which]
                begin, end = np.array(spans).T
                yield self._turned(which, begin, end, False, tells, rng)

    def _window(self, number: int, rng: np.random.Generator) -> tuple[int, int]:
        """Random beginning, up to some frames after the onset of mitosis, and random end."""
        path = self.learned.paths[number]
        code = self.learned.code[path]
        if self.aligner is not None:
            told = self.aligner.recall(number)
            code = np.zeros(len(path), int) if told is None else told.argmax(1)
        frames, onset = len(path), int(np.argmax(code == 1))
        begin = int(rng.integers(min(onset + self.settings.after_onset, frames - 1) + 1))
        return begin, int(rng.integers(min(frames, begin + self.settings.least), frames + 1))

    def _turned(
        self,
        which: np.ndarray,
        begin: np.ndarray,
        end: np.ndarray,
        whole: bool,
        tells: bool,
        rng: np.random.Generator,
    ) -> PaperBatch:
        rows = [self.learned.paths[i][a:b] for i, a, b in zip(which, begin, end, strict=True)]
        images, masks, code, valid = stack(self.learned, rows, self.settings.size)
        if self.settings.turns:
            for row, (quarters, flip) in enumerate(rng.integers((4, 2), size=(len(which), 2))):
                images[row] = _turn(images[row], int(quarters), bool(flip))
                if masks is not None:
                    masks[row] = _turn(masks[row], int(quarters), bool(flip))
        return PaperBatch(images, masks, code, valid, which, begin, whole, tells)

    def loss(self, network: torch.nn.Module, batch: PaperBatch) -> torch.Tensor:
        """Cross-entropy of the drawn pixels, and `stage_weight` times that of the stages."""
        device = device_of(network)
        seen, _ = in_parts(batch.images.to(device))
        valid = batch.valid.to(device)
        stages, centre = network(seen, valid)
        drawing, telling = seen.new_zeros(()), seen.new_zeros(())
        if batch.masks is not None:
            alone = (seen * batch.masks.to(device))[valid]
            drawing = functional.binary_cross_entropy_with_logits(centre[valid], alone)
        if batch.tells:
            telling = self._of_stages(stages, batch, valid)
        self.losses.append((float(drawing.detach()), float(telling.detach())))
        return drawing + self.settings.stage_weight * telling

    def _of_stages(
        self, logits: torch.Tensor, batch: PaperBatch, valid: torch.Tensor
    ) -> torch.Tensor:
        """By one sigmoid a stage; by softmax where only the order of stages is known."""
        if self.aligner is None:
            code = batch.code.to(logits.device)
            known = (code != UNKNOWN) & valid
            if not known.any():
                return logits.sum() * 0.0
            target = functional.one_hot(code[known], logits.shape[2]).float()
            return functional.binary_cross_entropy_with_logits(logits[known], target)
        log_probs = logits.log_softmax(2)
        if batch.whole:
            target = self.aligner.targets(log_probs, valid, batch.which)
        else:
            target = torch.zeros_like(log_probs)
            for row, (number, begin) in enumerate(zip(batch.which, batch.begin, strict=True)):
                told, frames = self.aligner.recall(int(number)), int(batch.valid[row].sum())
                if told is not None:
                    target[row, :frames] = torch.from_numpy(told[begin : begin + frames])
        return -(target * log_probs).sum() / target.sum().clamp_min(1e-6)

    def score(self, network: torch.nn.Module) -> float | None:
        """Macro-F1 of the frames that were held out; after alignment if that is learned from."""
        if self.held_out is None:
            return None
        assert isinstance(network, PaperNetwork)
        told = tell_sequences(network, self.held_out, self.settings.batch)
        code = told.argmax(1)
        if self.aligner is not None:
            for path in self.held_out.paths:
                log_probs = torch.from_numpy(np.log(told[path] + 1e-12))[None]
                valid = torch.ones(1, len(path), dtype=torch.bool)
                code[path] = self.aligner.decode(log_probs, valid)[0]
        known = self.held_out.code != UNKNOWN
        return macro_f1(self.held_out.code[known], code[known], len(self.held_out.stages))


def stack(
    sequences: CellSequences, rows: list[np.ndarray], size: int
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """Images and masks (b, t, size, size), codes and validity (b, t), padded at the ends.

    Larger crops are shrunk.
    """
    longest = max(map(len, rows))
    valid = torch.stack([torch.arange(longest) < len(own) for own in rows])
    padded = np.stack([np.r_[own, np.full(longest - len(own), own[-1])] for own in rows])
    code = torch.from_numpy(sequences.code[padded]).long()

    def fitted(values: np.ndarray) -> torch.Tensor:
        found = torch.from_numpy(values[padded]).float()
        if found.shape[-1] == size:
            return found
        return functional.interpolate(found, size=(size, size), mode="area")

    masks = None if sequences.masks is None else fitted(sequences.masks)
    return fitted(sequences.images), masks, code, valid


def tell_sequences(network: PaperNetwork, sequences: CellSequences, batch: int = 4) -> np.ndarray:
    """Probabilities (n, S) of all crops of some sequences, float32."""
    _check_size(sequences, network.size)
    result = np.zeros((len(sequences.images), len(sequences.stages)), np.float32)
    device = device_of(network)
    with torch.inference_mode():
        for start in range(0, len(sequences), batch):
            rows = list(sequences.paths[start : start + batch])
            images, _, _, valid = stack(sequences, rows, network.size)
            seen, _ = in_parts(images.to(device))
            told = network.probabilities(network(seen, valid.to(device)).stages).cpu().numpy()
            for own, values in zip(rows, told, strict=True):
                result[own] = values[: len(own)]
    return result


def train_paper_rnn(
    learned: CellSequences,
    fit_settings: FitSettings = FIT,
    settings: PaperTraining | None = None,
    *,
    start: Mapping[str, torch.Tensor] | None = None,
    held_out: CellSequences | None = None,
    aligner: Aligner | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[PaperNetwork, list[Epoch], np.ndarray]:
    """Train the published network; with an `aligner` on the order of stages alone.

    `start` are weights to begin with. Also gives the losses of the drawing and of the stages in
    each step, (steps, 2). Raises `BadInput` if the crops are too small, or show one stage only.
    """
    settings = settings or PaperTraining()
    torch.manual_seed(fit_settings.seed)
    network = PaperNetwork(
        len(learned.stages), settings.hidden, settings.width, settings.size, aligner is not None
    )
    if start is not None:
        network.load_state_dict(start)
    elif settings.he:
        _begin(network)
    if aligner is not None:
        network.add_module("aligner", aligner)  # so that a checkpoint keeps its averages
    network.to(device or torch.device("cpu"))
    task = PaperTask(learned, settings, held_out, aligner)
    fall = settings.second_step * (2 if settings.windows else 1)
    history = fit(
        network,
        task,
        fit_settings,
        optimiser=lambda trained: SecondRateAdagrad(
            trained, fit_settings, fall, settings.second_rate
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    if aligner is not None:
        del network.aligner
    return network, history, np.array(task.losses).reshape(-1, 2)


def card_settings(network: PaperNetwork, learned: CellSequences, settings: PaperTraining) -> Any:
    """What the card of a trained network has to hold for it to be built again."""
    shape = {name: getattr(settings, name) for name in ("hidden", "width", "size", "side", "unit")}
    return {"stages": stages_to_json(learned.stages), **shape, "weak": network.weak}


def _check_size(sequences: CellSequences, size: int) -> None:
    if sequences.images.shape[-1] < size:
        raise BadInput(
            f"The crops are {sequences.images.shape[-1]} pixels wide, but the network looks at "
            f"{size}; cut larger crops, or train a network with a smaller size."
        )


def _begin(network: PaperNetwork) -> None:
    """Draw the weights of convolutions and dense layers by He's rule.

    There is no normalisation in the network: with weights as torch draws them, next to nothing
    of a crop reaches the classifier at first, and learning begins late.
    """
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _turn(frames: torch.Tensor, quarters: int, flip: bool) -> torch.Tensor:
    """One of the eight symmetries of a square, the same for all frames (t, y, x)."""
    turned = torch.rot90(frames, quarters, (1, 2))
    return turned.flip(2) if flip else turned.clone()
