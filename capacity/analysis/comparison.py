"""Logarithm or power of size: which law a quantity follows, if that can be told (Ardalani et al. 2019, section 4.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.goodness import DECISIVE, LackOfFit, aicc_differences, lack_of_fit
from capacity.analysis.laws import Additive, Law, Logarithm, constant, power
from capacity.analysis.likelihood import fit
from capacity.analysis.observations import FloatArray, Observations, observe
from capacity.analysis.verdict import NAMES, Verdict, misfit
from capacity.analysis.words import number

NOISES = ("multiplicative", "additive")


@dataclass(frozen=True)
class LawComparison:
    """The fits of y = a M^k and y = alpha + beta log M side by side.

    Attributes
    ----------
    a, k : float
        Of the power law.
    alpha, beta : float
        Of the logarithmic law; the logarithm is the natural one.
    noise : dict from {"power", "logarithm", "constant"} to {"multiplicative", "additive"}
        The residuals with which each law fits best, and with which it is compared.
    aicc : dict from {"power", "logarithm", "constant"} to float
        AICc less the smallest, on one scale. Smaller is better.
    lack_of_fit : LackOfFit or None
        Of the best of the three.
    runs, sizes : int
        Runs and distinct sizes.
    verdict : Verdict
        `power` or `logarithm`; `undecided` when neither is better by `goodness.DECISIVE`; `constant` when no
        dependence on size fits as well as both; `neither` when the sizes' means lie off the best of them.
    """

    a: float
    k: float
    alpha: float
    beta: float
    noise: dict[str, str]
    aicc: dict[str, float]
    lack_of_fit: LackOfFit | None
    runs: int
    sizes: int
    verdict: Verdict

    def predict(self, law: str, sizes: ArrayLike) -> FloatArray:
        """Return y by the law `power` or `logarithm` at sizes of any shape."""
        log_size = np.log(sizes)
        if law == "power":
            return np.asarray(np.exp(math.log(self.a) + self.k * log_size))
        return np.asarray(self.alpha + self.beta * log_size)


def compare_laws(sizes: ArrayLike, values: ArrayLike, seeds: ArrayLike) -> LawComparison:
    """Compare y = a M^k with y = alpha + beta log M; the paper claims both of the distance travelled.

    The shape of the mean and the kind of noise are two questions. A log-normal fit of the one law against a normal fit
    of the other would mix them up, so each law is fitted with both: residuals of log y (multiplicative) and residuals
    of y (additive). All likelihoods are densities of y: a density f of log y is f / y as a density of y, so
    sum(log y) is taken off; y is measured in its geometric mean, which makes that sum 0. Each law stands with the noise
    that suits it best.

    Parameters
    ----------
    sizes, values, seeds : array-like, shape (N,)
        As for `fit_exponent`.

    Returns
    -------
    LawComparison

    Raises
    ------
    InputError
        Bad arrays, or fewer than three sizes: two constants fit any two sizes.
    """
    runs = observe(sizes, values, seeds, least=3)
    x, log_size = runs.log_sizes, float(np.log(runs.sizes).mean())
    scale = float(np.exp(np.log(runs.values).mean()))
    shapes: dict[str, Law] = {"power": power(x), "logarithm": Logarithm(x), "constant": constant(x)}
    targets = {"multiplicative": np.log(runs.values / scale), "additive": runs.values / scale}
    laws = {(name, noise): _with(noise, law) for name, law in shapes.items() for noise in NOISES}
    fits = {pair: fit(law, targets[pair[1]], runs.censored) for pair, law in laws.items()}
    noise = {name: min(NOISES, key=lambda kind: fits[name, kind].aicc) for name in shapes}
    differences = aicc_differences({name: fits[name, kind] for name, kind in noise.items()})
    best = min(differences, key=lambda name: differences[name])
    test = lack_of_fit(laws[best, noise[best]], fits[best, noise[best]], targets[noise[best]], runs)
    level, falling = fits["power", noise["power"]].theta
    first, last = scale * np.exp(fits["logarithm", noise["logarithm"]].theta)
    beta = float((last - first) / (x.max() - x.min()))
    return LawComparison(
        a=scale * math.exp(level + falling * log_size),
        k=-float(falling),
        alpha=float(first - beta * (x.min() + log_size)),
        beta=beta,
        noise=noise,
        aicc=differences,
        lack_of_fit=test,
        runs=runs.runs,
        sizes=runs.distinct,
        verdict=_verdict(runs, differences, test),
    )


def _with(noise: str, law: Law) -> Law:
    return Additive(law) if noise == "additive" else law


def _verdict(runs: Observations, aicc: dict[str, float], test: LackOfFit | None) -> Verdict:
    factor = number(float(runs.sizes.max() / runs.sizes.min()))
    behind = f"{runs.runs} runs over a factor of {factor} in size"
    if not all(math.isfinite(value) for value in aicc.values()):
        return Verdict("undecided", f"There are too few runs to compare laws ({behind}).")
    if aicc["constant"] < DECISIVE:
        return Verdict("constant", f"No dependence on size can be seen ({behind}).")
    off = misfit(test)
    if off:
        return Verdict("neither", f"Neither law holds: {off} ({behind}).")
    better, worse = sorted(("power", "logarithm"), key=lambda name: aicc[name])
    lead = aicc[worse] - aicc[better]
    if lead < DECISIVE:
        return Verdict(
            "undecided",
            f"The runs cannot tell a logarithmic law from a power law: AICc differs by {number(lead)}, and "
            f"{number(DECISIVE)} would be needed ({behind}).",
        )
    return Verdict(
        better, f"{NAMES[better].capitalize()} fits better than {NAMES[worse]}, by {number(lead)} in AICc ({behind})."
    )
