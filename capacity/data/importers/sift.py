"""Dense SIFT descriptors as in ILSVRC2010's features (the readme of its development kit, "Features").

The photograph, its longest side at most 300 pixels, is described on patches of 20 x 20 pixels, one every 10 pixels; so
are its copies of 1/2 and 1/4 the side lengths. The "3 scales" are thus three sizes of the photograph under patches of
one size, as the readme says; patches of three sizes on one photograph would be the other reading.

OpenCV's SIFT lays 4 x 4 histograms of 8 directions over a patch; each is 3 x size/2 pixels wide, where `size` is that
of the key point. A patch of 20 pixels so has key points of size 20/6; the smoothing (sigma 1.6) is the one that SIFT
means for histograms of about 5 pixels. The original used VLFeat 0.9.4.1: the same descriptor by another hand.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.photo import read_pyramid
from capacity.errors import InputError

LENGTH = 128
"""Numbers of a descriptor: 4 x 4 histograms of 8 directions."""

LONGEST, PATCH, STEP, LEVELS = 300, 20, 10, 3


def read_descriptors(path: Path) -> NDArray[np.uint8]:
    """Describe the patches of a photograph.

    Returns
    -------
    ndarray (n, 128)
        Descriptors scaled to the Euclidean norm 512 (0 for a patch of one shade), as whole numbers; largest photograph
        first, then row by row. n is 0 where the photograph is narrower than a patch.

    Raises
    ------
    InputError
        The file is damaged, too large or no image, or OpenCV is not installed.
    """
    levels = read_pyramid(path, longest=LONGEST, levels=LEVELS)
    return np.concatenate([describe_patches(level) for level in levels])


def describe_patches(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the descriptors (n, 128) of the patches of one image (h, w), row by row."""
    grid = _grid(*grey.shape)
    if not grid:
        return np.empty((0, LENGTH), dtype=np.uint8)
    # The descriptors lie on the first layer of an octave; more layers would be computed for nothing.
    _, descriptors = opencv().SIFT_create(nOctaveLayers=1).compute(grey, grid)
    return np.asarray(descriptors, dtype=np.uint8)


@functools.lru_cache(maxsize=64)
def _grid(height: int, width: int) -> tuple[Any, ...]:
    """Return a key point at the centre of each patch."""
    centres = [range(PATCH // 2, side - PATCH // 2 + 1, STEP) for side in (height, width)]
    upright = 0.0
    return tuple(opencv().KeyPoint(float(x), float(y), PATCH / 6, upright) for y in centres[0] for x in centres[1])


def opencv() -> Any:
    """Import OpenCV, or say how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise InputError(f"SIFT needs OpenCV ({error}): pip install 'capacity-nn[images]'") from error
    return cv2
