"""Numbers as people write them."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Return a number with two or three digits that matter: 1,234; 12; 1.2; 0.41; 0.0023."""
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{round(value, 1):g}" if abs(value) >= 1 else f"{round(value, 9) + 0.0:.2g}"


def percent(fraction: float, samples: int) -> str:
    """Return a fraction of `samples` examples in percent, with as many decimals as tell one example from two (1 to 4).

    Examples: 0.125 of 100 is "12.5", of 60,000 it is "12.500".
    """
    decimals = min(max(math.ceil(math.log10(samples)) - 2, 1), 4)
    return f"{100 * fraction:.{decimals}f}"
