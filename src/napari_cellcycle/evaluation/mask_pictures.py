"""Pictures of where masks agree with the truth, as label images in files."""

from pathlib import Path

from napari_cellcycle.evaluation.mask_comparison import MaskComparison
from napari_cellcycle.evaluation.mask_files import MaskImages
from napari_cellcycle.io.frames import write_plane
from napari_cellcycle.io.storage import NOTHING, replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress


def write_pictures(
    comparison: MaskComparison, masks: MaskImages, folder: Path, progress: Progress = silent
) -> None:
    """Write NAME.tif of each image compared: 1 where a mask is right, 2 false, 3 a cell missed.

    Raises `CannotWrite` if `folder` holds anything, which is then as it was, or the disk refuses.
    """
    images = comparison.images
    with writing_to(folder), replaced_folder(folder, own=NOTHING) as draft:
        for image in track_progress(images, len(images), progress, "Writing pictures"):
            codes = image.verdict.codes(masks.read(image.row), image.truth())
            write_plane(draft / f"{image.name}.tif", codes)
