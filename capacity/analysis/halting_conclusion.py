"""A study of convergence in a sentence or two: do larger models need fewer steps, and is it a power law?"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from capacity.analysis.convergence import HaltingCurve
from capacity.analysis.words import number


def halting_conclusion(curves: Sequence[HaltingCurve], rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what size does to the halting time, on how many lines that is a power law, and which runs say nothing.

    Parameters
    ----------
    curves : sequence of HaltingCurve
        The lines of the study that have runs.
    rows : sequence of mapping
        All trials: `state`, `outcome`.

    Returns
    -------
    str
    """
    if not curves:
        said = ["No run has come to its end yet, so there is no halting time."]
    elif len(curves) == 1:
        said = [f"{_ends(curves[0])} {curves[0].verdict.reason}".strip()]
    else:
        said = [_several(curves)]
    return " ".join([*said, *_left_out(rows)])


def _several(curves: Sequence[HaltingCurve]) -> str:
    laws = [curve.law for curve in curves if curve.law is not None and curve.verdict.code == "power_law"]
    if not laws:
        said = f"No power law of size can be claimed on any of the {len(curves)} lines."
    else:
        which = "all" if len(laws) == len(curves) else f"{len(laws)} of the"
        verb = "follow" if len(laws) == len(curves) else "may be said to follow"
        smallest, largest = min(law.k for law in laws), max(law.k for law in laws)
        bounds = [end for law in laws if law.k_interval for end in (law.k_interval.low, law.k_interval.high)]
        said = (
            f"Steps to convergence {verb} a power of size on {which} {len(curves)} lines, with k from "
            f"{number(smallest)} to {number(largest)} (95% intervals within {number(min(bounds))} to "
            f"{number(max(bounds))})."
        )
    ratios = [medians[1] / medians[0] for medians in map(_medians, curves) if medians is not None]
    if ratios:
        few, many = number(min(ratios)), number(max(ratios))
        said += (
            " From the smallest to the largest network the median number of steps changes by a factor of "
            f"{few}{'' if few == many else f' to {many}, line by line'}."
        )
    return said


def _ends(curve: HaltingCurve) -> str:
    medians = _medians(curve)
    if medians is None:
        return ""
    return (
        f"From {number(curve.sizes.min())} to {number(curve.sizes.max())} parameters the median goes from "
        f"{number(medians[0])} to {number(medians[1])} steps."
    )


def _medians(curve: HaltingCurve) -> tuple[float, float] | None:
    """Return the median steps of the smallest and of the largest network; None where half hit the step limit."""
    ends = [curve.sizes == size for size in (curve.sizes.min(), curve.sizes.max())]
    if any(curve.censored[end].mean() >= 0.5 for end in ends):
        return None
    first, last = (statistics.median(curve.steps[end].tolist()) for end in ends)
    return first, last


def _left_out(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    outcomes = Counter(row["outcome"] for row in rows)
    unfinished = sum(row["state"] != "done" for row in rows)
    said = []
    for outcome, what in (
        ("step_limit", "came to the step limit before their validation loss had turned, and count as lower bounds"),
        ("stalled", "stalled: their validation loss never fell by more than the tolerance; they have no halting time"),
        ("diverged", "diverged and have no halting time"),
    ):
        if outcomes[outcome]:
            said.append(f"{outcomes[outcome]} of {len(rows)} runs {what}.")
    if unfinished:
        said.append(f"{unfinished} of {len(rows)} trials are unfinished, so this may change.")
    return said
