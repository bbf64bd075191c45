"""What looks wrong in tracks, masks and stages, and how it could be mended."""
