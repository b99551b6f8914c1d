"""Does how much a network can fit say how well it generalises? (Shwartz-Ziv et al. 2024, figure 1, right)

The paper has "the difference in capacity to fit correctly labeled and incorrectly labeled samples" predict
generalisation, and does not publish how that difference is normalised. So four quantities of a network are looked at,
none of which is divided by its parameters:

================  =====================================================================================
`semantic`        log EMC with the data's own labels
`random`          log EMC with labels drawn at random
`difference`      EMC(semantic) - EMC(random), in examples: the paper's words
`ratio`           log EMC(semantic) - log EMC(random), since the paper averages log EMC: how many times more
================  =====================================================================================

Each is a mean over seeds. A seed draws the same sample and the same start for both kinds of labels, so differences are
taken seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.correlation import Coefficient, correlation
from capacity.analysis.observations import FloatArray
from capacity.analysis.threshold import SeedThreshold

QUANTITIES: Mapping[str, str] = {
    "semantic": "EMC(semantic)",
    "random": "EMC(random)",
    "difference": "EMC(semantic) - EMC(random)",
    "ratio": "EMC(semantic) / EMC(random)",
}
"""What test accuracy is set against, with its name for people."""
LOGARITHMIC = ("semantic", "random", "ratio")
"""Those whose logarithm is averaged and correlated."""
LEAST = 5
"""Networks from which on coefficients are given. All of four are in one order by chance in 2 of 24 cases, and a
bootstrap interval from four covers a strong correlation in 70 % of simulated samples, not 95 %."""


@dataclass(frozen=True)
class Network:
    """A network, trained one way, and what its seeds came to.

    Attributes
    ----------
    name : str
        What tells it from others of its width, for a legend.
    width, parameters : int
    accuracy : mapping of int to float
        Share of the test split that it classifies correctly, by seed; NaN where that is not known.
    semantic, random : tuple of SeedThreshold
        What the searches with either kind of labels say; empty where there was none.
    """

    name: str
    width: int
    parameters: int
    accuracy: Mapping[int, float]
    semantic: tuple[SeedThreshold, ...]
    random: tuple[SeedThreshold, ...]

    @property
    def tested(self) -> bool:
        """Whether it has a test accuracy, for every seed."""
        return bool(self.accuracy) and all(math.isfinite(share) for share in self.accuracy.values())


@dataclass(frozen=True, eq=False)
class Seen:
    """A quantity of a tested network.

    Attributes
    ----------
    values : ndarray, shape (S,)
        A value a seed, in examples or the natural logarithm of that (`LOGARITHMIC`).
    accuracy : ndarray, shape (S,)
        The seeds' test accuracy.
    at_least, at_most : bool
        Whether the values are bounds only, since for some seed the examples ran out before a training failed.
    """

    values: FloatArray
    accuracy: FloatArray
    at_least: bool
    at_most: bool

    @property
    def exact(self) -> bool:
        """Whether no value is a bound."""
        return not (self.at_least or self.at_most)


@dataclass(frozen=True)
class Correlation:
    """Test accuracy against a quantity, over networks.

    Attributes
    ----------
    quantity : str
        A key of `QUANTITIES`.
    networks : int
        Those that the coefficients are from.
    left_out : int
        Tested networks of which an EMC is not known but for a bound: for some seed the examples ran out, the smallest
        sample was not fitted, or the search has not come to its end.
    pearson, kendall : Coefficient or None
        Pearson's r and Kendall's tau-b; None where the reason says why.
    reason : str
        What was found, for people; no full stop.
    """

    quantity: str
    networks: int
    left_out: int
    pearson: Coefficient | None
    kendall: Coefficient | None
    reason: str


def look_at(network: Network, quantity: str) -> Seen | None:
    """Return a quantity of a network; None where it has none, even as a bound on one side."""
    wanted = [name for name in ("semantic", "random") if quantity in (name, "difference", "ratio")]
    of_seed = [{found.seed: found for found in getattr(network, name)} for name in wanted]
    seeds = sorted(network.accuracy)
    if not network.tested or any(sorted(found) != seeds or not all(s.emc for s in found.values()) for found in of_seed):
        return None
    emc = np.array([[found[seed].emc for seed in seeds] for found in of_seed], np.float64)
    of_each = np.log(emc) if quantity in LOGARITHMIC else emc
    values = of_each[0] - of_each[1] if len(wanted) == 2 else of_each[0]
    bounds = [any(threshold.at_least for threshold in found.values()) for found in of_seed]
    if all(bounds) and len(bounds) == 2:
        return None
    accuracy = np.array([network.accuracy[seed] for seed in seeds])
    return Seen(values, accuracy, at_least=bounds[0], at_most=bounds[-1] and len(bounds) == 2)


def mean_and_error(values: ArrayLike) -> tuple[float, float | None]:
    """Return the mean of values of shape (S,) and its standard error; None for a single value."""
    each = np.asarray(values, np.float64)
    error = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else None
    return float(each.mean()), error


def correlate(quantity: str, networks: Sequence[Network]) -> Correlation:
    """Correlate the mean of a quantity with the mean test accuracy over networks.

    Networks of which an EMC is only a bound are left out and counted: a bound in the place of a value would order them
    by how much data there were. That leaves the range of the others shorter, and a correlation over a shorter range is
    as a rule the smaller one. For the intervals see :func:`capacity.analysis.correlation.correlation`.

    Parameters
    ----------
    quantity : str
        A key of `QUANTITIES`.
    networks : sequence of Network
        Those without a test accuracy are ignored.

    Returns
    -------
    Correlation
        Without coefficients for fewer than `LEAST` networks or when a quantity or the accuracy does not vary.
    """
    tested = [network for network in networks if network.tested]
    found = [look_at(network, quantity) for network in tested]
    known = [seen for seen in found if seen is not None and seen.exact]
    left_out = len(tested) - len(known)
    count = f"{len(known)} network{'s' * (len(known) != 1)}" + (f", {left_out} left out" if left_out else "")
    if len(known) < LEAST:
        return Correlation(quantity, len(known), left_out, None, None, f"{count}, and {LEAST} are needed")
    member = np.repeat(np.arange(len(known)), [len(seen.values) for seen in known])
    x, y = np.concatenate([s.values for s in known]), np.concatenate([s.accuracy for s in known])
    coefficients = correlation(member, x, y)
    if coefficients is None:
        flat = "test accuracy" if np.ptp([seen.accuracy.mean() for seen in known]) < 1e-9 else QUANTITIES[quantity]
        return Correlation(quantity, len(known), left_out, None, None, f"{flat} is the same for all of {count}")
    pearson, kendall = coefficients
    reason = f"Pearson {_words(pearson)}, Kendall {_words(kendall)}, {count}"
    return Correlation(quantity, len(known), left_out, pearson, kendall, reason)


def _words(found: Coefficient) -> str:
    ends = found.interval
    sure = "in every resample" if ends is None else f"{_decimals(ends.low)} to {_decimals(ends.high)}"
    return f"{_decimals(found.value)} ({sure})"


def _decimals(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"
