"""Steps until the validation loss has come close to its minimum (Ardalani, Hestness & Diamos 2019, section 3.1)."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from capacity.errors import InputError


@dataclass(frozen=True)
class Halting:
    """When a run came close to its minimum validation loss, or why that cannot be said.

    Attributes
    ----------
    outcome : {"converged", "stalled", "step_limit", "diverged"}
        converged: the minimum held for the patience. stalled: it held too, but the loss was within the tolerance of it
        from the first evaluation on, so that training gained next to nothing. step_limit: the curve ended before the
        minimum had held for the patience; the run is censored. diverged: a loss was infinite or not a number.
    step : int
        converged, stalled: the halting time, the first evaluated step with a loss of at most (1 + tolerance) times
        the minimum. step_limit: a lower bound of it, see `halting_time`. diverged: the step of that loss.
    minimum : float
        Smallest loss of the curve (smoothed, if asked for) up to `last_step`; NaN when the first loss was not finite.
    minimum_step : int or None
        The step at which it was reached first.
    last_step : int
        Last step that was looked at: the end of the curve, or earlier where the patience ran out.
    """

    outcome: str
    step: int
    minimum: float
    minimum_step: int | None
    last_step: int


class Patience:
    """Watches a validation loss during training and says when its minimum has held for long enough.

    Fed with a whole curve it gives what `halting_time` gives, which says what is meant. Memory is bounded by the
    window and the number of times the minimum moved. To resume, feed what was recorded so far to a new one.

    Parameters
    ----------
    patience : int
        Steps (not evaluations) for which the minimum must hold.
    tolerance : float
        Fraction of the minimum within which the loss counts as having reached it.
    smooth : int or None
        Evaluations in the window of a centred running median, odd; None looks at the losses as they are.

    Raises
    ------
    InputError
        A setting is out of range.
    """

    def __init__(self, patience: int, *, tolerance: float = 0.01, smooth: int | None = None) -> None:
        if patience < 1:
            raise InputError(f"patience must be at least 1 step, got {patience}")
        if not 0 <= tolerance < math.inf:
            raise InputError(f"tolerance must be a fraction of the minimum, 0 or more, got {tolerance}")
        if smooth is not None and (smooth < 1 or smooth % 2 == 0):
            raise InputError(
                f"smooth must be an odd number of evaluations, so that a window has a centre, got {smooth}"
            )
        self._patience, self._tolerance = patience, tolerance
        self._window: deque[tuple[int, float]] = deque(maxlen=smooth or 1)
        self._first: int | None = None  # the first step of the curve
        self._last = -1
        self._minima: list[tuple[int, float]] = []  # every (step, loss) below all before it
        self._diverged = False
        self._held = False

    @property
    def ended(self) -> bool:
        """Whether training can end: the minimum has held for the patience, or the loss is not finite."""
        return self._held or self._diverged

    def update(self, step: int, loss: float) -> bool:
        """Take the next evaluation of the curve and return `ended`.

        Once that is true, further evaluations change nothing.

        Parameters
        ----------
        step : int
            Updates done so far; larger than at the evaluation before.
        loss : float
            Validation loss, 0 or more; NaN or infinite when the run has diverged.

        Returns
        -------
        bool

        Raises
        ------
        InputError
            The step does not come after the last one, or the loss is negative.
        """
        if self.ended:
            return True
        if step <= self._last:
            after = f" after {self._last}" if self._last >= 0 else ""
            raise InputError(f"steps must be 0 or more and ascending, got {step}{after}")
        if loss < 0 and math.isfinite(loss):
            raise InputError(
                f"losses must be 0 or more, since the tolerance is a fraction of the minimum, got {loss} at step {step}"
            )
        self._last = step
        self._first = step if self._first is None else self._first
        if not math.isfinite(loss):
            self._diverged = True
            return True
        self._window.append((step, loss))
        if len(self._window) % 2:  # else the window that grows from the start has no centre yet
            self._look(self._window[len(self._window) // 2][0], statistics.median(loss for _, loss in self._window))
        return self.ended

    def _look(self, step: int, loss: float) -> None:
        if not self._minima or loss < self._minima[-1][1]:
            self._minima.append((step, loss))
        self._held = step - self._minima[-1][0] >= self._patience

    @property
    def halting(self) -> Halting:
        """What the curve fed so far says, as if it ended here.

        Raises
        ------
        InputError
            Nothing was fed yet.
        """
        if self._first is None:
            raise InputError("a halting time needs at least one evaluation of the validation loss, got none")
        if not self._minima:
            return Halting("diverged", self._last, math.nan, None, self._last)
        at, minimum = self._minima[-1]
        if self._diverged:
            return Halting("diverged", self._last, minimum, at, self._last)
        near = next(step for step, loss in self._minima if loss <= (1 + self._tolerance) * minimum)
        outcome = "step_limit" if not self._held else "stalled" if near == self._first else "converged"
        return Halting(outcome, near, minimum, at, self._last)


def halting_time(
    steps: Sequence[int], losses: Sequence[float], *, patience: int, tolerance: float = 0.01, smooth: int | None = None
) -> Halting:
    """Return the steps to come within `tolerance` of the minimum validation loss.

    The halting time is min { t : L(t) <= (1 + tolerance) min L }: "iterations to reach to 1% of the minimum validation
    loss" (section 3.1). It is known as finely as the loss was evaluated. A minimum of exactly 0 leaves no margin: then
    the loss must reach 0 itself.

    A minimum counts once it has held, that is, has not been undercut, for `patience` steps; what comes after is not
    looked at. So the result of a run is the same whether it was ended there or went on. Otherwise the run is censored
    (`step_limit`): its minimum could still fall, with it the level to be reached, and the halting time could only
    become later. That makes the time found so far a lower bound, and it is what `step` holds; the last step would
    be none, as a curve that has flattened out may be close to its minimum long before.

    Noise makes the smallest of many losses too small. `smooth` takes the curve through a centred running median first:
    unlike an exponential or a trailing mean it does not shift time, it leaves a falling curve as it is, where a
    centred mean would lift it, and single spikes do not count. At the start the window is as wide as it can be with
    its centre in the middle; at the end, evaluations whose window is not complete are left out.

    Parameters
    ----------
    steps : sequence of int, shape (E,)
        Updates done at each evaluation, ascending, 0 for the untrained network. Without an evaluation at step 0 a run
        that came close before the first one is called stalled.
    losses : sequence of float, shape (E,)
        Validation loss at each, 0 or more; the first that is not finite ends the curve as diverged.
    patience, tolerance, smooth
        As for `Patience`.

    Returns
    -------
    Halting

    Raises
    ------
    InputError
        As for `Patience`, and for curves that are empty or of unequal lengths.
    """
    if len(steps) != len(losses):
        raise InputError(f"steps and losses must have the same length, got {len(steps)} and {len(losses)}")
    watch = Patience(patience, tolerance=tolerance, smooth=smooth)
    for step, loss in zip(steps, losses, strict=True):
        if watch.update(int(step), float(loss)):
            break
    return watch.halting
