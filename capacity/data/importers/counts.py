"""Counts: the narrowest way to store them."""

from __future__ import annotations

from typing import Any

import numpy as np


def smallest_integer(largest: int) -> np.dtype[Any]:
    """Return the smallest of uint8, int16 and int32 that holds the counts 0..largest."""
    return np.dtype(np.uint8 if largest <= 255 else np.int16 if largest <= 32767 else np.int32)
