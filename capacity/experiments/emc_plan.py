"""The trainings of a study of effective model complexity: each network's search asks for them, round after round.

A round of a network is what its search wants at one moment, a training for each seed. The next round is asked for when
all of the last one have ended, so the trainings of a study are a function of their results alone, whatever ran side by
side, and a study that was stopped asks for the same ones again.

Learning rates are chosen by octave of n: the first time that a network comes to sizes from 2^k to 2^(k+1) - 1, that
round's trainings are run with every rate, for every seed: a rate with which one seed fits fast may kill the units of
another's. The rate with which most fit is used for that octave; then the one with the fewest wrong examples in those
that do not, and the fewest steps in those that do.

A failure that was called early by its curve (:class:`capacity.analysis.outlook.Outlook`) is a prediction. A random
tenth of all trainings is therefore run to the limit whatever its curve says. And when a search has settled, the
smallest failure of each seed is run again to the limit, if it was called early; where it fits after all, its answer is
corrected and the search goes on. So every failure that an EMC rests on has had the whole budget.

With `generalise`, a search with semantic labels that has come to its end asks for a last round: for each seed the
network is trained on the largest sample there may be, n_max, and tested. That is all examples unless fewer were asked
for, and then no training of a study goes beyond them. The learning rate is that of the largest sample the search tried,
the nearest below that has one. These trainings are no answers of the search.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from capacity.experiments.emc_config import LEARNING_RATES, EmcConfig
from capacity.experiments.emc_search import Bracket, Pair, Scan, Search, candidate_sizes
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.outcomes import Outcome
from capacity.experiments.roster import Plan
from capacity.experiments.trial import TrialConfig

CARRIED = 10
"""One training in so many is run to its limit whatever its curve says."""
CHECK_STEPS = 20
"""Least steps between two looks at whether a training has fitted."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What a search is about: a network, an optimizer, and what the data are made into."""

    labels: str
    classes: int
    optimizer: str
    activation: str
    depth: int
    width: int


class CellSearch:
    """The search of one cell: which trainings it wants, given the results so far.

    Attributes
    ----------
    sizes : list of int
        Those that may be tried, ascending.
    results : dict of EmcTrial to row
        What has ended.
    tests : dict of EmcTrial to row
        What has ended of the trainings that are tested, which are no part of the search.
    """

    def __init__(self, config: EmcConfig, cell: Cell, data_digest: str) -> None:
        assert config.n_max is not None
        self._config, self.cell, self._digest = config, cell, data_digest
        self._rates = config.lrs if config.lrs is not None else LEARNING_RATES[cell.optimizer]
        increment = config.increment
        self.sizes = candidate_sizes(config.first, config.n_max, resolution=config.resolution, increment=increment)
        self._chosen: dict[int, float] = {}
        self._pilots: dict[int, list[EmcTrial]] = {}  # those that an octave's learning rate is chosen by
        self._asked: dict[EmcTrial, None] = {}  # in the order in which they were asked for
        self._awaited: set[EmcTrial] = set()
        self.results: dict[EmcTrial, Row] = {}
        self.tests: dict[EmcTrial, Row] = {}

    def take(self, trial: EmcTrial, row: Row) -> list[EmcTrial]:
        """Take a result and return the trainings of the next round, if this was the last of the present one."""
        if trial.test:
            self.tests[trial] = row
        if trial.test or trial in self.results:
            return []
        self.results[trial] = row
        self._awaited.discard(trial)
        return [] if self._awaited else self.wanted()

    def wanted(self) -> list[EmcTrial]:
        """Return the trainings of the next round; when the search has come to its end, those that are tested."""
        new = self._next()
        for trial in new:
            if self._rate(trial.samples) is None:
                self._pilots.setdefault(_octave(trial.samples), []).append(trial)
        self._asked.update(dict.fromkeys(new))
        self._awaited.update(new)
        return new or self._tests()

    @property
    def seeds(self) -> int:
        """How many seeds it is about."""
        return self._config.seeds

    @property
    def ended(self) -> bool:
        """Whether the search has come to its end."""
        return not self._awaited and not self._next()

    def _next(self) -> list[EmcTrial]:
        pairs = self.search().wanted(self._config.seeds)
        trials = list(self._round(pairs)) if pairs else self._verifications()
        return [trial for trial in trials if trial not in self._asked]

    def _tests(self) -> list[EmcTrial]:
        """Return a training to be tested for every seed."""
        config = self._config
        if not config.generalise or self.cell.labels != "semantic":
            return []
        rate = self._rate(max(trial.samples for trial in self._asked))
        assert rate is not None
        assert config.n_max is not None
        return [replace(self._trial(config.n_max, seed, rate), full=1, test=1) for seed in range(config.seeds)]

    def search(self) -> Search:
        """Return the search with all answers so far."""
        seeds = range(self._config.seeds)
        search = (
            Scan(self.sizes, seeds)
            if self._config.search == "scan"
            else Bracket(self.sizes, seeds, self._config.retests)
        )
        for (n, seed), fitted in self.answers().items():
            search.take(n, seed, fitted)
        return search

    def answers(self) -> dict[Pair, bool]:
        """Return whether the training of each (n, seed) fitted, with the learning rate that is used for n."""
        return {pair: self._fitted(trial) for pair, trial in self.used().items()}

    def used(self) -> dict[Pair, EmcTrial]:
        """Return the training that is the answer to each (n, seed): the last one, or the one that fitted."""
        found: dict[Pair, EmcTrial] = {}
        for trial in self._asked:
            pair = (trial.samples, trial.seed)
            if trial in self.results and trial.lr == self._rate(trial.samples):
                found[pair] = found[pair] if pair in found and self._fitted(found[pair]) else trial
        return found

    def verified(self) -> list[EmcTrial]:
        """Return the trainings that were run a second time, with their whole budget, and have ended."""
        return [trial for trial in self.results if trial.full and replace(trial, full=0) in self.results]

    def _fitted(self, trial: EmcTrial) -> bool:
        return bool(self.results[trial]["outcome"] == Outcome.FITTED.value)

    def _round(self, pairs: Sequence[Pair]) -> Iterator[EmcTrial]:
        """Yield the trainings of some pairs; in an octave without a learning rate with every rate."""
        for n, seed in pairs:
            rate = self._rate(n)
            for each in self._rates if rate is None else [rate]:
                yield self._trial(n, seed, each)

    def _rate(self, n: int) -> float | None:
        """Return the learning rate for samples of n, None while it is not chosen."""
        if len(self._rates) == 1:
            return self._rates[0]
        octave = _octave(n)
        pilots = self._pilots.get(octave, ())
        if octave not in self._chosen and pilots and all(pilot in self.results for pilot in pilots):
            of = {rate: [self.results[pilot] for pilot in pilots if pilot.lr == rate] for rate in self._rates}
            self._chosen[octave] = min(self._rates, key=lambda rate: _rank(of[rate]))
        return self._chosen.get(octave)

    def _verifications(self) -> list[EmcTrial]:
        """Return the smallest failure of each seed with its whole budget, where it was called early."""
        early = Outcome.STALLED.value
        return [replace(t, full=1) for t in self.failures() if self.results[t]["outcome"] == early]

    def failures(self) -> list[EmcTrial]:
        """Return the smallest failure of each seed that has one, the training with the whole budget if there is one."""
        failures: dict[int, EmcTrial] = {}
        for (_, seed), trial in sorted(self.used().items()):
            if not self._fitted(trial):
                failures.setdefault(seed, trial)
        return list(failures.values())

    def _trial(self, n: int, seed: int, lr: float) -> EmcTrial:
        config, cell = self._config, self.cell
        reach = 2 ** (_octave(n) + 1)  # what depends on n is alike within an octave, so that it trains together
        batch = min(reach, config.n_max or reach) if cell.optimizer == "gd" else config.batch
        every = max(CHECK_STEPS, math.ceil(reach / batch))
        budget = config.steps or (config.epochs or 1) * math.ceil(n / batch)
        full = not config.early or _lot(self._digest, cell, n, seed) < 1 / CARRIED
        return EmcTrial(
            data_digest=self._digest,
            width=cell.width,
            depth=cell.depth,
            activation=cell.activation,
            init=config.init,
            output_init=config.output_init,
            optimizer=cell.optimizer,
            momentum=config.momentum if cell.optimizer == "momentum" else 0.0,
            weight_decay=config.weight_decay,
            lr=lr,
            batch=batch,
            seed=seed,
            precision=config.precision,
            labels=cell.labels,
            classes=cell.classes,
            selection=config.selection,
            samples=n,
            accuracy=config.accuracy,
            check_every=every,
            steps=math.ceil(budget / every) * every,
            full=int(full),
            test=0,
        )


class EmcPlan(Plan):
    """The searches of a study on the data of a digest.

    Attributes
    ----------
    searches : dict of Cell to CellSearch
        In the order of the study's grid.
    """

    def __init__(self, config: EmcConfig, data_digest: str) -> None:
        grid = product(
            config.labels, config.classes or (0,), config.optimizers, config.activations, config.depths, config.widths
        )
        cells = dict.fromkeys(Cell(*values) if values[-2] else Cell(*values[:-1], width=1) for values in grid)
        self.searches = {cell: CellSearch(config, cell, data_digest) for cell in cells}
        super().__init__([trial for search in self.searches.values() for trial in search.wanted()])

    def take(self, trial: TrialConfig, row: Row) -> Sequence[TrialConfig]:
        assert isinstance(trial, EmcTrial)
        cell = Cell(*(getattr(trial, name) for name in Cell.__dataclass_fields__))
        return self.searches[cell].take(trial, row)


def _octave(n: int) -> int:
    return n.bit_length() - 1


def _rank(rows: Sequence[Row]) -> tuple[float, ...]:
    """Return what orders learning rates by the results of their trainings, the best first."""
    fitted = [row for row in rows if row["outcome"] == Outcome.FITTED.value]
    failed = [row for row in rows if row["outcome"] != Outcome.FITTED.value]
    diverged = sum(row["outcome"] == Outcome.DIVERGED.value for row in failed)
    wrong, steps = sum(row["fewest_wrong"] for row in failed), sum(row["step"] for row in fitted)
    losses = [math.inf if row["train_loss"] is None else row["train_loss"] for row in failed]  # None or NaN: diverged
    return len(failed), diverged, wrong, steps, math.inf if any(map(math.isnan, losses)) else sum(losses)


def _lot(digest: str, cell: Cell, n: int, seed: int) -> float:
    """Return a number from 0 to 1 that is drawn once for each training."""
    text = repr((digest, asdict(cell), n, seed))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
