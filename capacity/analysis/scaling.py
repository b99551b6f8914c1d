"""Steps against model size, steps = a M^-k + b, and whether that may be said (Ardalani et al. 2019, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.bootstrap import percentile_ends, percentile_interval, resample
from capacity.analysis.goodness import LackOfFit, aicc_differences, lack_of_fit, r_squared
from capacity.analysis.interval import Interval
from capacity.analysis.laws import Floor, Law, Logarithm, constant, exponential, power
from capacity.analysis.likelihood import Fit, fit
from capacity.analysis.observations import FloatArray, Observations, observe
from capacity.analysis.verdict import Verdict, misfit, rivals, span, too_little
from capacity.analysis.words import number


@dataclass(frozen=True)
class PowerLaw:
    """The fit of steps = a M^-k + b.

    Attributes
    ----------
    a, k, b : float
        The constants; `a` is in steps (at M = 1, usually far outside the sizes seen), `b` in steps, 0 where the law
        without a floor fits better. k > 0 means that larger models need fewer steps.
    a_interval, k_interval, b_interval : Interval or None
        Over the seeds; None when no size has a second seed.
    residual_sd : float
        Standard deviation of log(steps) around the law, the most likely one; 0.1 is a scatter of about 10 %.
    r_squared : float
        1 - (residual variance) / (residual variance around a constant), of log(steps).
    lack_of_fit : LackOfFit or None
        Against the sizes' own means; None without replicates.
    aicc : dict
        AICc less the smallest of `power` (b = 0), `floor` (b free), `constant`, `logarithm` (steps = alpha + beta
        log M) and `exponential` (steps = a exp(-c M)), all with the same residuals. Smaller is better.
    runs, censored, sizes : int
        Runs, those that hit the step limit among them, and distinct sizes.
    verdict : Verdict
        `power_law` or `no_power_law`.
    """

    a: float
    k: float
    b: float
    a_interval: Interval | None
    k_interval: Interval | None
    b_interval: Interval | None
    residual_sd: float
    r_squared: float
    lack_of_fit: LackOfFit | None
    aicc: dict[str, float]
    runs: int
    censored: int
    sizes: int
    verdict: Verdict
    _runs: Observations = field(repr=False, compare=False)
    _center: tuple[float, float] = field(repr=False, compare=False)
    _theta: FloatArray = field(repr=False, compare=False)
    _draws: FloatArray | None = field(repr=False, compare=False)

    def predict(self, sizes: ArrayLike) -> FloatArray:
        """Return the law's steps, the median over seeds, at sizes of any shape."""
        return _curve(self._theta, np.asarray(sizes, dtype=np.float64), self._center)

    def band(self, sizes: ArrayLike) -> tuple[FloatArray, FloatArray] | None:
        """Return the ends of the interval of `predict`, each of the shape of `sizes`; None without intervals."""
        if self._draws is None:
            return None
        size = np.asarray(sizes, dtype=np.float64)
        curves = np.array([_curve(theta, size, self._center) for theta in self._draws])
        return percentile_ends(curves, self._runs)


def fit_power_law(
    sizes: ArrayLike, steps: ArrayLike, seeds: ArrayLike, *, censored: ArrayLike | None = None
) -> PowerLaw:
    """Fit steps = a M^-k + b to halting times, with runs that hit the step limit taken as what they are.

    Halting times are positive, span decades, and scatter from seed to seed in proportion to their size. So the law is
    fitted to log(steps), with normal residuals of one standard deviation: each size then counts alike, where least
    squares on the steps themselves would see the smallest models only. The curve is the median over seeds. A censored
    run enters with the probability of lying above its bound (Tobin 1958): leaving it out, or taking the bound for
    its halting time, would make the slow end look fast. b is 0 or more; the law is taken with or without it by AICc.

    Intervals resample the seeds within each size (`bootstrap.seed_weights`, `bootstrap.percentile_ends`), 1,000
    times, the choice about b made anew in each; they are conditional on the sizes and on the law. So sizes count as
    independent. Where a seed stands for the same examples at every size, as in `capacity.converge`, what the draw of
    examples does to all sizes alike moves the level and cancels out of the slope: the interval of k is then too wide
    rather than too narrow, those of a and b are not safe.

    The verdict is `no_power_law` if more than half of the runs are censored; if there are fewer than four sizes or no
    second seed; if another law, no dependence among them, fits as well (AICc within `goodness.DECISIVE`); if the
    interval of k contains 0; or if the sizes' means lie off the law (p below `goodness.MISFIT`).

    Parameters
    ----------
    sizes : array-like, shape (N,)
        Size M of each run's model, parameters or width; any unit.
    steps : array-like, shape (N,)
        Halting time of each run, in steps; a lower bound of it where `censored`. Runs that stalled or diverged have
        none and are left out by the caller.
    seeds : array-like, shape (N,)
        Seed of each run, any hashable numbers or names; once at every size.
    censored : array-like of bool, shape (N,), or None
        Which runs hit the step limit; None means none did.

    Returns
    -------
    PowerLaw

    Raises
    ------
    InputError
        Bad arrays, or fewer than three sizes with a run that came to its end: three constants cannot be had from them.
    """
    runs = observe(sizes, steps, seeds, censored=censored, name="steps", least=3)
    center = (float(np.log(runs.sizes).mean()), float(np.log(runs.values).mean()))
    x, target = runs.log_sizes, np.log(runs.values) - center[1]
    laws: dict[str, Law] = {
        "power": power(x),
        "floor": Floor(x),
        "constant": constant(x),
        "logarithm": Logarithm(x),
        "exponential": exponential(x),
    }
    fits = {name: fit(law, target, runs.censored) for name, law in laws.items()}
    chosen = _better(fits)

    # A floor that was found to be 0 is no place to search from: there the likelihood does not depend on it.
    near = {"power": fits["power"].theta, "floor": fits["floor"].theta if chosen == "floor" else _halfway(x, target)}

    def again(weight: FloatArray) -> FloatArray:
        found = {name: fit(laws[name], target, runs.censored, weight, start) for name, start in near.items()}
        return _theta(found[_better(found)])

    theta, draws = _theta(fits[chosen]), resample(again, runs)
    a, k, b = _constants(theta, center)
    intervals = [None] * 3 if draws is None else [percentile_interval(d, runs) for d in _constants(draws.T, center)]
    differences = aicc_differences(fits)
    test = lack_of_fit(laws[chosen], fits[chosen], target, runs)
    return PowerLaw(
        a=float(a),
        k=float(k),
        b=float(b),
        a_interval=intervals[0],
        k_interval=intervals[1],
        b_interval=intervals[2],
        residual_sd=fits[chosen].sd,
        r_squared=r_squared(fits[chosen], fits["constant"]),
        lack_of_fit=test,
        aicc=differences,
        runs=runs.runs,
        censored=runs.runs - runs.observed,
        sizes=len(np.unique(runs.sizes)),
        verdict=_verdict(runs, (float(k), float(b)), (intervals[1], intervals[2]), differences, test),
        _runs=runs,
        _center=center,
        _theta=theta,
        _draws=draws,
    )


def _better(fits: Mapping[str, Fit]) -> str:
    """Return `power` or `floor`, whichever AICc prefers."""
    return "floor" if fits["floor"].aicc < fits["power"].aicc else "power"


def _halfway(x: FloatArray, target: FloatArray) -> FloatArray:
    """Return constants with half of the smallest value as the floor."""
    return Floor(x).starts(target, np.ones_like(target))[1]


def _theta(found: Fit) -> FloatArray:
    """Return (log a, k, log b) around the centre; log b is -inf for the law without a floor."""
    return found.theta if len(found.theta) == 3 else np.append(found.theta, -np.inf)


def _constants(theta: FloatArray, center: tuple[float, float]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a, k, b in the caller's units; `theta` has shape (3,) or (3, resamples)."""
    level, k, floor = theta
    with np.errstate(over="ignore"):  # a, at M = 1, may lie beyond any number
        return np.exp(level + center[1] + k * center[0]), k, np.exp(floor + center[1])


def _curve(theta: FloatArray, sizes: FloatArray, center: tuple[float, float]) -> FloatArray:
    level, k, floor = theta
    with np.errstate(over="ignore"):  # the end of a band may, where all runs of a size are censored
        return np.asarray(np.exp(np.logaddexp(level - k * (np.log(sizes) - center[0]), floor) + center[1]))


def _verdict(
    runs: Observations,
    constants: tuple[float, float],
    intervals: tuple[Interval | None, Interval | None],
    aicc: Mapping[str, float],
    test: LackOfFit | None,
) -> Verdict:
    (k, b), (interval, of_b) = constants, intervals
    reason = too_little(runs, 4, "a, k and b", interval) or rivals(aicc, ("power", "floor"))
    if reason is None and interval is not None and interval.low <= 0 <= interval.high:
        reason = f"the exponent may be 0 ({span(interval)})"
    reason = reason or misfit(test)
    if reason is not None or interval is None or of_b is None:
        return Verdict("no_power_law", f"No power law: {reason}.")
    factor = number(float(runs.sizes.max() / runs.sizes.min()))
    floor = f", down to b = {number(b)} steps ({span(of_b)})" if b else ""
    limited = runs.runs - runs.observed
    censored = f", {limited} of them at the step limit" if limited else ""
    return Verdict(
        "power_law",
        f"Steps {'fall' if k > 0 else 'rise'} as a power of size, k = {number(k)} ({span(interval)}){floor}, "
        f"over a factor of {factor} in size ({runs.runs} runs{censored}).",
    )
