"""Initial parameters: a pure function of (seed, segment), the same on every device up to rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from capacity.engine.program import Segment
from capacity.engine.random import PURPOSE_INIT
from capacity.errors import InputError, did_you_mean

INITS = ("glorot_uniform", "zeros")

Uniform = Callable[[int, int, int, int], NDArray[np.float64]]
"""(seed, purpose, stream, count) -> numbers in (0, 1); see :func:`capacity.engine.random.uniform`."""


def check_init(name: str, what: str = "init") -> str:
    """Return `name` when it names an initialisation, or raise InputError."""
    if name not in INITS:
        raise InputError(f"{what} must be a known initialisation, got '{name}'{did_you_mean(name, INITS)}.")
    return name


def initialise(out: NDArray[np.floating], segments: Sequence[Segment], seed: int, uniform: Uniform) -> None:
    """Fill `out` (P,) with initial parameters.

    'glorot_uniform' is U[-a, a] with a = sqrt(6 / (fan_in + fan_out)), Glorot & Bengio 2010, eq. 16.
    """
    for stream, s in enumerate(segments):
        part = out[s.offset : s.offset + s.size]
        if s.init == "zeros":
            part[:] = 0
        else:
            limit = math.sqrt(6.0 / sum(s.shape))
            part[:] = limit * (2.0 * uniform(seed, PURPOSE_INIT, stream, s.size) - 1.0)
