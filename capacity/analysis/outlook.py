"""Whether a training will still fit its sample, judged by its curve."""

from __future__ import annotations

import math
from bisect import bisect_right

from capacity.errors import InputError

JUDGEMENTS = tuple(2 ** (-k / 2) for k in range(6, 0, -1))
"""Parts of the budget at which a training is judged; not before an eighth, since nets often begin on a plateau."""
PACE = 3.0
"""How many times its present pace a training is given credit for."""


class Outlook:
    """Watches the wrong examples of a training and says when it will hardly fit within its budget.

    Errors of a training fall roughly evenly in the logarithm of the steps. With m(t) the fewest wrong examples up to
    step t, the pace is m(t/2) - m(t) a doubling, and one more, since a count may stand still by chance. A training is
    hopeless at t when even three times this pace (`PACE`) over the doublings that are left, log2(budget / t), would
    leave more wrong examples than are allowed. It is judged at a few steps only (`JUDGEMENTS`), so that it can run on
    undisturbed between them. That is a rule of thumb: how often it is wrong must be measured.

    Parameters
    ----------
    budget : int
        Steps that the training may take.
    allowed : int
        Wrong examples with which it counts as fitted.
    every : int
        Steps between measurements.
    """

    def __init__(self, budget: int, allowed: int, every: int) -> None:
        if budget < 1 or allowed < 0 or every < 1:
            raise InputError(
                "an outlook needs a budget of at least 1 step, 0 or more wrong examples and 1 or more steps between "
                f"measurements, got {budget}, {allowed} and {every}."
            )
        self._budget, self._allowed, self._every = budget, allowed, every
        self._next = next_judgement(0, budget, every)
        self._steps: list[int] = []  # where the fewest wrong examples moved
        self._fewest: list[int] = []

    def update(self, step: int, wrong: int) -> bool:
        """Take the number of wrong examples after `step` steps; return whether the training is hopeless.

        Steps ascend from measurement to measurement.
        """
        if not self._fewest or wrong < self._fewest[-1]:
            self._steps.append(step)
            self._fewest.append(wrong)
        if step < self._next or step >= self._budget:
            return False
        self._next = next_judgement(step, self._budget, self._every)
        place = bisect_right(self._steps, step // 2) - 1
        if place < 0:  # nothing was measured by half of these steps
            return False
        pace = self._fewest[place] - self._fewest[-1] + 1
        reach = self._fewest[-1] - PACE * pace * math.log2(self._budget / step)
        return reach > self._allowed


def next_judgement(step: int, budget: int, every: int) -> int:
    """Return the first measurement after `step` at which a training is judged; the budget when none is left."""
    places = (math.ceil(part * budget / every) * every for part in JUDGEMENTS)
    return next((place for place in places if step < place < budget), budget)
