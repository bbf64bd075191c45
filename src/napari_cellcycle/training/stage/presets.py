"""Ways to train a stage model, by name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_cellcycle.data.stages import H2B, NUCLEUS
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import choose_device, plain
from napari_cellcycle.models.stage.model import (
    CLASSIFIER,
    FRAME,
    MEASURED,
    PAPER,
    RECURRENT,
    RESNET,
)
from napari_cellcycle.models.stage.model import NUCLEUS as NUCLEUS_KIND
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.stage.preset import StageLearned, StageLesson, StagePreset


def train_rnn(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train our recurrent network, on stages or on their order alone."""
    from napari_cellcycle.training.stage.by_order import train_by_order
    from napari_cellcycle.training.stage.recurrent import (
        SMOOTHING,
        RecurrentSettings,
        network_of,
        tell,
        train_recurrent,
    )
    from napari_cellcycle.training.stage.sequences import simulated_sequences

    shape, device, start = RecurrentSettings(), choose_device(lesson.device), None
    if lesson.start is not None:
        sizes = {n: v for n, v in lesson.start.card.settings.items() if n in shape.model_fields}
        shape, start = RecurrentSettings(**sizes), lesson.start.weights()
    known: dict[str, Any] = {
        "shape": shape,
        "start": start,
        "held_out": lesson.held_out,
        "checkpoint": lesson.checkpoint,
        "device": device,
        "progress": progress,
    }
    if lesson.aligner is not None:
        network, history = train_by_order(lesson.learned, lesson.aligner, lesson.settings, **known)
    else:
        sources, shares = [lesson.learned], [1.0]
        if lesson.simulated:
            sources.append(simulated_sequences(lesson.seeds, progress=progress))
            shares = [0.7, 0.3]
        network, history = train_recurrent(sources, shares, lesson.settings, **known)
    told = before = None
    if lesson.held_out is not None:
        told = tell(network, lesson.held_out, shape)
        if start is not None:
            former = network_of(len(lesson.stages), shape)
            former.load_state_dict(start)
            before = tell(former.to(device).eval(), lesson.held_out, shape)
    settings = {"stages": stages_to_json(lesson.stages), "smoothing": SMOOTHING}
    settings |= shape.model_dump()
    return StageLearned(plain(network.state_dict()), settings, history, told, before)


def train_paper(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train the published recurrent network, on stages or on their order alone."""
    from napari_cellcycle.models.stage.paper_rnn import PaperNetwork
    from napari_cellcycle.training.stage.paper_rnn import (
        PaperTraining,
        card_settings,
        tell_sequences,
        train_paper_rnn,
    )

    training, device, start = PaperTraining(), choose_device(lesson.device), None
    if lesson.start is not None:
        known = lesson.start.card.settings
        names = [name for name in ("hidden", "width", "size", "side", "unit") if name in known]
        training = PaperTraining(**{name: known[name] for name in names})
        start = lesson.start.weights()
    network, history, _ = train_paper_rnn(
        lesson.learned,
        lesson.settings,
        training,
        start=start,
        held_out=lesson.held_out,
        aligner=lesson.aligner,
        checkpoint=lesson.checkpoint,
        device=device,
        progress=progress,
    )
    told = before = None
    if lesson.held_out is not None:
        told = tell_sequences(network, lesson.held_out)
        if lesson.start is not None and start is not None:
            weak = bool(lesson.start.card.settings["weak"])
            shape = (training.hidden, training.width, training.size)
            former = PaperNetwork(len(lesson.stages), *shape, weak)
            former.load_state_dict(start)
            before = tell_sequences(former.to(device).eval(), lesson.held_out)
    return StageLearned(
        plain(network.state_dict()),
        card_settings(network, lesson.learned, training),
        history,
        told,
        before,
    )


def train_frame(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train the frame network."""
    from napari_cellcycle.models.stage.frame import FrameNetwork, predict
    from napari_cellcycle.training.stage.crop_examples import simulated_examples
    from napari_cellcycle.training.stage.frame import (
        VIEWS,
        WIDTH,
        card_settings,
        train_network,
        widened,
    )

    device = choose_device(lesson.device)
    start, width, levels, had = None, WIDTH, True, 1
    channels = 1 if lesson.learned.images.ndim == 3 else lesson.learned.images.shape[1]
    if lesson.start is not None:
        start, known = lesson.start.weights(), lesson.start.card.settings
        width, levels = int(known["width"]), bool(known.get("levels", False))
        had = int(known.get("channels", 1))
        if had not in (1, channels):
            raise BadInput(
                f"The model to begin with looks at {had} channels, but the crops have {channels}: "
                "name as many with --channel, or choose --start none."
            )
    simulated = None
    if lesson.simulated:
        simulated = simulated_examples(lesson.seeds, progress=progress)
    network, history = train_network(
        lesson.learned,
        simulated,
        lesson.settings,
        width=width,
        levels=levels,
        start=start if start is None or had == channels else widened(start, channels),
        held_out=lesson.held_out,
        checkpoint=lesson.checkpoint,
        device=device,
        progress=progress,
    )
    told = before = None
    if lesson.held_out is not None:
        windows = lesson.held_out.windows()
        told = predict(network, windows, views=VIEWS)
        if start is not None:
            former = FrameNetwork(len(lesson.stages), width, channels=had, levels=levels)
            former.load_state_dict(start)
            seen = windows if had == channels else np.ascontiguousarray(windows[:, 0])
            before = predict(former.to(device).eval(), seen, views=VIEWS)
    settings = card_settings(lesson.stages, width, channels, levels)
    return StageLearned(plain(network.state_dict()), settings, history, told, before)


def train_measured(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train small networks on what is measured of crops."""
    from napari_cellcycle.models.rank_net import tell
    from napari_cellcycle.training.stage import measured

    if lesson.start is not None:
        raise BadInput(
            "A measured model learns in seconds and is not taught further: choose --start none, "
            "and name everything that it is to learn from."
        )
    channels = 1 if lesson.learned.images.ndim == 3 else lesson.learned.images.shape[1]
    held_out = None
    if lesson.held_out is not None:
        held_out = measured.measured(lesson.held_out, progress)
    network, history = measured.train_measured(
        measured.measured(lesson.learned, progress),
        len(lesson.stages),
        lesson.settings,
        held_out=held_out,
        checkpoint=lesson.checkpoint,
        progress=progress,
    )
    told = None if held_out is None else tell(network, held_out.traits)
    settings = measured.card_settings(network, lesson.stages, channels)
    return StageLearned(dict(network.state_dict()), settings, history, told)


def train_resnet18(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train the published baseline on single images."""
    from napari_cellcycle.models.stage.resnet import ResNetClassifier, predict
    from napari_cellcycle.training.stage.resnet import ResNetTraining, card_settings, train_resnet

    training, device, start = ResNetTraining(), choose_device(lesson.device), None
    if lesson.start is not None:
        known, start = lesson.start.card.settings, lesson.start.weights()
        names = ("width", "classes", "size", "side", "unit")
        training = ResNetTraining(**{name: known[name] for name in names})
    network, history = train_resnet(
        lesson.learned,
        lesson.settings,
        training,
        start=start,
        held_out=lesson.held_out,
        checkpoint=lesson.checkpoint,
        device=device,
        progress=progress,
    )
    told = before = None
    if lesson.held_out is not None:
        told = predict(network, lesson.held_out.images, device)
        if start is not None:
            shape = (training.width, training.classes, training.size)
            former = ResNetClassifier(len(lesson.stages), *shape)
            former.load_state_dict(start)
            before = predict(former.to(device).eval(), lesson.held_out.images, device)
    settings = card_settings(lesson.stages, training)
    return StageLearned(plain(network.state_dict()), settings, history, told, before)


def train_cell_classifier(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
    """Train the published crop classifier."""
    from napari_cellcycle.models.stage.cell_classifier import CellClassifier, predict
    from napari_cellcycle.training.stage.cell_classifier import train_classifier

    device = choose_device(lesson.device)
    start = None if lesson.start is None else lesson.start.weights()
    network, history = train_classifier(
        lesson.learned,
        lesson.settings,
        start=start,
        held_out=lesson.held_out,
        checkpoint=lesson.checkpoint,
        device=device,
        progress=progress,
    )
    told = before = None
    if lesson.held_out is not None:
        told = predict(network, lesson.held_out.images, device)
        if start is not None:
            former = CellClassifier(len(lesson.stages)).to(device)
            former.load_state_dict(start)
            before = predict(former.eval(), lesson.held_out.images, device)
    return StageLearned(
        plain(network.state_dict()),
        {"stages": stages_to_json(lesson.stages)},
        history,
        told,
        before,
    )


def nucleus_trainer(name: str) -> Callable[[StageLesson, Progress], StageLearned]:
    """Trainer of one network of the nucleus family."""

    def train(lesson: StageLesson, progress: Progress = silent) -> StageLearned:
        from napari_cellcycle.models.stage.nucleus.networks import build
        from napari_cellcycle.training.stage.nucleus import TRAININGS, outputs, train_nucleus
        from napari_cellcycle.training.stage.nucleus_examples import simulated_examples

        device = choose_device(lesson.device)
        settings = TRAININGS[name].model_copy(update={"fit": lesson.settings})
        learned = [lesson.learned]
        if lesson.simulated:
            learned = [_together(lesson, simulated_examples(lesson.seeds, settings.preset))]
        start = None if lesson.start is None else lesson.start.weights()
        state, card, history = train_nucleus(
            learned,
            settings,
            start=start,
            held_out=() if lesson.held_out is None else lesson.held_out,
            checkpoint=lesson.checkpoint,
            device=device,
            progress=progress,
        )
        told = []
        if lesson.held_out is not None:
            for weights in [state] if start is None else [state, start]:
                network = build(settings.preset, len(lesson.stages))
                network.load_state_dict(weights)
                logits = outputs(network.to(device).eval(), lesson.held_out.samples)
                told.append(logits.softmax(1).numpy())
        return StageLearned(state, card, history, *told)

    return train


def _together(lesson: StageLesson, simulated: Any) -> Any:
    """What is learned from, with simulated samples: volumes and flat ones do not mix."""
    from napari_cellcycle.training.stage.nucleus_examples import join

    if simulated.samples.shape[1:] != lesson.learned.samples.shape[1:]:
        raise BadInput(
            "Simulated embryos are volumes, but these samples are flat, and both cannot be "
            "learned from at once: leave out --simulated."
        )
    return join([lesson.learned, simulated])


def _presets() -> dict[str, StagePreset]:
    from napari_cellcycle.training.stage import (
        cell_classifier,
        frame,
        measured,
        nucleus,
        paper_rnn,
        recurrent,
        resnet,
    )

    presets = {
        "rnn": StagePreset(
            train_rnn,
            "sequences",
            RECURRENT,
            "Stage of a cell from its whole life.",
            recurrent.FIT,
            start="rnn",
            window=(2.4, 64),
            simulates=H2B,
            learns_order=True,
        ),
        "rnn-paper": StagePreset(
            train_paper,
            "sequences",
            PAPER,
            "Stage of a cell from its past: the published recurrent network.",
            paper_rnn.FIT,
            window=(2.4, 96),
            learns_order=True,
        ),
        "frame": StagePreset(
            train_frame,
            "crops",
            FRAME,
            "Stage of a cell from one image of it.",
            frame.OWN_FIT,
            start="frame",
            window=(2.1, 84),
            simulates=H2B,
        ),
        "measured": StagePreset(
            train_measured,
            "crops",
            MEASURED,
            "Stage of a cell from what is measured of one image of it.",
            measured.FIT_CROPS,
            window=measured.CUT,
        ),
        "resnet18": StagePreset(
            train_resnet18,
            "crops",
            RESNET,
            "Stage of a cell from one image of it: the published ResNet-18 baseline.",
            resnet.FIT,
            window=(2.4, 96),
        ),
        "cell-classifier": StagePreset(
            train_cell_classifier,
            "colour crops",
            CLASSIFIER,
            "Class of a cell from one image of it: the published crop classifier.",
            cell_classifier.FIT,
        ),
    }
    for name, training in nucleus.TRAININGS.items():
        presets[name] = StagePreset(
            nucleus_trainer(name),
            "nuclei",
            NUCLEUS_KIND,
            "State of a nucleus (stable, about to divide, just born, dying) in a volume.",
            training.fit,
            start="nucleus" if name == "nucleus" else None,
            simulates=NUCLEUS,
            extra={"preset": training.preset},
        )
    return presets


PRESETS: dict[str, StagePreset] = _presets()
"""Every way to train, by its name on the command line."""
