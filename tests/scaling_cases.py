"""Simulated runs for the tests of the scaling laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5)

Array = NDArray[np.float64]


class Cases(NamedTuple):
    """Runs in the order in which the fits take them."""

    sizes: Array
    values: Array
    seeds: NDArray[np.int64]

    def stopped_at(self, limit: float) -> tuple[Cases, NDArray[np.bool_]]:
        """The same runs under a step limit, and which of them hit it."""
        return self._replace(values=np.minimum(self.values, limit)), self.values > limit

    def only(self, keep: NDArray[np.bool_]) -> Cases:
        return Cases(*(column[keep] for column in self))


def simulate(
    law: Callable[[Array], Array],
    sd: float = 0.1,
    *,
    shared: float = 0.0,
    seeds: int = 10,
    rng: int = 0,
    sizes: tuple[float, ...] = SIZES,
) -> Cases:
    """Runs whose logarithms scatter around a law of size, each by `sd`, a seed's together by `shared`."""
    size, seed = np.repeat(np.asarray(sizes), seeds), np.tile(np.arange(seeds), len(sizes))
    draw = np.random.default_rng(rng)
    noise = draw.normal(0, sd, len(size)) + draw.normal(0, shared, seeds)[seed]
    return Cases(size, law(size) * np.exp(noise), seed)


def power_law(a: float, k: float, b: float = 0.0) -> Callable[[Array], Array]:
    return lambda size: a * size**-k + b
