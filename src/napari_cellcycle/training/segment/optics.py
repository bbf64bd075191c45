"""Images of unstained cells, made of fluorescent ones: brightness taken for thickness."""

import numpy as np


def other_optics(image: np.ndarray, size_px: float, rng: np.random.Generator) -> np.ndarray:
    """A stretched image (Y, X) as transmitted light, phase contrast or DIC might show it.

    Brightness stands for how much thicker a cell is than its surroundings. Transmitted light
    loses some of it in cells; phase contrast shows it without its wide mean, which leaves halos,
    as dark on bright or bright on dark; DIC shows its slope along one direction. Stretched to
    about 0 to 1 again. `size_px` is the cells' diameter in pixels.
    """
    import cv2

    thickness = np.sqrt(np.clip(image, 0, 1.5))
    kind = rng.integers(3)
    sign = 1 if rng.random() < 0.5 else -1
    if kind == 0:
        shown = -thickness
    elif kind == 1:
        wide = cv2.GaussianBlur(thickness, (0, 0), size_px * rng.uniform(0.25, 0.6))
        shown = sign * (thickness - rng.uniform(0.6, 1.0) * wide)
    else:
        smooth = cv2.GaussianBlur(thickness, (0, 0), size_px * rng.uniform(0.02, 0.06))
        angle = rng.uniform(0, 2 * np.pi)
        slope_y, slope_x = np.gradient(smooth)
        shown = np.sin(angle) * slope_y + np.cos(angle) * slope_x
    shown = shown + rng.normal(0, 0.05 * shown.std(), shown.shape)
    low, high = np.percentile(shown, [1, 99])
    return np.asarray((shown - low) / max(high - low, 1e-6), np.float32)
