"""Distance from the start of a linear network to its solutions (Ardalani, Hestness & Diamos 2019, appendix B).

The network is y = (w_1 + ... + w_K) x: a scalar input x, K hidden units without activation, and second-layer weights
that are held at 1. Its loss, squared error in the paper, depends on the weights through their sum alone and has one
minimum, at the sum C. So the solutions are the hyperplane {w : w_1 + ... + w_K = C} in R^K with unit normal
n = (1, ..., 1) / sqrt(K). Every gradient is parallel to n; a gradient descent that converges therefore ends at the
point of the hyperplane nearest to its start w, after the distance |C/sqrt(K) - <n, w>|.

Assumed: some x is not 0, C is not 0 (all lengths here are in units of C, so C = 1), steps small enough to converge, no
noise, and a start uniform in the ball of radius R around the origin of R^K. The paper says "within (-R, R)" for K = 1
and "within the disk" for K = 2; the ball is what both have in common and what its integral, with r dr dtheta, averages
over. Each weight then has the standard deviation R / sqrt(K + 2): less, the wider the network.

Where the paper is silent or wrong:

- It averages C/sqrt(K) - <n, w> without the absolute value. That average is C/sqrt(K) for every R, but it is a mean
  distance only where no start lies beyond the solutions, R <= C/sqrt(K), which for a fixed R ends at K = (C/R)^2.
- With the absolute value (`mean_distance`) the mean exceeds C/sqrt(K) from there on, and tends to
  E|C - R Z| / sqrt(K) with Z standard normal: the power -1/2 stays, its constant does not.
- Its conclusion, that wider is nearer, rests on starts that shrink with K. Independent weights of one fixed standard
  deviation s have a sum of variance K s^2, and the mean distance tends to s sqrt(2/pi) instead of 0.
- "n" is both the number of examples and that of dimensions; the loss for K = 2 lacks the 1/n of the one for K = 1,
  which moves no minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 20
"""Most numbers that a Monte Carlo estimate holds at a time."""


@dataclass(frozen=True)
class Mean:
    """A mean over `count` independent starts and its standard error, in units of C."""

    value: float
    error: float
    count: int


def origin_distance(weights: int) -> float:
    """Return the distance from the origin to the solutions, 1/sqrt(K), in units of C.

    It is also the paper's average over the ball, of any radius: that of the signed distance.
    """
    return 1 / math.sqrt(weights)


def mean_distance(weights: int, radius: float) -> float:
    """Return the mean distance to the solutions from a start uniform in a ball around the origin.

    With d = 1/sqrt(K), z = min(d/R, 1) and t = <n, w>, whose density is proportional to (1 - t^2/R^2)^((K-1)/2):
    E|d - t| = d (2 P(t < d) - 1) + 2 E[t; t > d]
    = d I(z^2; 1/2, (K+1)/2) + 2 R Gamma(K/2 + 1) / (sqrt(pi) Gamma((K+1)/2)) (1 - z^2)^((K+1)/2) / (K + 1),
    I the regularised incomplete beta function.

    Parameters
    ----------
    weights : int
        K, at least 1.
    radius : float
        R, positive, in units of C.

    Returns
    -------
    float
        In units of C.
    """
    from scipy.special import betainc

    distance = origin_distance(weights)
    z2 = min((distance / radius) ** 2, 1.0)
    half = (weights + 1) / 2
    density = math.exp(math.lgamma(weights / 2 + 1) - math.lgamma(half)) / math.sqrt(math.pi)
    return float(distance * betainc(0.5, half, z2) + radius * density * (1 - z2) ** half / half)


def fraction_beyond(weights: int, radius: float) -> float:
    """Return the share of starts in the ball that lie beyond the solutions, P(<n, w> > C/sqrt(K))."""
    from scipy.special import betaincc

    z2 = min(1 / (weights * radius**2), 1.0)
    return float(betaincc(0.5, (weights + 1) / 2, z2) / 2)


def ball_starts(count: int, weights: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw starts uniformly from the ball of radius R around the origin of R^K: shape (count, K)."""
    normal = rng.standard_normal((count, weights))
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(normal / length * radius * rng.random((count, 1)) ** (1 / weights))


def nearest_solutions(starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the point of the solutions nearest to each start; both (count, K), in units of C."""
    return np.asarray(starts + (1 - starts.sum(axis=1, keepdims=True)) / starts.shape[1])


def monte_carlo(weights: int, radius: float, samples: int, rng: np.random.Generator) -> Mean:
    """Estimate `mean_distance` from `samples` (2 or more) starts, each measured to its own nearest solution."""
    distances = np.empty(samples)
    rows = max(_BLOCK // weights, 1)
    for first in range(0, samples, rows):
        part = distances[first : first + rows]
        starts = ball_starts(len(part), weights, radius, rng)
        part[:] = np.linalg.norm(nearest_solutions(starts) - starts, axis=1)
    return mean_of(distances)


def mean_of(distances: NDArray[np.float64]) -> Mean:
    """Return the mean of two or more independent distances, with its standard error."""
    count = len(distances)
    return Mean(float(distances.mean()), float(distances.std(ddof=1)) / math.sqrt(count), count)
