"""The sweep from Python, and going on with a study of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from capacity.data import Dataset
from capacity.errors import InputError
from capacity.experiments.progress import Progress
from capacity.experiments.running import run_study
from capacity.experiments.study import SETTINGS, Study, read_settings, source_of
from capacity.experiments.sweep_config import SweepConfig


def sweep(
    data: str | Path | Dataset = "digits",
    *,
    widths: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128),
    depths: Sequence[int] = (1,),
    lrs: Sequence[float] = (0.1, 0.01),
    epochs: int = 100,
    batch: int = 32,
    seeds: int = 3,
    optimizer: str = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    activation: str = "sigmoid",
    init: str = "glorot_uniform",
    output_init: str = "zeros",
    metric: str = "top1",
    precision: str = "float32",
    device: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    replicas: int | None = None,
    memory: int | str | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Study:
    """Train a network of every width and depth with every learning rate and seed, and keep all of it as a study.

    The protocol of Dauphin & Bengio 2013, section 2.

    The same call again goes on where the study was stopped, or returns at once when it is finished.

    Parameters
    ----------
    data : str, Path or Dataset
        A built-in name, a file, or an open data set that has a file.
    widths, depths : sequence of int
        Hidden units per layer, and numbers of hidden layers.
    lrs : sequence of float
        Learning rates; the best is chosen per network on the training error, all trials are kept.
    epochs, batch : int
        Passes over the training set, and examples per step.
    seeds : int
        Runs per network and learning rate, with seeds 0..seeds-1.
    optimizer : {'sgd', 'momentum'}
    momentum : float
        Of the optimizer 'momentum'.
    weight_decay : float
        Added to the gradient as weight_decay * w.
    activation, init, output_init : str
        See :class:`capacity.MLP`.
    metric : {'top1', 'top5'}
        The training error that selects the learning rate and is drawn.
    precision : {'float32', 'float64', 'tf32', 'bf16'}
        In 'tf32' and 'bf16' products round their factors, and all else is float32. Device 'cuda' offers both, device
        'cpu' 'bf16' where the processor has AVX512_BF16.
    device : str
        'auto' is, for a study that exists, the device it was begun on.
    workers : int
        Local processes, which share the cores; 1 trains in this process. With more, call this under
        ``if __name__ == "__main__":`` in a script. With an `executor`, how many groups of trials it gets at a time.
    threads : int or None
        CPU threads, shared among the workers; None is all cores. With an `executor`, threads of each group.
    replicas : int or None
        Most trials of a network trained together, which changes no number but those of time; None is as many as fit
        into memory.
    memory : int, str or None
        Most memory for the data, in bytes or as text ("512MB"); None is half of the machine's. A larger data set is
        read epoch by epoch through windows that fit, once for all trials, in an order that depends on this number.
    out : str, Path or None
        The study folder; None is studies/sweep-DATA-HASH in the current folder.
    progress : callable or None
        Called with a :class:`Snapshot` now and then, and at the end.
    executor : concurrent.futures.Executor or None
        Runs the trials elsewhere, in processes that see the study folder under the same path.

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
    config = SweepConfig(
        data=named(data),
        widths=widths,
        depths=depths,
        lrs=lrs,
        epochs=epochs,
        batch=batch,
        seeds=seeds,
        optimizer=optimizer,
        momentum=momentum,
        weight_decay=weight_decay,
        activation=activation,
        init=init,
        output_init=output_init,
        metric=metric,
        precision=precision,
        device=device,
        workers=workers,
        threads=threads,
        replicas=replicas,
        memory=memory,
        out=out,
    )
    return run_study(config, progress=progress, executor=executor)


def resume(
    path: str | Path,
    *,
    device: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    replicas: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Study:
    """Go on with a study that was stopped, from its last checkpoints; see :func:`sweep` for the parameters.

    Raises
    ------
    StudyError
        When the folder is not a study, is used by another process, or cannot be written.
    """
    settings = read_settings(Path(path))
    try:
        settings.open_data()
    except InputError as error:
        raise InputError(
            f"the data of the study '{path}' cannot be used ({str(error).rstrip('.')}); put the file back, or name its "
            f"new place as data in '{Path(path, SETTINGS)}'."
        ) from error
    how = {"device": device, "workers": workers, "threads": threads, "replicas": replicas}
    return run_study(type(settings)(**settings.model_dump() | how), progress=progress, executor=executor)


def named(data: str | Path | Dataset) -> str | Path:
    """Return what names the data; processes and later runs open it again, so it must have a file."""
    if not isinstance(data, Dataset):
        return data
    if data.path is None:
        raise InputError("data must be a data set with a file, got one in memory; write it with save_dataset first.")
    return source_of(data)
