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
from capacity.engine.executor import Looks, Replicas, Source, element_type, steps_per_epoch
from capacity.engine.fitting import add_up
from capacity.engine.initialise import initialise
from capacity.engine.optimizers import SGD, Optimizer, check_optimizer
from capacity.engine.program import Program, compile_evaluation, compile_training
from capacity.engine.trajectory import Sums
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

    A replica's numbers are a pure function of (model, data, its rows, batch, lr, seed, optimizer, precision, step):
    bitwise the same alone or among others, with any number of threads, and in an unbroken run or after `states` and
    `restore`.

    Parameters
    ----------
    model : MLP
    data : Dataset
    batch : int
        Rows per step, at most N. The last batch of an epoch has what is left.
    lrs, seeds : sequences of length R
        Learning rate and seed of each replica. The seed keys the initial weights and the order of every epoch.
    samples : sequence of R ints or None
        How many rows of the training set each replica is given, n; None is all N. With n < batch an epoch is one step.
    subset_seeds : sequence of R ints or None
        Which n rows: a random subset keyed by this seed, in which that of any smaller n lies; None is `seeds`.
    optimizer : SGD, Adam, AdamW or Shampoo
        None is SGD().
    precision : str
        'float32' or 'float64'; on device 'cuda' also 'tf32' or 'bf16', and on device 'cpu' 'bf16' where the processor
        has AVX512_BF16: in these, products round their factors, and all else is float32.
    device : str
        'cpu', 'cuda' (a GPU), 'reference' (NumPy, float64, slow) or 'auto' (a GPU where there is one).
    threads : int or None
        Most threads to use; None is every core this process may run on.
    trajectory : bool
        Whether every step also adds up, for each segment, the four sums that the path through weight space is
        described by. It costs little more than reading the anchor costs; plain SGD is then no longer folded into the
        weight gradients' product, which changes its rounding, and no other number changes at all.
    anchors : sequence of R arrays of shape (P,) or None
        The points that distances are measured from; None is each replica's initial parameters W(0). A second run whose
        anchors are the parameters W* that the first one ended with measures the same path from its end.

    Attributes
    ----------
    device, precision : str
        What it is trained on and in.
    step : int
        Steps done, the same for all replicas.
    steps_per_epoch : ndarray (R,), int64
        Steps in which a replica sees each of its rows once.
    active : ndarray (R,), bool
        Writable; replicas set to False are no longer advanced or evaluated.
    segments : tuple of Segment
        The parameters by layer and role, in their order in a state's parameters.
    trajectory : ndarray (R, steps, segments, 4), float64
        The sums of the last `advance`, in the order of :class:`capacity.engine.trajectory.Sums`: |g|^2, |dw|^2,
        <w - anchor, g> and |w - anchor|^2, with w and the gradient g of the mean loss (weight decay is no part of it)
        before the step, and dw what the step changed. NaN for replicas that are not active; no steps without
        trajectory=True. See :mod:`capacity.analysis.trajectory`.

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
        samples: Sequence[int] | None = None,
        subset_seeds: Sequence[int] | None = None,
        optimizer: Optimizer | None = None,
        precision: str = "float32",
        device: str = "cpu",
        threads: int | None = None,
        trajectory: bool = False,
        anchors: Sequence[NDArray[Any]] | None = None,
    ) -> None:
        rows = len(data.train.labels)
        samples = [rows] * len(seeds) if samples is None else samples
        subset_seeds = seeds if subset_seeds is None else subset_seeds
        _check(rows, batch, lrs, seeds, threads)
        _check_subsets(rows, len(seeds), samples, subset_seeds)
        optimizer = SGD() if optimizer is None else optimizer
        check_optimizer(optimizer)
        self.model, self.data, self.batch = model, data, batch
        self.device = resolve_device(device)
        self.precision = resolve_precision(self.device, precision)
        training, self._evaluation = compile_programs(model, data, batch, optimizer, trajectory=trajectory)
        self._train = make_executor(self.device, training, self.precision, threads)
        self._evaluate = make_executor(self.device, self._evaluation, self.precision, threads)

        self.step = 0
        self.segments = training.segments
        self.replicas = len(seeds)
        self.parameters = training.sizes["parameters"]
        dtype = element_type(self.precision)
        self._replicas = Replicas(
            parameters=host_array(self.device, (self.replicas, self.parameters), dtype),
            optimizer=host_array(self.device, (self.replicas, training.sizes["optimizer"]), dtype),
            statistics=np.zeros((self.replicas, len(self._evaluation.statistics))),
            seeds=np.array(seeds, np.uint64),
            lrs=np.array(lrs, np.float64),
            samples=np.array(samples, np.int64),
            subsets=np.array(subset_seeds, np.uint64),
            active=np.ones(self.replicas, np.bool_),
            anchor=host_array(self.device, (self.replicas, training.sizes["anchor"]), dtype),
            trace=np.empty((self.replicas, 0, training.traced_segments, len(Sums))),
        )
        self.steps_per_epoch = steps_per_epoch(training, self._replicas.samples)
        uniform = uniform_source(self.device)
        for row, seed in zip(self._replicas.parameters, seeds, strict=True):
            initialise(row, self.segments, seed, uniform)
        if trajectory:
            self._replicas.anchor[:] = self._replicas.parameters
        if anchors is not None:
            self._set_anchors(anchors)
        self.trajectory = self._replicas.trace
        for executor in (self._train, self._evaluate):
            executor.reserve(self._replicas)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which replicas are advanced and evaluated, (R,)."""
        return self._replicas.active

    def advance(self, steps: int) -> None:
        """Run `steps` steps in every active replica, without returning to Python in between."""
        traced = self._replicas.trace
        self.trajectory = np.full((self.replicas, steps if traced.shape[2] else 0, *traced.shape[2:]), np.nan)
        replicas = replace(self._replicas, trace=self.trajectory)
        self._train.run(replicas, self._source(self.data.train), self.step, steps)
        self.step += steps

    def evaluate(self, split: str = "train") -> Metrics:
        """Measure loss and errors at the present parameters, over a replica's own rows ('train') or the test set."""
        part = self.data.train if split == "train" else self.data.test
        if part is None:
            raise InputError(f"data set '{self.data.name}' has no {split} split; evaluate 'train' instead.")
        statistics = self._replicas.statistics
        statistics[:] = 0.0
        samples = self._replicas.samples if split == "train" else np.full(self.replicas, len(part.labels))
        # On a GPU every run copies the parameters there; and its steps, launched from Python, can be interrupted.
        most = None if self.device == "cuda" else EVALUATION_RUN
        add_up(self._evaluate, replace(self._replicas, samples=samples), self._source(part), most)
        statistics[~self.active] = np.nan
        return self._metrics(statistics / samples[:, None])

    def fit(self, every: int, most: int, allowed: Sequence[int]) -> tuple[Metrics, NDArray[np.int64]]:
        """Advance each active replica until it has fitted its own rows, without returning to Python in between.

        Every `every` steps, `most` times, it is measured; it goes no further once at most `allowed` (R,) of its rows
        are wrong, or once its loss is not finite. It is then no longer active.

        Returns
        -------
        metrics : Metrics
            Of each look, (most, R) each; NaN where a replica was not looked at any more.
        looks : ndarray (R,), int64
            How many looks it took. `step` has gone on by the most there were; a replica has done `every` for each.
        """
        names, samples = self._evaluation.statistics, self._replicas.samples
        measured = np.zeros((self.replicas, most, len(names)))
        limits = np.array(allowed, np.int64)
        source, asked = self._source(self.data.train), Looks(every, names.index("top1"), limits, measured)
        looks = self._train.fit(self._evaluate, self._replicas, source, self.step, asked)
        self.step += every * int(looks.max())
        last = measured[np.arange(self.replicas), looks - 1]
        self.active[(last[:, asked.wrong] <= limits) | ~np.isfinite(last).all(axis=1)] = False
        measured[np.arange(most) >= looks[:, None]] = np.nan
        return self._metrics(measured.swapaxes(0, 1) / samples[:, None]), looks

    def _metrics(self, means: NDArray[np.float64]) -> Metrics:
        """Name the means of an evaluation, (..., statistics)."""
        named = dict(zip(self._evaluation.statistics, np.moveaxis(means, -1, 0), strict=True))
        return Metrics(named["loss"], named["top1"], named.get("top5", np.full(means.shape[:-1], np.nan)))

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

    def _set_anchors(self, anchors: Sequence[NDArray[Any]]) -> None:
        if self._replicas.anchor.size == 0:
            raise InputError("anchors are what a trajectory is measured from: give trajectory=True with them.")
        shapes = [np.shape(anchor) for anchor in anchors]
        if shapes != [(self.parameters,)] * self.replicas:
            raise InputError(
                f"anchors must be {self.replicas} arrays of the {self.parameters} parameters of this model, got "
                f"shapes {shapes}."
            )
        for row, anchor in zip(self._replicas.anchor, anchors, strict=True):
            row[:] = anchor

    def _source(self, split: Split) -> Source:
        return Source(split.features, split.labels, self.data.scale)


def compile_programs(
    model: MLP, data: Dataset, batch: int, optimizer: Optimizer, *, trajectory: bool = False
) -> tuple[Program, Program]:
    """Return the programs of a trainer: one training step, and one batch of an evaluation."""
    topk = (1, TOP_K) if data.classes > TOP_K else (1,)
    return (
        compile_training(model, data.inputs, data.classes, batch, optimizer, trajectory=trajectory),
        compile_evaluation(model, data.inputs, data.classes, topk),
    )


def _check(rows: int, batch: int, lrs: Sequence[float], seeds: Sequence[int], threads: int | None) -> None:
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= rows:
        raise InputError(f"batch must be a whole number from 1 to the {rows} rows of the data, got {batch!r}.")
    if not seeds or len(seeds) != len(lrs):
        raise InputError(f"lrs and seeds must have the same length, one or more, got {len(lrs)} and {len(seeds)}.")
    for lr in lrs:
        if not (isinstance(lr, (int, float)) and 0 < lr < float("inf")):
            raise InputError(f"lr must be a positive finite number, got {lr!r}.")
    _check_seeds("seed", seeds)
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more (or None for all {os.cpu_count()} cores), got {threads!r}.")


def _check_subsets(rows: int, replicas: int, samples: Sequence[int], subset_seeds: Sequence[int]) -> None:
    if len(samples) != replicas or len(subset_seeds) != replicas:
        raise InputError(
            f"samples and subset_seeds must have one entry for each of the {replicas} seeds, got {len(samples)} and "
            f"{len(subset_seeds)}."
        )
    for n in samples:
        if isinstance(n, bool) or not 1 <= n <= rows:
            raise InputError(f"samples must be from 1 to the {rows} rows of the data, got {n!r}.")
    _check_seeds("subset_seed", subset_seeds)


def _check_seeds(name: str, seeds: Sequence[int]) -> None:
    for seed in seeds:
        if not 0 <= seed < 2**64:
            raise InputError(f"{name} must be from 0 to 2**64 - 1, got {seed!r}.")
