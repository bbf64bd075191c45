"""Score cells found as points in immunofluorescence images, ours beside the published network.

    python benchmarks/if_cells.py --labels FOLDER [--split split.csv] [--part validation]
        [--weights FOLDER] [--train] [--presets default paper] [--epochs N] [--kind-epochs N]

FOLDER holds annotations as X-AnyLabeling saves them, one JSON file an image. Prints a Markdown
table: found, false and missed cells, how many classes are right, and recall, precision and
accuracy with their 95 % intervals (Wilson 1927), by the published protocol: the surest point
first, a point whose integer pixel lies in a mask not taken before it finds that cell. Cells of
the class PartiallydifferentiatedMSC are to be found, but their class is not judged.

With --train, what is not in --weights yet is trained into it: on the images that the split calls
train, the epoch chosen by those called validation. Without --split, images are dealt as
published (seed 0); --part all scores every image of the folder. One core is used.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from napari_cellcycle.evaluation.labelled_cells import score_labelled, table, total
from napari_cellcycle.io.labelme import read_folder
from napari_cellcycle.models.segment.query.finder import finder_of
from napari_cellcycle.training.segment.query.own import QueryLessonSettings, teach_queries
from napari_cellcycle.training.segment.query.split import PARTS, parts_of

IGNORED = ("PartiallydifferentiatedMSC",)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = _parser().parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    images = read_folder(given.labels)
    parts = parts_of(images, given.split)
    rows = []
    for preset in given.presets:
        name = f"if-cells-{preset}"
        model, kinds = (given.weights / f"{n}.safetensors" for n in (name, f"{name}-kinds"))
        if given.train and not (model.exists() and kinds.exists()):
            settings = QueryLessonSettings(
                preset=preset, epochs=given.epochs, kind_epochs=given.kind_epochs, ignored=IGNORED
            )
            teach_queries(
                name,
                images,
                parts,
                given.weights,
                settings,
                device=given.device,
                resume=True,
                progress=_shown(name),
            )
        find = finder_of(str(model), str(kinds), device="cpu")
        scored_images = [
            image for image in images if given.part in ("all", parts.get(Path(image.path).name))
        ]
        start = time.process_time()
        score = total(score_labelled(scored_images, find, progress=_shown(name)))
        seconds = (time.process_time() - start) / max(1, len(scored_images))
        rows.append((f"{preset} ({seconds:.1f} s an image)", score))
    print(table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--split", type=Path)
    parser.add_argument("--part", choices=[*PARTS, "all"], default="validation")
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(platformdirs.user_cache_dir("napari-cellcycle")) / "benchmark",
    )
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--presets", nargs="+", default=["default", "paper"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--kind-epochs", type=int)
    parser.add_argument("--device", default="cpu", help="where --train trains, such as cuda")
    return parser


def _shown(name: str):
    from tqdm import tqdm

    bar = tqdm(desc=name, leave=False)

    def progress(done: int, total: int, message: str = "") -> None:
        bar.total, bar.n = total, done
        bar.set_postfix_str(message)

    return progress


if __name__ == "__main__":
    main()
