"""The sample movies that come with the package, and the truth about them."""

from pathlib import Path

from napari_cellcycle.errors import BadInput

FOLDER = Path(__file__).parent.parent / "sample_data"


def sample_names() -> list[str]:
    """Names of the sample movies, 2D first."""
    return [path.name.removesuffix(".ome.tif") for path in sorted(FOLDER.glob("*.ome.tif"))]


def sample_path(name: str = "nuclei_2d") -> Path:
    """The OME-TIFF file of a sample movie; `NAME_GT/TRA` beside it holds the truth.

    Raises `BadInput` if there is no such sample.
    """
    path = FOLDER / f"{name}.ome.tif"
    if not path.is_file():
        raise BadInput(
            f"There is no sample movie {name!r}; choose one of {', '.join(sample_names())}."
        )
    return path
