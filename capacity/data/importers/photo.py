"""One photograph: read strictly, turned upright, made small.

Pillow reads: it looks at the header first and refuses a file that ends early, which OpenCV does not always do. Areas
are averaged in whole-number arithmetic, so that pixels do not depend on the processor.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""What the names of images end in, in lower case."""

LARGEST = 100_000_000
"""Pixels of the largest image that is read."""

_MOST_SCANS, _SCAN = 100, b"\xff\xda"
"""Scans of a JPEG file, and how one begins. Ten are common; each goes over all pixels, and thousands fit into a MB."""

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # others can run programs (EPS) or are rarely photographs


def check_header(path: Path) -> None:
    """Refuse a file that does not begin like an image, or whose header announces too many pixels."""
    with _opened(path):
        pass


def read_pyramid(path: Path, *, longest: int, levels: int) -> list[NDArray[np.uint8]]:
    """Read a photograph in grey, at several sizes.

    Parameters
    ----------
    path : Path
    longest : int
        Pixels of the longest side at the first level; a smaller photograph is not enlarged.
    levels : int
        How many sizes: each has half the side lengths of the one before, rounded up.

    Returns
    -------
    list of ndarray (h, w)
        Grey values (ITU-R BT.601 luma).

    Raises
    ------
    InputError
        The file is damaged, too large, or no image.
    """
    with _opened(path) as image:
        _check_scans(path, image)
        grey = _decoded(image, "L", 2 * longest)
        largest = max(grey.size)
        if largest > longest:
            size = tuple(max(1, round(side * longest / largest)) for side in grey.size)
            grey = grey.resize(size, resample=_area())
        return [np.asarray(grey.reduce(2**level) if level else grey) for level in range(levels)]


def read_square(path: Path, *, size: int, colour: bool) -> NDArray[np.uint8]:
    """Read the square in the middle of a photograph, averaged down (or its pixels repeated) to size x size.

    Returns
    -------
    ndarray (size, size) or (size, size, 3)
        Grey values, or red, green and blue.

    Raises
    ------
    InputError
        The file is damaged, too large, or no image.
    """
    with _opened(path) as image:
        _check_scans(path, image)
        whole = _decoded(image, "RGB" if colour else "L", 2 * size)
        side = min(whole.size)
        left, top = ((length - side) // 2 for length in whole.size)
        square = whole.resize((size, size), resample=_area(), box=(left, top, left + side, top + side))
        return np.asarray(square)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings, of large images and odd metadata, from the terminal. Enter it in one thread only."""
    log, nowhere = logging.getLogger("PIL"), logging.NullHandler()
    log.addHandler(nowhere)  # without any, what is logged as an error goes to stderr
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        log.removeHandler(nowhere)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(f"images need Pillow ({error}): pip install 'capacity-nn[images]'") from error
    try:
        with Image.open(path, formats=_FORMATS) as image:
            pixels = image.width * image.height
            if pixels > LARGEST:
                raise InputError(f"{path} has {pixels:,} pixels: expected at most {LARGEST:,}; make it smaller")
            yield image
    except InputError:
        raise
    except Exception as error:  # decoders raise what they like at damaged files
        reason = str(error).replace(f" {str(path)!r}", "")
        raise InputError(f"{path} cannot be read as an image ({reason}): fetch it again or move it away") from error


def _check_scans(path: Path, image: Any) -> None:
    """Refuse a JPEG file that would take for ever."""
    if image.format not in ("JPEG", "MPO"):
        return
    with path.open("rb") as file:
        scans = sum(block.count(_SCAN) for block in iter(lambda: file.read(1 << 20), b""))
    if scans > _MOST_SCANS:
        raise InputError(f"{path} has {scans:,} scans: expected at most {_MOST_SCANS}; save it again or move it away")


def _decoded(image: Any, mode: str, enough: int) -> Any:
    """Decode to "L" or "RGB", upright as the EXIF orientation says; transparency is left out.

    A large JPEG file is decoded at 1/2, 1/4 or 1/8 of its size where both sides keep `enough` pixels.
    """
    from PIL import Image, ImageOps

    image.draft(mode, (enough, enough))
    image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # 16 bits, perhaps in a wider type
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 65535 and values.dtype.kind in "iu"):
            raise ValueError("its values are not of 8 or 16 bits")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA")  # Pillow warns where a palette's transparency would be lost
    if image.mode not in {"1", "L"}:
        image = image.convert("RGB")
    return image.convert(mode)


def _area() -> Any:
    from PIL import Image

    return Image.Resampling.BOX
