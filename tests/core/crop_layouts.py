"""Folders of crops in the published layouts, with tiny cells."""

import numpy as np
from skimage.io import imsave


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, image, check_contrast=False)


def write_track(folder, frames, mask_value=1, name="Raw_{:03d}.png"):
    """A track of crops whose cell is a square; the frame number is its brightness."""
    for time in range(frames):
        image, mask = np.zeros((2, 12, 12), np.uint8)
        image[4:8, 4:8], mask[4:8, 4:8] = 10 + time, mask_value
        write(folder / "Raw" / name.format(time), image)
        write(folder / "Mask" / name.format(time).replace("Raw", "Mask"), mask)
    (folder / "Raw" / "._Raw_000.png").write_bytes(b"not an image")
    (folder / "Mask" / "._Mask_000.png").write_bytes(b"not an image")


def live_cell(root, name="cell_01", text="1;1;2;2;3;3;3;3", frames=8, **more):
    write_track(root / name, frames, **more)
    (root / name / f"{name}_Synchronization.csv").write_text(f"9;9\tolder\n{text}\tx\n")
    return root


def zhong(root, name="P0001_T1__B01", text="1,1,2,3,4,5,6,1", frames=8, twin=True):
    write_track(root / name, frames)
    (root / name / f"{name}_ManualStages.txt").write_text(text + "\n")
    if twin:
        write_track(root / name.replace("B01", "B02"), frames)
    return root
