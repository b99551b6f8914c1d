"""The trials of a study: those it begins with, and those that results call for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from capacity.data import Dataset
from capacity.engine.program import compile_training
from capacity.experiments import store
from capacity.experiments.outcomes import Outcome
from capacity.experiments.study import TRIALS
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trialfile import file_name

Row = Mapping[str, Any]


class Plan:
    """Which trials a study has. Here all are known from the start; the plan of a search overrides `take`.

    Attributes
    ----------
    first : sequence of TrialConfig
        The trials that it begins with, in the order of its grid.
    """

    def __init__(self, first: Sequence[TrialConfig]) -> None:
        self.first = first

    def take(self, trial: TrialConfig, row: Row) -> Sequence[TrialConfig]:
        """Return the trials that the result of one calls for.

        What is there in the end must not depend on the order in which results are taken, and a result that is taken
        twice changes nothing: then a study that was stopped and resumed has the trials of an unbroken one.
        """
        return ()


def replay(plan: Plan, result: Callable[[TrialConfig], Row | None]) -> dict[TrialConfig, Row | None]:
    """Return the trials that a plan comes to with the results there are so far, and the result of each."""
    known: dict[TrialConfig, Row | None] = {}
    left = deque(plan.first)
    while left:
        trial = left.popleft()
        row = known[trial] = result(trial)
        if row is not None:
            left.extend(plan.take(trial, row))
    return known


class Roster:
    """The trials of a study that are known so far; those of an earlier run are found again by its results.

    Parameters
    ----------
    plan : Plan
    dataset : Dataset
    folder : Path
        The study's folder, which need not be there yet.

    Attributes
    ----------
    sizes : dict
        The trials, and the number of parameters P of each.
    done : set of TrialConfig
        Those with a row that says so, and with a file where one is wanted.
    """

    def __init__(self, plan: Plan, dataset: Dataset, folder: Path) -> None:
        self._plan, self._dataset = plan, dataset
        self._of_network: dict[object, int] = {}
        rows = finished_rows(folder)

        def result(trial: TrialConfig) -> Row | None:
            row = rows.get(trial.key)
            return row if row is not None and _has_what_it_needs(trial, row, folder) else None

        known = replay(plan, result)
        self.sizes = {trial: self._size(trial) for trial in known}
        self.done = {trial for trial, row in known.items() if row is not None}

    @property
    def unfinished(self) -> list[TrialConfig]:
        """The trials that are not done."""
        return [trial for trial in self.sizes if trial not in self.done]

    def take(self, trial: TrialConfig, row: Row) -> list[TrialConfig]:
        """Take in the result of a trial, and return the new trials that it calls for."""
        new = [trial for trial in self._plan.take(trial, row) if trial not in self.sizes]
        self.sizes.update((trial, self._size(trial)) for trial in new)
        return new

    def _size(self, trial: TrialConfig) -> int:
        data = trial.data(self._dataset)
        network = (trial.model(), data.inputs, data.classes)
        if network not in self._of_network:
            program = compile_training(trial.model(), data.inputs, data.classes, trial.batch, trial.rule())
            self._of_network[network] = program.sizes["parameters"]
        return self._of_network[network]


def finished_rows(folder: Path) -> dict[str, Row]:
    """Return the rows of trials that are done, by key; none where there is no study yet."""
    rows = store.read_rows(folder) if (folder / store.FILE).exists() else []
    return {row["key"]: row for row in rows if row["state"] == "done"}


def _has_what_it_needs(trial: TrialConfig, row: Row, folder: Path) -> bool:
    return not trial.keeps_file(Outcome(row["outcome"])) or (folder / TRIALS / file_name(trial.key)).exists()
