"""What each axis of a file means: time, channel, z, y, x."""

from collections.abc import Sequence

from napari_cellcycle.errors import BadInput

MOST_CHANNELS = 4
"""An unnamed axis this short between time and y is taken for channels, a longer one for z."""


def resolve_axes(
    axes: str, shape: Sequence[int], name: str, *, one_frame: bool = False, given: str | None = None
) -> str:
    """Name every axis of a file by one of T, C, Z, Y, X, or "_" where it has length 1.

    Parameters
    ----------
    axes
        Letters found in the file, one an axis; letters other than TCZYX mean "unknown" (S, the
        samples of a pixel, is a channel axis).
    shape
        Length of each axis.
    name
        What a message calls the file.
    one_frame
        The file is one frame of a movie: its first unknown axis is z, not time.
    given
        What the user says the axes are; overrules `axes`. Axes of length 1 may be left out.

    Raises
    ------
    BadInput
        Two axes would mean the same, y or x is missing, or `given` does not fit.
    """
    if given is not None:
        return _given_axes(given, shape, name)
    letters = [letter.upper() for letter in axes]
    if "S" in letters and "C" not in letters:
        letters[letters.index("S")] = "C"
    for place, (letter, length) in enumerate(zip(letters, shape, strict=True)):
        if letter not in "TCZYX":
            letters[place] = "_" if length == 1 else "?"
    while "?" in letters:
        place = letters.index("?")
        missing = [axis for axis in "TCZYX" if axis not in letters]
        letters[place] = _best_guess(missing, letters.count("?"), shape[place], one_frame)
        if letters[place] == "?":
            raise _too_many(name, shape)
    return _checked("".join(letters), shape, name, one_frame)


def refuse_rgb(name: str) -> BadInput:
    """Say that a colour image is no movie of cells, and what to do."""
    return BadInput(
        f"{name} is a colour (RGB) image, but each channel must be a grey image of its own: split "
        "its channels, or convert it to grey (in Fiji: Image > Type > 16-bit), and open the result."
    )


def _best_guess(missing: list[str], unknown: int, length: int, one_frame: bool) -> str:
    if not one_frame and "T" in missing:
        return "T"
    if "Z" in missing and "C" in missing:
        alone = unknown == 1 and one_frame
        return "C" if length <= MOST_CHANNELS and not alone else "Z"
    return next((axis for axis in "ZC" if axis in missing), "?")


def _given_axes(given: str, shape: Sequence[int], name: str) -> str:
    letters = given.upper()
    if len(letters) != len(shape):
        long = [place for place, length in enumerate(shape) if length > 1]
        if len(long) == len(letters):
            named = dict(zip(long, letters, strict=True))
            letters = "".join(named.get(place, "_") for place in range(len(shape)))
    if len(letters) != len(shape) or set(letters) - set("TCZYX_"):
        raise BadInput(
            f"The axes {given!r} do not fit {name}, which has shape {tuple(shape)}: give one of "
            "the letters T, C, Z, Y, X for each axis."
        )
    return _checked(letters, shape, name, one_frame=False)


def _checked(letters: str, shape: Sequence[int], name: str, one_frame: bool) -> str:
    named = letters.replace("_", "")
    if len(set(named)) != len(named) or not {"Y", "X"} <= set(named):
        raise _too_many(name, shape)
    if one_frame and "T" in letters and shape[letters.index("T")] > 1:
        raise BadInput(
            f"{name} holds {shape[letters.index('T')]} frames, but in a folder of frames each file "
            "must hold one: open that file by itself, or keep one frame a file."
        )
    return letters


def _too_many(name: str, shape: Sequence[int]) -> BadInput:
    return BadInput(
        f"{name} has shape {tuple(shape)}, in which time, channel, z, y and x cannot be told "
        "apart: save it as OME-TIFF or OME-Zarr, which name the axes, or say which they are."
    )
