"""The settings of every step: validated, documented, and saved with the results."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of all settings: immutable, and strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SegmentSettings(Settings):
    """How cells are found in each frame."""

    model: str = Field(
        "cellcycle-nuclei",
        description="Shipped network, 'threshold' (no network), a Cellpose model, or a model file",
    )
    channel: str | None = Field(None, description="Channel that shows the cells; empty: the first")
    diameter: float | None = Field(
        None,
        gt=0,
        title="Cell diameter",
        description="Typical cell diameter in micrometres; empty: found by itself",
    )
    cell_threshold: float = Field(
        0.0,
        ge=-6,
        le=6,
        title="Cell threshold",
        description="Raise this if background is taken for cells, lower it for dim cells",
    )
    flow_threshold: float = Field(
        0.4,
        ge=0,
        le=3,
        title="Shape tolerance",
        description="Lower this to drop oddly shaped masks; 0 keeps every mask",
    )
    min_diameter: float = Field(
        0.2,
        ge=0,
        le=1,
        title="Smallest cell",
        description="Masks below this fraction of the typical diameter are dropped",
    )
    point_threshold: Probability | None = Field(
        None,
        title="Least chance",
        description="Query models: least value of the map at a cell; empty: as the model learned",
    )
    point_smoothing: float | None = Field(
        None,
        ge=0,
        le=20,
        title="Smoothing",
        description=(
            "Query models: how far the map is smoothed, in its pixels; raise it if cells are found "
            "twice; empty: as the model learned"
        ),
    )
    point_radius: float | None = Field(
        None,
        gt=0,
        le=100,
        title="Least distance",
        description=(
            "Query models: how far cells are apart at least, in pixels of the map; empty: as the "
            "model learned"
        ),
    )
    max_diameter: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Largest cell",
        description="Masks above this multiple of the typical diameter are dropped; 0: no limit",
    )
    drop_at_edge: bool = Field(
        False,
        title="Drop cut cells",
        description="Drop the cells that the edge of the image cuts",
    )
    drop_flicker: bool = Field(
        False,
        title="Drop one-frame objects",
        description="Drop what overlaps with nothing in the frame before and in the frame after",
    )
    fill_flicker: bool = Field(
        False,
        title="Fill one-frame holes",
        description="Draw cells that are missing for one frame where both frames around agree",
    )
    first_frame: int = Field(
        0, ge=0, title="First frame", description="Frames before this one are left empty"
    )
    frame_count: int = Field(
        0,
        ge=0,
        title="Number of frames",
        description="Frames from there on; those after are left empty; 0: all that follow",
    )
    tile: int = Field(
        1024,
        ge=128,
        le=4096,
        title="Tile side",
        description="Largest side, in pixels, computed at once",
    )
    batch_size: int = Field(4, ge=1, le=64, description="Tiles computed together")


class TrackSettings(Settings):
    """How cells are linked over time."""

    model: str = Field("cellcycle-links", description="Shipped link model, or a model file")
    max_distance: float | None = Field(
        None,
        gt=0,
        title="Farthest move",
        description="Farthest a cell moves between frames, in micrometres; empty: from cell size",
    )
    max_gap: int = Field(
        3,
        ge=1,
        le=5,
        title="Longest gap",
        description="Most frames between two sightings of a cell; 1: it is seen in every frame",
    )
    fill_gaps: bool = Field(
        True,
        title="Fill gaps",
        description="Draw the cells that were missed for up to that long, between the masks around",
    )
    min_score: Probability = Field(
        0.3, title="Least trust in a link", description="Links the model trusts less are never kept"
    )
    division_cost: Probability = Field(
        0.1, title="Caution with divisions", description="Raise this if there are false divisions"
    )
    min_generation: int = Field(
        3,
        ge=0,
        le=1000,
        title="Shortest generation",
        description="Fewest frames that a cell is seen from its birth to its division; 0: no limit",
    )
    min_track: int = Field(
        1,
        ge=1,
        le=1000,
        title="Shortest track",
        description="Tracks of fewer frames are dropped, unless they are part of a larger lineage",
    )


class ClassifySettings(Settings):
    """How each cell gets its stage."""

    model: str = Field("rnn", description="Shipped stage model, or a model file")
    channel: str | None = Field(
        None,
        description="Channel that shows the cells; empty: that of segmenting, else the first",
    )
    batch_size: int = Field(256, ge=1, le=4096, description="Cells computed together")
    smoothing: Probability | None = Field(
        None,
        title="Smoothing over time",
        description=(
            "How much the order and length of stages may overrule what is seen in a frame; "
            "empty: as suits the model"
        ),
    )


class ExtractSettings(Settings):
    """What is written of each nucleus."""

    timeframe: int = Field(1, ge=1, description="Frames before and after that are written")
    padding: float = Field(2.0, ge=1, description="Size of the box in sizes of the nucleus")
    cube: int = Field(0, ge=0, description="Side of a fixed cube in voxels instead; 0: none")
    max_samples: int = Field(0, ge=0, description="Most samples of each class; 0: all")
    seed: int = Field(0, ge=0, description="Chooses which, where there are more")


class RunSettings(Settings):
    """The settings of all three steps, in their order."""

    segment: SegmentSettings = SegmentSettings()
    track: TrackSettings = TrackSettings()
    classify: ClassifySettings = ClassifySettings()


class ComputeSettings(Settings):
    """Where and with how much memory steps are computed."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Graphics card if there is one ('auto'), or a fixed choice"
    )
    memory_gb: float | None = Field(
        None, gt=0, description="Most memory a job may take, in GB; empty: three quarters of it"
    )
    model_folder: str | None = Field(
        None, description="Folder of your own models; empty: the usual place"
    )


class SimulateSettings(Settings):
    """What a simulated movie shows."""

    ndim: Literal[2, 3] = Field(2, description="2 for images, 3 for volumes")
    seed: int = Field(0, ge=0, description="The same seed gives the same movie")
    frames: int = Field(30, ge=1, description="Number of frames")
    size: int = Field(512, ge=32, description="Height and width in pixels")
    planes: int = Field(16, ge=1, description="Planes of a volume; ignored in 2D")
    cells: int = Field(40, ge=1, description="Cells in the first frame")
    pixel_size: float = Field(0.65, gt=0, description="Micrometres per pixel in y and x")
    plane_spacing: float = Field(2.0, gt=0, description="Micrometres between planes; ignored in 2D")
    frame_interval: float = Field(300.0, gt=0, description="Seconds between frames")
    nucleus_diameter: float = Field(
        14.0, gt=0, description="Interphase nucleus diameter in micrometres"
    )
    cycle_hours: float = Field(20.0, gt=0, description="Mean time from birth to division, in hours")
    death_rate: Probability = Field(0.02, description="Share of cells that die instead of dividing")
    cycle_spread: float = Field(0.15, ge=0, le=1, description="Relative spread of that time")
    mitosis_stretch: float = Field(
        1.0, gt=0, le=20, description="How much longer than in HeLa cells mitosis and dying last"
    )
    size_spread: float = Field(0.12, ge=0, le=0.6, description="Relative spread of nucleus size")
    elongation: float = Field(1.35, ge=1, le=3, description="Mean length-to-width of a nucleus")
    irregularity: Probability = Field(0.25, description="How far outlines are from ellipses")
    texture: Probability = Field(0.35, description="Contrast of chromatin in interphase")
    dome: Probability = Field(
        0.5, description="How much nuclei fade towards their rim, as in a widefield image; 2D only"
    )
    speed: float = Field(6.0, ge=0, description="Migration speed in micrometres per hour")
    persistence: float = Field(1.0, gt=0, description="Hours for which a cell keeps its direction")
    clustering: Probability = Field(0.4, description="Share of the first cells that sit in clumps")
    spacing: float = Field(
        1.0, ge=0.5, le=3, description="Distance that cells keep, in diameters; below 1 they touch"
    )
    brightness: float = Field(400.0, gt=0, description="Interphase signal above background")
    brightness_spread: float = Field(
        0.5,
        ge=0,
        le=1.5,
        description="Spread of brightness between cells (standard deviation, log)",
    )
    background: float = Field(300.0, ge=0, description="Camera value where there is no cell")
    read_noise: float = Field(10.0, ge=0, description="Standard deviation of the camera's noise")
    gain: float = Field(1.0, ge=0, description="Camera value per photon: sets the shot noise")
    grain: float = Field(0.0, ge=0, le=2, description="Width of correlated noise, in pixels")
    jitter: float = Field(
        0.2, ge=0, description="Error of the stage from frame to frame, in micrometres"
    )
    blur: float = Field(0.5, ge=0, description="Width of the in-plane blur, in micrometres (sigma)")
    axial_blur: float = Field(1.5, ge=0, description="Width of the blur in z, in micrometres")
    haze: Probability = Field(0.05, description="Share of light scattered widely around cells")
    bleaching: Probability = Field(0.1, description="Share of brightness lost until the last frame")
    uneven_light: Probability = Field(0.15, description="Loss of illumination in the corners")
    defocus: Probability = Field(0.05, description="Share of cells that lie out of focus")
    debris: int = Field(3, ge=0, description="Specks in the first frame that are no cells")
