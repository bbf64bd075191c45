"""How segmentation networks learn."""
