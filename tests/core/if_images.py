"""Small coloured images of ellipses with red fibres, annotated as X-AnyLabeling would."""

import numpy as np

from napari_cellcycle.io.labelme import LabelledImage, labelled_image

FIBROUS, PLAIN = "Fibrous", "Plain"
TINY_QUERIES = {
    "channels": 3,
    "widths": [4, 6, 8, 8],
    "features": 8,
    "scale": 1.0,
    "diameter_px": 18.0,
    "search": {"threshold": 0.5, "smoothing": 1.0, "radius": 4.0},
}
"""Settings of a query model that is made in no time."""


def annotated_image(
    number: int, size: tuple[int, int] = (120, 160), cells: int = 5, name: str = ""
) -> LabelledImage:
    """Blue nuclei of about 18 pixels; those of class `FIBROUS` lie on red stripes."""
    import cv2

    rng = np.random.default_rng(number)
    masks = np.zeros(size, np.int32)
    image = rng.normal(12, 2, (3, *size))
    labels = {}
    while len(labels) < cells:
        y, x = rng.uniform((8, 8), (size[0] - 8, size[1] - 8))
        drawn = np.zeros(size, np.uint8)
        axes = (int(rng.integers(9, 12)), int(rng.integers(7, 9)))
        cv2.ellipse(drawn, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        near = cv2.dilate(drawn, np.ones((3, 3), np.uint8)) > 0
        if masks[near].any():
            continue
        number_ = len(labels) + 1
        labels[number_] = FIBROUS if rng.random() < 0.5 else PLAIN
        masks[drawn > 0] = number_
        if labels[number_] == FIBROUS:
            around = cv2.dilate(drawn, np.ones((15, 15), np.uint8)) > 0
            image[0][around & (np.indices(size)[0] % 4 < 2)] += 120
    image[1:, masks > 0] += 110
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    return labelled_image(pixels, masks, labels, name or f"{number:04d}.png")
