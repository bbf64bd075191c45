"""Cellpose, versions 3 and 4: any of its own models, or a model file."""

import copy
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.errors import BadInput, MissingModel, OutOfMemory, is_out_of_memory
from napari_cellcycle.models.segment.diameter import guess_diameter
from napari_cellcycle.models.segment.dynamics import tidy
from napari_cellcycle.models.segment.normalise import Levels, diameters_px, stretch
from napari_cellcycle.models.segment.planes import LEAST_OVERLAP
from napari_cellcycle.models.segment.quiet import cellpose_module

if TYPE_CHECKING:
    import torch

PREFIX = "cellpose:"
VERSION_3 = (
    "cyto3", "nuclei", "cyto2", "cyto", "CPx", "cyto2_cp3", "tissuenet_cp3", "livecell_cp3",
    "yeast_PhC_cp3", "yeast_BF_cp3", "bact_phase_cp3", "bact_fluor_cp3", "deepbacs_cp3",
)  # fmt: skip
VERSION_4 = ("cpsam", "cpsam_v2", "cpdino", "cpdino-vitb")
DIAMETER_PX = 30.0
"""Diameter of cells at which Cellpose's networks work, unless their file tells another."""
MOST_CHANNELS = 2
"""Channels that a network of version 3 may look at: one, or the cells' and the nuclei's."""
WIDTHS = (32, 64, 128, 256)
"""Channels at each level of the networks of version 3."""
CUBIC = 1.5
"""Largest ratio of plane spacing to pixel size at which voxels count as cubic."""
LEAST_SIDE_PX = 16
"""Images are continued to at least so many pixels: Cellpose takes a short side for channels."""
PATIENCE_SECONDS = 5.0
_SHIPPED = "choose the shipped model 'cellcycle-nuclei', which needs no download"


def is_cellpose(name: str) -> bool:
    """Whether `name` is for Cellpose: one of its models, `cellpose:...`, or another file."""
    if name.startswith(PREFIX) or name in VERSION_3 or name in VERSION_4:
        return True
    path = Path(name)
    return path.suffix != ".safetensors" and path.is_file()


class CellposeSegmenter:
    """Segments with Cellpose, which tiles images by itself.

    A volume with nearly cubic voxels is segmented from flows in all three directions, any other
    plane by plane with masks joined over planes. Brightness is stretched from the 1st to the 99th
    percentile, as Cellpose does, but whatever its unit. A network that looks at two channels is
    given an empty second one; images are not restored first.

    Parameters
    ----------
    name
        "cyto3", "cellpose:cyto3", "cellpose:/path/to/file", "/path/to/file", ...
    device
        Where the network runs. Falls back to the CPU when memory does not suffice.
    """

    def __init__(self, name: str, device: "torch.device") -> None:
        self.name = name
        self.takes_levels = True
        self.device = device
        self.major = int(version("cellpose").split(".")[0])
        self._path = _weights(name.removeprefix(PREFIX), self.major)
        self._taught: torch.nn.Module | None = None
        self._model = self._open()
        self._batch = 1 << 16

    @property
    def learned_px(self) -> float | None:
        """Mean diameter of the cells that the model learned from, in pixels; None in version 4."""
        return None if self.major >= 4 else float(self._model.diam_labels)

    def network(self) -> "torch.nn.Module":
        """A network of one's own, with the model's weights at full precision, to be trained."""
        import torch

        network = self._open().net
        network.mkldnn = False  # version 3 cannot learn with it
        if getattr(network, "dtype", torch.float32) != torch.float32:
            network.dtype = torch.float32
            network.load_model(str(self._path), device=self.device)
        return network

    def become(self, network: "torch.nn.Module") -> None:
        """Segment with a copy of a network from `network`, and with the sizes it learned."""
        self._taught = network
        self._fill(self._model)

    def __call__(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: Levels | None = None,
    ) -> np.ndarray:
        """Masks of one image ([Z,] Y, X), int32, numbered 1, 2, ...

        Raises `BadInput` if the image has other axes than `pixel_size`.
        """
        if image.ndim != len(pixel_size) or image.ndim not in (2, 3):
            raise BadInput(
                f"Cellpose was given an image of shape {image.shape} with {len(pixel_size)} pixel "
                "sizes; expected one channel, ([Z,] Y, X); choose the channel that shows the cells."
            )
        if image.min() == image.max():
            return np.zeros(image.shape, np.int32)
        diameter = settings.diameter or self.find_diameter([image], pixel_size, settings)
        masks = self._evaluate(
            image, diameter / pixel_size[-1] if diameter else None, pixel_size, settings, levels
        )
        usual = diameter / float(np.prod(pixel_size) ** (1 / image.ndim)) if diameter else None
        if usual is None:
            usual = float(np.median(diameters_px(masks))) if masks.any() else 0.0
        least = (np.pi / 4 if image.ndim == 2 else np.pi / 6) * (
            settings.min_diameter * usual
        ) ** image.ndim
        return tidy(masks, least)

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """Median cell diameter in micrometres; None for Cellpose 4, which takes cells as they are.

        Tried at a half, once and twice the size that the model was trained on.
        """
        if self.major >= 4:
            return None
        usual = self.learned_px or DIAMETER_PX
        found = guess_diameter(
            images,
            (0.5 * usual, usual, 2 * usual),
            lambda values, size: self._evaluate(values, size, pixel_size[-2:], settings),
        )
        return found * pixel_size[-1] if found else None

    def _evaluate(
        self,
        image: np.ndarray,
        diameter_px: float | None,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: Levels | None = None,
    ) -> np.ndarray:
        """Masks as Cellpose gives them, with less at once when memory runs out."""
        flat = image[0] if image.ndim == 3 and len(image) == 1 else image
        short = [(0, max(0, LEAST_SIDE_PX - side)) for side in flat.shape[-2:]]
        values = np.pad(
            stretch(flat, levels=levels), [(0, 0)] * (flat.ndim - 2) + short, mode="edge"
        )
        options = self._options(values, diameter_px, pixel_size, settings)
        while True:
            options["batch_size"] = min(settings.batch_size, self._batch)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    masks = self._model.eval(values, **options)[0]
                found = np.asarray(masks, np.int32).reshape(values.shape)
                return found[tuple(slice(side) for side in flat.shape)].reshape(image.shape)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._take_less(options["batch_size"])

    def _options(
        self,
        image: np.ndarray,
        diameter_px: float | None,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> dict[str, Any]:
        """Arguments of `CellposeModel.eval` for the version that is installed."""
        options: dict[str, Any] = {
            "diameter": diameter_px,
            "flow_threshold": settings.flow_threshold,
            "cellprob_threshold": settings.cell_threshold,
            "min_size": 0,
            "normalize": {"normalize": False},
        }
        if self.major < 4:
            options["channels"] = [0, 0] if self._model.nchan > 1 else None
        if image.ndim == 3:
            anisotropy = pixel_size[0] / pixel_size[-1]
            options["z_axis"] = 0
            if anisotropy <= CUBIC:
                options |= {"do_3D": True, "anisotropy": anisotropy}
            else:
                options["stitch_threshold"] = LEAST_OVERLAP
        return options

    def _open(self) -> Any:
        """Load the weights; anything that is no model of the installed version is an error."""
        models = cellpose_module("models")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.major < 4:
                    model = _model_3(models, self._path, self.device)
                else:
                    model = models.CellposeModel(
                        pretrained_model=str(self._path), device=self.device
                    )
                self._fill(model)
                return model
        except MissingModel:
            raise
        except Exception as error:
            raise MissingModel(
                f"{self._path} cannot be opened as a model of Cellpose {self.major} "
                f"({type(error).__name__}); expected a file saved by this version; choose another "
                f"file, or {_SHIPPED}."
            ) from error

    def _fill(self, model: Any) -> None:
        """Give `model` a copy of the network that took the place of the file's, if there is one.

        A copy each time, since `eval` of version 3 makes it into another form on the processor.
        """
        if self._taught is None:
            return
        net: Any = copy.deepcopy(self._taught).requires_grad_(False).to(self.device).eval()
        if self.major < 4:
            net.mkldnn = model.mkldnn
            model.diam_mean = float(net.diam_mean)
            model.diam_labels = float(net.diam_labels)
        elif hasattr(net, "dtype"):
            net.dtype = model.net.dtype
        model.net = net

    def _take_less(self, batch: int) -> None:
        """Halve the batch, or go to the CPU; raise if nothing is left to try."""
        import torch

        if batch > 1:
            self._batch = batch // 2
            what = f"{self._batch} tiles at once"
        elif self.device.type != "cpu":
            self.device = torch.device("cpu")
            self._model = self._open()
            what = "the processor instead of the graphics card"
        else:
            raise OutOfMemory(
                "There is no memory left for Cellpose; expected a few GB free; "
                f"close other programs, or {_SHIPPED}."
            )
        warnings.warn(f"Memory ran out, so segmentation went on with {what}.", stacklevel=1)


def _weights(name: str, major: int) -> Path:
    """The weight file called `name`, downloaded by Cellpose if need be and possible."""
    if Path(name).is_file():
        return Path(name)
    models = cellpose_module("models")
    known = VERSION_3 if major < 4 else VERSION_4
    folder = Path(models.MODEL_DIR)
    file = f"{name}torch_0" if major < 4 and name in ("cyto", "cyto2", "nuclei") else name
    if (folder / file).is_file():
        return folder / file
    if name not in known:
        raise MissingModel(
            f"Cellpose {major} has no model called {name!r}, and there is no such file; "
            f"it has {', '.join(known)}; or {_SHIPPED}."
        )
    _assert_reachable(name, major)
    try:
        return Path(models.cache_model_path(file))
    except OSError as error:
        raise MissingModel(_offline(name, major)) from error


def _assert_reachable(name: str, major: int) -> None:
    """Raise at once, rather than after long waiting, where the weights cannot be downloaded."""
    from urllib.request import Request, urlopen

    place = "https://www.cellpose.org" if major < 4 else "https://huggingface.co"
    try:
        urlopen(Request(place, method="HEAD"), timeout=PATIENCE_SECONDS).close()
    except OSError as error:
        raise MissingModel(_offline(name, major)) from error


def _offline(name: str, major: int) -> str:
    return (
        f"The weights of Cellpose {major}'s model {name!r} are not on this machine and cannot be "
        f"downloaded now; connect to the internet once, or {_SHIPPED}."
    )


def _model_3(models: Any, path: Path, device: "torch.device") -> Any:
    """A version 3 model from its file: of the usual widths, or narrower or wider ones."""
    widths = _widths(path)
    usual = widths[1:] == WIDTHS
    model = models.CellposeModel(
        pretrained_model=str(path) if usual else False, device=device, nchan=widths[0]
    )
    if not usual:
        model.net = models.CPnet(list(widths), 3, sz=3, mkldnn=model.mkldnn)
        model.net.load_model(str(path))
        model.net.to(device)
        model.diam_mean = float(model.net.diam_mean)
        model.diam_labels = float(model.net.diam_labels)
    return model


def _widths(path: Path) -> tuple[int, ...]:
    """Channels of a version 3 model: of the image, and of each level of its network.

    Raises `MissingModel` if it looks at more than `MOST_CHANNELS`.
    """
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    block = "downsample.down.res_down_{}.conv.conv_{}.{}.weight"
    levels = range(sum(block.format(i, 0, 0) in state for i in range(len(state))))
    widths = [len(state[block.format(i, 0, 0)]) for i in levels]
    widths.append(len(state[block.format(levels[-1], 3, 2)]))
    if widths[0] > MOST_CHANNELS:
        raise MissingModel(
            f"The Cellpose model {path} looks at {widths[0]} channels at once; expected one that "
            "looks at one channel, or at cells and nuclei; choose another model."
        )
    return tuple(widths)
