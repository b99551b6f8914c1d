"""What a study of convergence measured, as its figures and tables take it: halting times a line, spreads a panel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.observations import BoolArray, FloatArray, IntArray, TooFewSizesError
from capacity.analysis.scaling import PowerLaw, fit_power_law
from capacity.analysis.verdict import Verdict


@dataclass(frozen=True)
class HaltingCurve:
    """Halting times against model size with all else fixed: a line of a figure.

    Attributes
    ----------
    name : str
        What is fixed, for the legend: "20% of the data", "Adam, learning rate 0.001".
    sizes, steps : ndarray, shape (N,), float64
        Parameters, and halting time (a lower bound where `censored`), of each run.
    seeds : ndarray, shape (N,)
    censored : ndarray, shape (N,), bool
    law : PowerLaw or None
        None when there are fewer sizes than constants.
    verdict : Verdict
        Of the law, or why there is none.
    """

    name: str
    sizes: FloatArray
    steps: FloatArray
    seeds: IntArray
    censored: BoolArray
    law: PowerLaw | None
    verdict: Verdict


def halting_curve(
    name: str, sizes: ArrayLike, steps: ArrayLike, seeds: ArrayLike, *, censored: ArrayLike | None = None
) -> HaltingCurve:
    """Fit the halting times of one line; with too few sizes for a fit, say so in the verdict.

    Arguments and errors are those of `fit_power_law`.
    """
    try:
        law = fit_power_law(sizes, steps, seeds, censored=censored)
        verdict = law.verdict
    except TooFewSizesError as error:
        law, verdict = None, Verdict("no_power_law", f"No power law: {error}.")
    limited = np.zeros(np.shape(sizes), dtype=bool) if censored is None else np.asarray(censored, dtype=bool)
    return HaltingCurve(
        name, np.asarray(sizes, np.float64), np.asarray(steps, np.float64), np.asarray(seeds), limited, law, verdict
    )


@dataclass(frozen=True)
class Spread:
    """One quantity of one group of layers over widths and seeds: a panel of a figure.

    Attributes
    ----------
    group : str
        `embedding`, `hidden`, `softmax`, `all`, or any other name.
    widths : ndarray, shape (N,)
        Hidden units per layer of each run.
    seeds : ndarray, shape (N,)
    values : ndarray, shape (N,), float64
        NaN where a run has none.
    """

    group: str
    widths: IntArray
    seeds: IntArray
    values: FloatArray
