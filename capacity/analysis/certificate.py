"""What a training that did not fit came to: a minimum, a saddle point, or nowhere yet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

PLATEAU = 0.01
"""Share of the loss by which a training may still have improved in its second half, or a best gradient step improve."""
FLAT = 1e-3
"""How negative the smallest eigenvalue of the Hessian may be at a minimum, as a share of the largest."""


@dataclass(frozen=True)
class Certificate:
    """What is known of the point at which a training ended, on its whole sample.

    Attributes
    ----------
    code : {"not_fitted_at_minimum", "not_fitted_at_saddle", "out_of_budget", "diverged"}
        See :func:`certify`.
    loss : float
        Mean cross-entropy, nats.
    gradient_norm : float
        Of the mean loss.
    improvement : float
        Share of its smallest loss by which the training improved in the second half of its steps.
    smallest, largest : float
        Eigenvalues of the Hessian.
    residual : float
        |Hv - smallest v|: H has an eigenvalue within this of `smallest`.
    """

    code: str
    loss: float
    gradient_norm: float
    improvement: float
    smallest: float
    largest: float
    residual: float


def certify(
    loss: float, gradient_norm: float, improvement: float, smallest: float, largest: float, residual: float
) -> Certificate:
    """Say where a training that did not fit has ended.

    Where it is not stationary (:func:`is_stationary`) it is `out_of_budget`: more steps could have fitted the sample. A
    stationary point is a minimum when no eigenvalue is below -`FLAT` times the largest, else a saddle.
    """
    still = is_stationary(loss, gradient_norm, improvement, largest)
    at_minimum = smallest >= -FLAT * largest
    code = "out_of_budget" if not still else "not_fitted_at_minimum" if at_minimum else "not_fitted_at_saddle"
    return Certificate(code, loss, gradient_norm, improvement, smallest, largest, residual)


def is_stationary(loss: float, gradient_norm: float, improvement: float, largest: float) -> bool:
    """Return whether a training had come to rest, by the quantities of a :class:`Certificate`.

    Two things make it stationary: its smallest loss fell by less than `PLATEAU` in the second half of its steps; and
    the best step along the gradient, of length 1 / largest, would lower the loss by less than `PLATEAU` of it, to first
    order |g|^2 / (2 largest). With a learning rate that does not fall, SGD ends in the noise around a point, not in it;
    the first test is blind to that, the second is not.
    """
    return improvement < PLATEAU and largest > 0 and gradient_norm**2 / (2 * largest) < PLATEAU * loss


def improvement(steps: Sequence[float], losses: Sequence[float]) -> float:
    """Return by which share of itself the smallest loss fell in the second half of the steps.

    Parameters
    ----------
    steps : sequence of E numbers
        Ascending.
    losses : sequence of E numbers
    """
    half = bisect_right(steps, steps[-1] / 2)
    before, after = min(losses[:half]), min(losses)
    return 1 - after / before
