"""Mean functions that the fits of scaling laws choose from, with their derivatives.

Sizes come as x, the logarithm of the size over the geometric mean of the sizes. All but `Additive` give the mean of the
logarithm of a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from capacity.analysis.observations import FloatArray, IntArray

_FARTHEST = 300.0  # a search may try constants whose exponential is beyond any number
_FLOORS = (0.1, 0.5, 0.9, 0.99)  # of the smallest value seen: where the search for a floor starts


class Law(Protocol):
    """A mean function of P constants over N runs."""

    @property
    def constants(self) -> int:
        """How many constants, P."""

    def mean(self, theta: FloatArray) -> FloatArray:
        """Return the means, shape (N,), at the constants `theta`, shape (P,)."""

    def slope(self, theta: FloatArray) -> FloatArray:
        """Return the derivatives of the means with respect to the constants, shape (N, P)."""

    def starts(self, target: FloatArray, weight: FloatArray) -> list[FloatArray]:
        """Return points from which to search; both arguments have shape (N,)."""


@dataclass(frozen=True)
class Linear:
    """Any law that is linear in its constants: mean = design @ theta.

    Attributes
    ----------
    design : ndarray, shape (N, P)
    """

    design: FloatArray

    @property
    def constants(self) -> int:
        return int(self.design.shape[1])

    def mean(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.design @ theta)

    def slope(self, theta: FloatArray) -> FloatArray:
        return self.design

    def starts(self, target: FloatArray, weight: FloatArray) -> list[FloatArray]:
        root = np.sqrt(weight)
        return [np.asarray(np.linalg.lstsq(root[:, None] * self.design, root * target, rcond=None)[0], np.float64)]


def constant(x: FloatArray) -> Linear:
    """Return log y = A: no dependence on size."""
    return Linear(np.ones((len(x), 1)))


def power(x: FloatArray) -> Linear:
    """Return log y = A - k x, that is y = a M^-k."""
    return Linear(np.column_stack([np.ones_like(x), -x]))


def exponential(x: FloatArray) -> Linear:
    """Return log y = A - c M / max(M), that is y = a exp(-c M / max(M))."""
    return Linear(np.column_stack([np.ones_like(x), -np.exp(x - x.max())]))


def cells(cell: IntArray) -> Linear:
    """Return the law without a law: a mean of its own for every setting. What replicates scatter around."""
    return Linear((cell[:, None] == np.unique(cell)).astype(np.float64))


@dataclass(frozen=True)
class Floor:
    """y = a M^-k + b with b > 0, as log y = log(exp(A - k x) + exp(B)); theta = (A, k, B).

    B = log b keeps b positive without bounds; b = 0 is the law `power`, and is compared as such.
    """

    x: FloatArray

    @property
    def constants(self) -> int:
        return 3

    def mean(self, theta: FloatArray) -> FloatArray:
        level, k, floor = theta
        return np.asarray(np.logaddexp(level - k * self.x, floor))

    def slope(self, theta: FloatArray) -> FloatArray:
        level, k, floor = theta
        falling = np.exp(-np.logaddexp(0.0, floor - level + k * self.x))  # share of a M^-k in y
        return np.column_stack([falling, -self.x * falling, 1.0 - falling])

    def starts(self, target: FloatArray, weight: FloatArray) -> list[FloatArray]:
        found = []
        lowest = target.min()
        for share in _FLOORS:
            above = target + np.log1p(-share * np.exp(lowest - target))  # log(y - b)
            level, k = power(self.x).starts(above, weight)[0]
            found.append(np.array([level, k, lowest + np.log(share)]))
        return found


@dataclass(frozen=True)
class Logarithm:
    """y = alpha + beta log M, positive over the sizes seen; theta = (log y at the smallest, log y at the largest size).

    Those two values make every theta a valid law. With t from 0 to 1 along log M it is
    log y = log((1 - t) exp(theta_0) + t exp(theta_1)).
    """

    x: FloatArray

    @property
    def constants(self) -> int:
        return 2

    def _parts(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logarithms of the two summands; one of them is -inf at each end."""
        t = (self.x - self.x.min()) / (self.x.max() - self.x.min())
        with np.errstate(divide="ignore"):
            return np.log(1 - t) + theta[0], np.log(t) + theta[1]

    def mean(self, theta: FloatArray) -> FloatArray:
        return np.asarray(np.logaddexp(*self._parts(theta)))

    def slope(self, theta: FloatArray) -> FloatArray:
        mean = self.mean(theta)
        return np.column_stack([np.exp(part - mean) for part in self._parts(theta)])

    def starts(self, target: FloatArray, weight: FloatArray) -> list[FloatArray]:
        level, k = power(self.x).starts(target, weight)[0]
        ends = np.array([level - k * self.x.min(), level - k * self.x.max()])
        return [ends, np.full(2, np.average(target, weights=weight))]


@dataclass(frozen=True)
class Additive:
    """The same law with its mean, and so its noise, on the scale of y itself: mean = exp(law's mean)."""

    law: Law

    @property
    def constants(self) -> int:
        return self.law.constants

    def mean(self, theta: FloatArray) -> FloatArray:
        return np.exp(np.minimum(self.law.mean(theta), _FARTHEST))

    def slope(self, theta: FloatArray) -> FloatArray:
        return self.mean(theta)[:, None] * self.law.slope(theta)

    def starts(self, target: FloatArray, weight: FloatArray) -> list[FloatArray]:
        return self.law.starts(np.log(target), weight)
