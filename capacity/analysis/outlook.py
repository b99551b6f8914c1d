"""Whether a training will still fit its sample, judged by its curve."""

from __future__ import annotations

import math
from bisect import bisect_right

from capacity.errors import InputError

EARLIEST = 0.1
"""Part of the budget before which nothing is judged: nets often begin on a plateau."""
PACE = 3.0
"""How many times its present pace a training is given credit for."""


class Outlook:
    """Watches the wrong examples of a training and says when it will hardly fit within its budget.

    Errors of a training fall roughly evenly in the logarithm of the steps. With m(t) the fewest wrong examples up to
    step t, the pace is m(t/2) - m(t) a doubling. A training is hopeless at t when even three times this pace (`PACE`)
    over the doublings that are left, log2(budget / t), would leave more wrong examples than are allowed. Nothing is
    judged before a tenth of the budget (`EARLIEST`). That is a rule of thumb: how often it is wrong must be measured.

    Parameters
    ----------
    budget : int
        Steps that the training may take.
    allowed : int
        Wrong examples with which it counts as fitted.
    """

    def __init__(self, budget: int, allowed: int) -> None:
        if budget < 1 or allowed < 0:
            raise InputError(f"a budget of at least 1 step and 0 or more wrong examples, got {budget} and {allowed}")
        self._budget, self._allowed = budget, allowed
        self._steps: list[int] = []  # where the fewest wrong examples moved
        self._fewest: list[int] = []

    def update(self, step: int, wrong: int) -> bool:
        """Take the number of wrong examples after `step` steps; return whether the training is hopeless.

        Steps ascend from measurement to measurement.
        """
        if not self._fewest or wrong < self._fewest[-1]:
            self._steps.append(step)
            self._fewest.append(wrong)
        if step < EARLIEST * self._budget or step >= self._budget:
            return False
        place = bisect_right(self._steps, step // 2) - 1
        if place < 0:  # nothing was measured by half of these steps
            return False
        pace = self._fewest[place] - self._fewest[-1]
        reach = self._fewest[-1] - PACE * pace * math.log2(self._budget / step)
        return reach > self._allowed
