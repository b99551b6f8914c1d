"""The study of convergence from Python."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from capacity.data import Dataset
from capacity.experiments.api import named
from capacity.experiments.converge_config import ConvergeConfig
from capacity.experiments.progress import Progress
from capacity.experiments.running import run_study
from capacity.experiments.study import Study


def converge(
    data: str | Path | Dataset = "digits",
    *,
    widths: Sequence[int] = (4, 8, 16, 32, 64, 128),
    depths: Sequence[int] = (1,),
    fractions: Sequence[float] = (0.25, 0.5, 1.0),
    lrs: Sequence[float] | None = None,
    optimizers: Sequence[str] = ("sgd",),
    batch: int = 32,
    seeds: int = 10,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    activation: str = "relu",
    init: str = "glorot_uniform",
    output_init: str = "glorot_uniform",
    tolerance: float = 0.01,
    smooth: int = 5,
    every: int | None = None,
    patience: float = 10.0,
    epochs: int | None = None,
    steps: int | None = None,
    trajectory: int | None = None,
    alignment: bool = False,
    precision: str = "float32",
    device: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    replicas: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Study:
    """Train networks of every size until their validation loss turns, and keep how long that took as a study.

    The protocol of Ardalani, Hestness & Diamos 2019, section 3.1: the halting time is the first step at which the loss
    over the test split is within `tolerance` of its minimum (:func:`capacity.analysis.halting_time`). All but the size
    is held fixed along a line. The same call again goes on where the study was stopped, or returns at once when it is
    finished.

    Parameters
    ----------
    data : str, Path or Dataset
        A built-in name, a file, or an open data set that has a file; it needs a test split.
    widths, depths : sequence of int
        Hidden units per layer, and numbers of hidden layers.
    fractions : sequence of float
        Parts of the training set to train on, n = round(fraction N). The n examples are drawn by the run's seed, so a
        seed varies the data as well as the start and the order; at every width a seed has the same examples, and
        those of a smaller fraction are among those of a larger.
    lrs : sequence of float or None
        Learning rates, each with every optimizer; None is 0.1 for 'sgd', 0.01 for 'momentum', 0.001 for 'adam'
        and 'adamw', 0.2 for 'shampoo'.
    optimizers : sequence of {'sgd', 'momentum', 'adam', 'adamw', 'shampoo'}
    batch : int
        Examples per step.
    seeds : int
        Runs per setting, with seeds 0..seeds-1.
    momentum : float
        Of the optimizer 'momentum'.
    weight_decay : float or None
        None is 0.01 for 'adamw' and 0 for the others.
    activation, init, output_init : str
        See :class:`capacity.MLP`.
    tolerance : float
        Fraction of the minimum.
    smooth : int
        Validations in the window of the running median from which a second, smoothed halting time is taken; odd.
    every : int or None
        Steps between validations; None is a quarter of an epoch of the smallest fraction, but no less than takes
        about as long as a validation. The study records which it was.
    patience : float
        A run ends, as 'converged', when its minimum has held for so many epochs of its own n examples, on the curve as
        it is and on the smoothed one.
    epochs, steps : int or None
        The step limit, in epochs of a run's own examples or in steps, rounded up to a validation; neither is 200
        epochs. A run that comes to it is censored: 'step_limit'.
    trajectory : int or None
        Record the path through weight space at every so many steps, see :meth:`Study.trajectory`; means and totals are
        of every step all the same. None is at every validation, 0 not at all, which makes steps a little faster.
    alignment : bool
        Run what has converged a second time, with distances and angles measured from the parameters W* that it ended
        with; this may be asked for when the study is there already.
    precision, device, workers, threads, replicas, out, progress, executor
        As for :func:`capacity.sweep`; the folder is studies/converge-DATA-HASH when not given.

    Returns
    -------
    Study

    Raises
    ------
    InputError, DeviceError
        When a setting cannot be used or the data have no test split; nothing is written then.
    StudyError
        When the folder is another study, is used by another process, or cannot be written.
    KeyboardInterrupt
        After Ctrl-C, once what runs is checkpointed.
    """
    config = ConvergeConfig(
        data=named(data),
        widths=widths,
        depths=depths,
        fractions=fractions,
        lrs=lrs,
        optimizers=optimizers,
        batch=batch,
        seeds=seeds,
        momentum=momentum,
        weight_decay=weight_decay,
        activation=activation,
        init=init,
        output_init=output_init,
        tolerance=tolerance,
        smooth=smooth,
        every=every,
        patience=patience,
        epochs=epochs,
        steps=steps,
        trajectory=trajectory,
        alignment=alignment,
        precision=precision,
        device=device,
        workers=workers,
        threads=threads,
        replicas=replicas,
        out=out,
    )
    return run_study(config, progress=progress, executor=executor)
