"""Stage models: what tells the stage of a cell from how it looks."""
