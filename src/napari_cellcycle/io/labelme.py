"""Images with outlined cells as JSON, the way labelme and X-AnyLabeling write them (5.8).

One file holds one image (base64 of a JPEG or PNG file) and a shape a cell: a class, and either a
mask (base64 PNG over a box whose corners both belong to it) or a polygon or rectangle.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.storage import replace_file, writing_to

VERSION = "5.8.3"
UNKNOWN_KIND = -1
_KNOWN = ("version", "flags", "shapes", "imageData", "imageHeight", "imageWidth")
_NAMES = ("imageName", "imagePath")
_FILLED = {"polygon", "rectangle"}


@dataclass(frozen=True, eq=False)
class Shape:
    """One outlined cell.

    `mask` is bool over the box whose first pixel is `corner` (y, x); empty for shapes that enclose
    nothing, such as lines. `fields` are all other entries of the file.
    """

    label: str
    mask: np.ndarray
    corner: tuple[int, int]
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First and last pixel: (least y, least x, last y, last x)."""
        y, x = self.corner
        return y, x, y + self.mask.shape[0] - 1, x + self.mask.shape[1] - 1


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One annotated image.

    `data` are the bytes of its JPEG or PNG file, `size` its height and width, `fields` all other
    entries of the file, such as `flags`. `path` is where it was read.
    """

    data: bytes
    size: tuple[int, int]
    shapes: tuple[Shape, ...]
    name: str
    version: str = VERSION
    fields: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    def pixels(self) -> np.ndarray:
        """The image as uint8 or uint16: (Y, X), or (3, Y, X) as red, green and blue.

        Raises `BadInput` if it cannot be decoded or is of another size than the file says.
        """
        import cv2

        image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise BadInput(
                f"The image in {self.path or self.name} cannot be decoded; expected a JPEG or PNG "
                "file in 'imageData'; save the annotation again."
            )
        if image.shape[:2] != self.size:
            raise BadInput(
                f"The image in {self.path or self.name} has {image.shape[0]} x {image.shape[1]} "
                f"pixels, but its file says {self.size[0]} x {self.size[1]}; save it again."
            )
        if image.ndim == 2:
            return image
        return np.ascontiguousarray(image[..., 2::-1].transpose(2, 0, 1))

    def masks(self) -> np.ndarray:
        """Masks (Y, X) int32; shape number n, from 0, has the value n + 1, see `painted`."""
        return painted(self.shapes, self.size)

    def labels(self) -> list[str]:
        """Class of each shape."""
        return [shape.label for shape in self.shapes]

    def kinds(self, classes: Sequence[str]) -> np.ndarray:
        """Position of each shape's class in `classes`, -1 for those not among them, (n,)."""
        position = {name: number for number, name in enumerate(classes)}
        return np.array([position.get(label, UNKNOWN_KIND) for label in self.labels()], np.int64)

    def annotated(self, group: str = "") -> Annotated:
        """The image and its masks, to learn from."""
        return Annotated(self.pixels(), self.masks(), group or self.name, self.name)


def painted(shapes: Sequence[Shape], size: tuple[int, int]) -> np.ndarray:
    """Masks (Y, X) int32 of shapes: number n, from 0, has the value n + 1.

    Boxes may overlap without harm: only the pixels of a mask are painted. A pixel that several
    masks claim goes to the smallest of them, so that no cell is lost under a larger one.
    """
    result = np.zeros(size, np.int32)
    for number in np.argsort([-int(shape.mask.sum()) for shape in shapes], kind="stable"):
        shape = shapes[number]
        top, left = shape.corner
        height, width = shape.mask.shape
        result[top : top + height, left : left + width][shape.mask] = number + 1
    return result


def read_labelled(path: str | Path) -> LabelledImage:
    """Read one annotation.

    Raises
    ------
    BadInput
        The file is no such JSON, its base64 is broken, a box lies outside the image, or a mask
        is of another size than its box.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        size = int(found["imageHeight"]), int(found["imageWidth"])
        shapes, stored = list(found["shapes"]), found["imageData"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{path} is no annotation that can be read ({type(error).__name__}: {error}); expected "
            "JSON with shapes, imageData, imageHeight and imageWidth, as X-AnyLabeling saves it."
        ) from error
    if not stored:
        raise BadInput(
            f"{path} holds no image, only shapes; expected it in 'imageData'; save the annotation "
            "with the option to keep image data."
        )
    name = next((str(found[key]) for key in _NAMES if found.get(key)), path.stem)
    return LabelledImage(
        _decoded(stored, f"The image in {path}"),
        size,
        tuple(_shape(shape, size, f"{path}, shape {n + 1}") for n, shape in enumerate(shapes)),
        name,
        str(found.get("version", "")),
        {key: value for key, value in found.items() if key not in _KNOWN or key == "flags"},
        str(path),
    )


def read_folder(folder: str | Path) -> list[LabelledImage]:
    """All annotations of a folder, or of `labels` in it, in the order of their names.

    Raises `BadInput` if there is none, or one cannot be read.
    """
    return [read_labelled(path) for path in annotation_files(folder)]


def annotation_files(folder: str | Path) -> list[Path]:
    """The JSON files of a folder, or of `labels` in it, in the order of their names.

    Raises `BadInput` if there is none.
    """
    folder = Path(folder)
    for place in (folder, folder / "labels"):
        files = sorted(place.glob("*.json"))
        if files:
            return files
    raise BadInput(
        f"{folder} holds no JSON file; expected annotations as X-AnyLabeling or labelme save them, "
        "one file an image; choose the folder that holds them."
    )


def write_labelled(image: LabelledImage, path: str | Path) -> None:
    """Write an annotation that reads back as the same; masks as PNG of 0 and 1.

    Raises `CannotWrite` if that is not possible.
    """
    path = Path(path)
    document: dict[str, Any] = {"version": image.version, "flags": {}, "shapes": []}
    document["shapes"] = [_written(shape) for shape in image.shapes]
    document["imageData"] = base64.b64encode(image.data).decode("ascii")
    document["imageHeight"], document["imageWidth"] = image.size
    document |= dict(image.fields)
    if not any(key in document for key in _NAMES):
        document["imageName"] = image.name
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def labelled_image(
    pixels: np.ndarray, masks: np.ndarray, labels: Mapping[int, str], name: str
) -> LabelledImage:
    """An annotation of an image (Y, X) or (C, Y, X) from masks (Y, X) and the class of each.

    The image is stored as PNG, which loses nothing: bytes and uint16 as they are, other numbers
    stretched to bytes; of several channels the first three as red, green and blue. Masks that
    `labels` does not name are of the class "cell".
    """
    import cv2
    from scipy import ndimage

    planes = np.zeros((3, *masks.shape), pixels.dtype)
    if pixels.ndim == 3:
        planes[: len(pixels[:3])] = pixels[:3]
    drawn = pixels if pixels.ndim == 2 else planes[::-1].transpose(1, 2, 0)
    if drawn.dtype not in (np.uint8, np.uint16):
        low, high = float(drawn.min()), float(drawn.max())
        drawn = (255 * (drawn.astype(np.float64) - low) / max(high - low, 1e-12)).astype(np.uint8)
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(drawn))
    spans = ndimage.find_objects(np.maximum(masks, 0))
    shapes = tuple(
        Shape(
            labels.get(value, "cell"),
            masks[span] == value,
            (span[0].start, span[1].start),
            _usual_fields(),
        )
        for value, span in enumerate(spans, start=1)
        if span is not None
    )
    height, width = masks.shape
    fields = {"flags": {}, "imageName": name}
    return LabelledImage(bytes(encoded), (height, width), shapes, name, VERSION, fields)


def classes_of(images: Iterable[LabelledImage]) -> list[str]:
    """Names of all classes, in the order of the alphabet."""
    return sorted({label for image in images for label in image.labels()})


def _usual_fields() -> dict[str, Any]:
    return {"group_id": None, "description": "", "shape_type": "mask", "flags": {}}


def _shape(found: Any, size: tuple[int, int], where: str) -> Shape:
    try:
        label, points = str(found["label"]), np.array(found["points"], float).reshape(-1, 2)
        kind = str(found.get("shape_type") or "polygon")  # old files have no other shapes
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(
            f"{where} cannot be read ({type(error).__name__}: {error}); expected a label and "
            "points; open the file in X-AnyLabeling and save it again."
        ) from error
    fields = {k: v for k, v in found.items() if k not in ("label", "mask")} | {"shape_type": kind}
    if kind == "mask":
        del fields["points"]
        mask, corner = _read_mask(found.get("mask"), points, size, where)
        return Shape(label, mask, corner, fields)
    if kind in _FILLED and len(points) > 1:
        mask, corner = _filled(kind, points, size)
        return Shape(label, mask, corner, fields)
    return Shape(label, np.zeros((0, 0), bool), (0, 0), fields)


def _read_mask(
    stored: Any, points: np.ndarray, size: tuple[int, int], where: str
) -> tuple[np.ndarray, tuple[int, int]]:
    """The mask of a shape and its first pixel, once all of it is known to fit."""
    import cv2

    if len(points) != 2:
        raise BadInput(
            f"{where} is a mask with {len(points)} points; expected the two corners of its box; "
            "draw it again."
        )
    (left, top), (right, bottom) = np.rint(points).astype(int).tolist()
    if left < 0 or top < 0 or right >= size[1] or bottom >= size[0] or right < left or bottom < top:
        raise BadInput(
            f"{where} has the box x {left} to {right}, y {top} to {bottom}, which does not lie in "
            f"the image of {size[1]} x {size[0]} pixels (x, y); draw it again."
        )
    data = _decoded(stored, f"The mask of {where}")
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if mask is None:
        raise BadInput(
            f"The mask of {where} cannot be decoded; expected a PNG file; draw it again."
        )
    height, width = bottom - top + 1, right - left + 1
    if mask.shape != (height, width):
        raise BadInput(
            f"The mask of {where} has {mask.shape[0]} x {mask.shape[1]} pixels, but its box "
            f"{height} x {width}; draw it again."
        )
    return mask > 0, (top, left)


def _filled(
    kind: str, points: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of a polygon or rectangle that lies in the image."""
    import cv2

    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(0), points.max(0)
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [np.rint(points).astype(np.int32)], 1)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    if not len(rows):
        return np.zeros((0, 0), bool), (0, 0)
    inside = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] > 0
    return inside, (int(rows[0]), int(columns[0]))


def _written(shape: Shape) -> dict[str, Any]:
    import cv2

    fields = {**_usual_fields(), **shape.fields}
    if fields["shape_type"] != "mask":
        return {"label": shape.label, **shape.fields}
    top, left, bottom, right = shape.box
    _, encoded = cv2.imencode(".png", shape.mask.astype(np.uint8))
    points = [[float(left), float(top)], [float(right), float(bottom)]]
    data = base64.b64encode(bytes(encoded)).decode("ascii")
    return {"label": shape.label, "points": points, **fields, "mask": data}


def _decoded(stored: Any, what: str) -> bytes:
    try:
        return base64.b64decode(stored, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadInput(
            f"{what} is broken base64 ({error}); expected the text of a whole file; save the "
            "annotation again, or copy it again from where it came."
        ) from error
