"""The trainer: R independent trainings of one model on one data set, advanced together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import Dataset, Split
from capacity.engine.devices import host_array, make_executor, resolve_device, resolve_precision, uniform_source
from capacity.engine.executor import Replicas, Source, element_type, steps_per_epoch
from capacity.engine.initialise import initialise
from capacity.engine.program import SGD, Program, compile_evaluation, compile_training
from capacity.errors import InputError
from capacity.models import MLP

TOP_K = 5
EVALUATION_RUN = 64
"""Most batches evaluated without returning to Python, so that a long evaluation can be interrupted."""


@dataclass(frozen=True)
class Metrics:
    """Measured over a whole split, per replica; NaN for replicas that are not active.

    Attributes
    ----------
    loss : ndarray (R,)
        Mean cross-entropy, in nats.
    top1, top5 : ndarray (R,)
        Fraction of rows whose label is not the first, or not among the first five, of the classes sorted by logit.
        top5 is NaN when there are five classes or fewer, where it could not be anything but 0.
    """

    loss: NDArray[np.float64]
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """One replica after `step` steps: all it needs to go on. parameters (P,), optimizer (S,)."""

    step: int
    parameters: NDArray[Any]
    optimizer: NDArray[Any]


class Trainer:
    """R independent trainings of one model shape on one data set.

    A replica's numbers are a pure function of (model, data, batch, lr, seed, optimizer, precision, step): bitwise the
    same alone or among others, with any number of threads, and in an unbroken run or after `states` and `restore`.

    Parameters
    ----------
    model : MLP
    data : Dataset
    batch : int
        Rows per step, at most N. The last batch of an epoch has what is left.
    lrs, seeds : sequences of length R
        Learning rate and seed of each replica. The seed keys the initial weights and the order of every epoch.
    optimizer : SGD
    precision : str
        'float32' or 'float64'; on device 'cuda' also 'tf32' or 'bf16', in which products round their factors, and all
        else is float32.
    device : str
        'cpu', 'cuda' (a GPU), 'reference' (NumPy, float64, slow) or 'auto' (a GPU where there is one).
    threads : int or None
        Most threads to use; None is every core this process may run on.

    Attributes
    ----------
    device, precision : str
        What it is trained on and in.
    step : int
        Steps done, the same for all replicas.
    active : ndarray (R,), bool
        Writable; replicas set to False are no longer advanced or evaluated.

    Raises
    ------
    InputError, DeviceError
        When an argument cannot be used.
    """

    def __init__(
        self,
        model: MLP,
        data: Dataset,
        *,
        batch: int,
        lrs: Sequence[float],
        seeds: Sequence[int],
        optimizer: SGD | None = None,
        precision: str = "float32",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        _check(data, batch, lrs, seeds, threads)
        self.model, self.data, self.batch = model, data, batch
        self.device = resolve_device(device)
        self.precision = resolve_precision(self.device, precision)
        training, self._evaluation = compile_programs(model, data, batch, optimizer or SGD())
        self._train = make_executor(self.device, training, self.precision, threads)
        self._evaluate = make_executor(self.device, self._evaluation, self.precision, threads)

        self.step = 0
        self.segments = training.segments
        self.replicas = len(seeds)
        self.parameters = training.sizes["parameters"]
        self.steps_per_epoch = steps_per_epoch(training, len(data.train.labels))
        dtype = element_type(self.precision)
        self._replicas = Replicas(
            parameters=host_array(self.device, (self.replicas, self.parameters), dtype),
            optimizer=host_array(self.device, (self.replicas, training.sizes["optimizer"]), dtype),
            statistics=np.zeros((self.replicas, len(self._evaluation.statistics))),
            seeds=np.array(seeds, np.uint64),
            lrs=np.array(lrs, np.float64),
            active=np.ones(self.replicas, np.bool_),
        )
        uniform = uniform_source(self.device)
        for row, seed in zip(self._replicas.parameters, seeds, strict=True):
            initialise(row, self.segments, seed, uniform)
        for executor in (self._train, self._evaluate):
            executor.reserve(self._replicas)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which replicas are advanced and evaluated, (R,)."""
        return self._replicas.active

    def advance(self, steps: int) -> None:
        """Run `steps` steps in every active replica, without returning to Python in between."""
        self._train.run(self._replicas, self._source(self.data.train), self.step, steps)
        self.step += steps

    def evaluate(self, split: str = "train") -> Metrics:
        """Measure loss and errors over the whole split, 'train' or 'test', at the present parameters."""
        part = self.data.train if split == "train" else self.data.test
        if part is None:
            raise InputError(f"data set '{self.data.name}' has no {split} split; evaluate 'train' instead.")
        statistics = self._replicas.statistics
        statistics[:] = 0.0
        samples = len(part.labels)
        # An evaluation has no optimizer: its program's arena for that is empty, whatever training keeps in it.
        replicas = replace(self._replicas, optimizer=self._replicas.optimizer[:, :0].copy())
        steps = steps_per_epoch(self._evaluation, samples)
        # On a GPU every run copies the parameters there; and its steps, launched from Python, can be interrupted.
        run = steps if self.device == "cuda" else EVALUATION_RUN
        for first in range(0, steps, run):
            self._evaluate.run(replicas, self._source(part), first, min(run, steps - first))
        statistics[~self.active] = np.nan
        named = dict(zip(self._evaluation.statistics, (statistics / samples).T, strict=True))
        return Metrics(named["loss"], named["top1"], named.get("top5", np.full(self.replicas, np.nan)))

    def states(self) -> list[State]:
        """Return a copy of every replica's state."""
        pairs = zip(self._replicas.parameters, self._replicas.optimizer, strict=True)
        return [State(self.step, parameters.copy(), optimizer.copy()) for parameters, optimizer in pairs]

    def restore(self, states: Sequence[State]) -> None:
        """Go on from states of R replicas of the same step, of any device and precision."""
        steps = {state.step for state in states}
        if len(states) != self.replicas or len(steps) != 1:
            raise InputError(
                f"restore expects {self.replicas} states of one step, got {len(states)} of steps {sorted(steps)}."
            )
        for r, state in enumerate(states):
            if state.parameters.shape != (self.parameters,):
                raise InputError(
                    f"restore expects {self.parameters} parameters for this model, got {state.parameters.shape}."
                )
            if state.optimizer.shape != self._replicas.optimizer[r].shape:
                raise InputError(
                    f"restore expects an optimizer state of {self._replicas.optimizer[r].size} numbers for this "
                    f"optimizer, got {state.optimizer.shape}."
                )
            with np.errstate(over="ignore"):  # as it would have overflowed in the smaller type
                self._replicas.parameters[r] = state.parameters
                self._replicas.optimizer[r] = state.optimizer
        (self.step,) = steps

    def _source(self, split: Split) -> Source:
        return Source(split.features, split.labels, self.data.scale)


def compile_programs(model: MLP, data: Dataset, batch: int, optimizer: SGD) -> tuple[Program, Program]:
    """Return the programs of a trainer: one training step, and one batch of an evaluation."""
    topk = (1, TOP_K) if data.classes > TOP_K else (1,)
    return (
        compile_training(model, data.inputs, data.classes, batch, optimizer),
        compile_evaluation(model, data.inputs, data.classes, topk),
    )


def _check(data: Dataset, batch: int, lrs: Sequence[float], seeds: Sequence[int], threads: int | None) -> None:
    samples = len(data.train.labels)
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= samples:
        raise InputError(f"batch must be a whole number from 1 to the {samples} rows of the data, got {batch!r}.")
    if not seeds or len(seeds) != len(lrs):
        raise InputError(f"lrs and seeds must have the same length, one or more, got {len(lrs)} and {len(seeds)}.")
    for lr in lrs:
        if not (isinstance(lr, (int, float)) and 0 < lr < float("inf")):
            raise InputError(f"lr must be a positive finite number, got {lr!r}.")
    for seed in seeds:
        if not 0 <= seed < 2**64:
            raise InputError(f"seed must be from 0 to 2**64 - 1, got {seed!r}.")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more (or None for all {os.cpu_count()} cores), got {threads!r}.")
