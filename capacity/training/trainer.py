"""The trainer: R independent trainings of one model on one data set, advanced together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import Dataset
from capacity.engine.devices import host_array, make_executor, resolve_device, resolve_precision, uniform_source
from capacity.engine.executor import Looks, Replicas, element_type, steps_per_epoch
from capacity.engine.fitting import add_up
from capacity.engine.initialise import initialise
from capacity.engine.optimizers import SGD, Optimizer, check_optimizer
from capacity.engine.program import MICRO_BATCH, Program, compile_evaluation, compile_training
from capacity.engine.trajectory import Sums
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training.checks import check_run, check_subsets
from capacity.training.feed import evaluation_rows, resident, training_rows

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
        check_run(rows, batch, lrs, seeds, threads)
        check_subsets(data, len(seeds), samples, subset_seeds)
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
        self._measured: dict[tuple[str, bytes], Metrics] = {}  # at the present parameters, by split and active replicas
        for executor in (self._train, self._evaluate):
            executor.reserve(self._replicas)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which replicas are advanced and evaluated, (R,)."""
        return self._replicas.active

    def advance(self, steps: int) -> None:
        """Run `steps` steps in every active replica, without returning to Python where all rows are in memory."""
        advance_together((self,), steps)

    def evaluate(self, split: str = "train") -> Metrics:
        """Measure loss and errors at the present parameters, over a replica's own rows ('train') or the test set."""
        (metrics,) = evaluate_together((self,), split)
        return metrics

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
        source, asked = resident(self.data, self.data.train), Looks(every, names.index("top1"), limits, measured)
        self._measured.clear()
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
        self._measured.clear()

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

    def _traced(self, steps: int) -> NDArray[np.float64]:
        """Return room for the sums of so many steps; for none without a trajectory."""
        shape = self._replicas.trace.shape
        return np.full((self.replicas, steps if shape[2] else 0, *shape[2:]), np.nan)


def advance_together(trainers: Sequence[Trainer], steps: int) -> None:
    """Run `steps` steps of trainers on one data set that have the same batch and are equally far.

    Rows that are read in windows are read once for all of them.
    """
    first = trainers[0]
    traces = [trainer._traced(steps) for trainer in trainers]
    done = 0
    for source, step, count in training_rows(first.data, first.batch, first.step, steps):
        for trainer, trace in zip(trainers, traces, strict=True):
            part = trace if count == steps else trainer._traced(count)
            trainer._train.run(replace(trainer._replicas, trace=part), source, step, count)
            if part is not trace and part.size:
                trace[:, done : done + count] = part
        done += count
    for trainer, trace in zip(trainers, traces, strict=True):
        trainer.trajectory = trace
        trainer.step += steps
        trainer._measured.clear()


def evaluate_together(trainers: Sequence[Trainer], split: str = "train") -> list[Metrics]:
    """Measure trainers on one data set, as `Trainer.evaluate` does; each remembers it until it is advanced.

    Rows that are read in windows are read once for all of them.
    """
    data = trainers[0].data
    part = data.train if split == "train" else data.test
    if part is None:
        raise InputError(f"data set '{data.name}' has no {split} split; evaluate 'train' instead.")
    due = [trainer for trainer in trainers if (split, trainer.active.tobytes()) not in trainer._measured]
    whole = np.array([len(part.labels)])
    samples = [t._replicas.samples if split == "train" else whole.repeat(t.replicas) for t in due]
    for trainer in due:
        trainer._replicas.statistics[:] = 0.0
    for source, first, count in evaluation_rows(data, part, MICRO_BATCH) if due else ():
        for trainer, rows in zip(due, samples, strict=True):
            # On a GPU every run copies the parameters there; and its steps, launched from Python, can be interrupted.
            most = None if trainer.device == "cuda" else EVALUATION_RUN
            replicas = replace(trainer._replicas, samples=rows)
            add_up(trainer._evaluate, replicas, source, most, first=first, end=first + count)
    for trainer, rows in zip(due, samples, strict=True):
        statistics = trainer._replicas.statistics
        statistics[~trainer.active] = np.nan
        trainer._measured[split, trainer.active.tobytes()] = trainer._metrics(statistics / rows[:, None])
    return [trainer._measured[split, trainer.active.tobytes()] for trainer in trainers]


def compile_programs(
    model: MLP, data: Dataset, batch: int, optimizer: Optimizer, *, trajectory: bool = False
) -> tuple[Program, Program]:
    """Return the programs of a trainer: one training step, and one batch of an evaluation."""
    topk = (1, TOP_K) if data.classes > TOP_K else (1,)
    return (
        compile_training(model, data.inputs, data.classes, batch, optimizer, trajectory=trajectory),
        compile_evaluation(model, data.inputs, data.classes, topk),
    )
