"""How a trial can end: named codes, each with a sentence for people."""

from __future__ import annotations

from enum import Enum


class Outcome(str, Enum):
    """How a trial ended. "Did not fit" and "ran out of budget" are different codes.

    The value (a short lower-case name) is what files, tables and the database hold; `sentence` is for people.
    """

    FITTED = "fitted"
    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    STALLED = "stalled"
    DIVERGED = "diverged"
    TIME_LIMIT = "time_limit"

    @property
    def sentence(self) -> str:
        """What the code means, in one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.FITTED: "At the end every training example was classified correctly.",
    Outcome.CONVERGED: "The stopping rule for convergence was met.",
    Outcome.STEP_LIMIT: "All training that was allowed was done, and its aim was not reached.",
    Outcome.STALLED: "Training gained next to nothing, or stopped gaining before it reached its aim.",
    Outcome.DIVERGED: "The loss became infinite or not a number, and the trial was stopped there.",
    Outcome.TIME_LIMIT: "The time allowed ran out before training ended.",
}
