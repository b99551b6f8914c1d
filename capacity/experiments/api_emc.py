"""The study of effective model complexity from Python."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from capacity.data import Dataset
from capacity.experiments.api import named
from capacity.experiments.emc_config import EmcConfig
from capacity.experiments.progress import Progress
from capacity.experiments.running import run_study
from capacity.experiments.study import Study


def emc(
    data: str | Path | Dataset = "digits",
    *,
    widths: Sequence[int] = (4, 8, 16, 32),
    depths: Sequence[int] = (1,),
    activations: Sequence[str] = ("relu",),
    labels: Sequence[str] = ("semantic", "random"),
    classes: Sequence[int] | None = None,
    selection: str = "merge",
    optimizers: Sequence[str] = ("sgd",),
    lrs: Sequence[float] | None = None,
    batch: int = 32,
    seeds: int = 5,
    accuracy: float = 1.0,
    search: str = "bracket",
    first: int = 16,
    n_max: int | None = None,
    resolution: float = 0.05,
    increment: int | None = None,
    retests: int = 1,
    steps: int | None = None,
    epochs: int | None = None,
    early: bool = True,
    generalise: bool = False,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    init: str = "glorot_uniform",
    output_init: str = "glorot_uniform",
    precision: str = "float32",
    device: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    replicas: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Study:
    """Search for the effective model complexity of networks, and keep every training as a study.

    EMC is the largest n at which training from a fresh start reaches the target accuracy on a random sample of n
    (Nakkiran et al. 2020; Shwartz-Ziv et al. 2024). A training ends as soon as it has fitted. Samples are nested by
    seed, weights are drawn anew every time, nothing is augmented. The same call again goes on where the study was
    stopped, or returns at once when it is finished.

    Parameters
    ----------
    data : str, Path or Dataset
        A built-in name, a file, or an open data set that has a file.
    widths, depths : sequence of int
        Hidden units per layer, and numbers of hidden layers.
    activations : sequence of str
        See :class:`capacity.MLP`.
    labels : sequence of {'semantic', 'random', 'random-inputs'}
        What the data are made into, see :func:`capacity.data.derive_dataset`.
    classes : sequence of int or None
        Numbers of classes K; None is that of the data.
    selection : {'merge', 'select'}
        How semantic labels come down to fewer classes.
    optimizers : sequence of {'sgd', 'gd', 'momentum', 'adam', 'adamw', 'shampoo'}
        'gd' is gradient descent on the whole sample.
    lrs : sequence of float or None
        Learning rates, of which one is chosen for every network and octave of n (`capacity.experiments.emc_plan`); None
        is three for each optimizer.
    batch : int
        Examples per step; a sample with fewer is one batch.
    seeds : int
        Samples and starts per network, with seeds 0..seeds-1.
    accuracy : float
        Share of the sample that must be classified correctly, above 0 and at most 1.
    search : {'bracket', 'scan'}
        See :mod:`capacity.experiments.emc_search`.
    first, n_max : int
        Smallest and largest sample; n_max None is all training examples.
    resolution, increment : float, int or None
        Step between sizes as a fraction of n, or in examples.
    retests : int
        Sizes tried beyond a closed bracket, on either side.
    steps, epochs : int or None
        Budget of a training, in steps or in epochs of its own sample; 20,000 steps when neither is given.
    early : bool
        End trainings whose curve says that they will not fit, but for a random tenth; see
        :class:`capacity.analysis.outlook.Outlook`. Failures that an EMC rests on have the whole budget all the same.
    generalise : bool
        When the search of a network with semantic labels has come to its end, train it on the largest sample (n_max)
        for each seed, in the same budget, and measure its error on the test split; the report sets that against EMC. It
        may be asked for when a study is there already.
    momentum : float
        Of the optimizer 'momentum'.
    weight_decay : float
    init, output_init : str
        See :class:`capacity.MLP`.
    precision, device, workers, threads, replicas, out, progress, executor
        As for :func:`capacity.sweep`; the folder is studies/emc-DATA-HASH when not given.

    Returns
    -------
    Study

    Raises
    ------
    InputError, DeviceError
        When a setting cannot be used; nothing is written then.
    StudyError
        When the folder is another study, is used by another process, or cannot be written.
    KeyboardInterrupt
        After Ctrl-C, once what runs is checkpointed.
    """
    config = EmcConfig(
        data=named(data),
        widths=widths,
        depths=depths,
        activations=activations,
        labels=labels,
        classes=classes,
        selection=selection,
        optimizers=optimizers,
        lrs=lrs,
        batch=batch,
        seeds=seeds,
        accuracy=accuracy,
        search=search,
        first=first,
        n_max=n_max,
        resolution=resolution,
        increment=increment,
        retests=retests,
        steps=steps,
        epochs=epochs,
        early=early,
        generalise=generalise,
        momentum=momentum,
        weight_decay=weight_decay,
        init=init,
        output_init=output_init,
        precision=precision,
        device=device,
        workers=workers,
        threads=threads,
        replicas=replicas,
        out=out,
    )
    return run_study(config, progress=progress, executor=executor)
