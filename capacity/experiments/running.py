"""Running a configured study: its folder, its lock, its database, and the driver in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import capacity
from capacity.data import Dataset
from capacity.engine.devices import resolve_device, resolve_precision
from capacity.errors import StudyError
from capacity.experiments import store
from capacity.experiments.config import StudyConfig
from capacity.experiments.driver import Driver
from capacity.experiments.interrupt import Interrupted
from capacity.experiments.launchers import make_launcher
from capacity.experiments.lock import Owner, await_writers, study_lock
from capacity.experiments.progress import Progress
from capacity.experiments.provenance import now
from capacity.experiments.roster import Roster
from capacity.experiments.sizing import group_limit
from capacity.experiments.study import (
    SETTINGS,
    TRIALS,
    Study,
    check_same_study,
    default_folder,
    read_settings,
    settings_text,
    source_of,
)
from capacity.experiments.trials import TRIALS as TRIALS_OF
from capacity.files import disk_refusals, remove_leftovers, replace_files


def run_study(config: StudyConfig, *, progress: Progress | None = None, executor: Executor | None = None) -> Study:
    """Run a study as configured, or go on with it, or return at once when it is finished.

    This is :func:`capacity.sweep` or another kind's function with its settings in one object; see there for what it
    raises.
    """
    dataset = config.open_data()
    config = config.fitted_to(dataset)
    resolve_device(config.device)  # a name that is none is refused even where nothing is left to train
    path = Path(config.out) if config.out is not None else default_folder(config, dataset)
    with disk_refusals(f"write the study '{path}'", f"see to that, then go on with 'capacity resume {path}'"):
        check_same_study(path, config, dataset)
        if not _is_finished(path, config, dataset):
            resolve_precision(_device(path, config), config.precision)
            with _claim(path, config, dataset) as owner:
                await_writers(path)
                remove_leftovers(path)
                remove_leftovers(path / TRIALS)
                _run_locked(path, owner, config, dataset, progress, executor)
    return Study(path)


def _run_locked(
    path: Path,
    owner: Owner,
    config: StudyConfig,
    dataset: Dataset,
    progress: Progress | None,
    executor: Executor | None,
) -> None:
    roster = Roster(config.plan(dataset), dataset, path)
    with closing(store.Store(path, TRIALS_OF[config.kind])) as database:
        database.create(_facts(config, dataset), roster.sizes.items())
        device = _device(path, config)
        launcher = make_launcher(executor, config.workers, config.threads)
        limit = group_limit(config.replicas, device, launcher.at_once, dataset, roster.sizes)
        Driver(
            path,
            owner.token,
            database,
            roster,
            data=source_of(dataset),
            memory=None if dataset.windows is None else dataset.windows.memory,
            samples=len(dataset.train.labels),
            device=device,
            launcher=launcher,
            limit=limit,
            progress=progress,
        ).run()
    if further := config.further(path, dataset, list(roster.sizes)):
        sizes = {trial: roster.sizes[trial] for trial in further}
        try:
            config.go_further(path, sizes, dataset, device, limit, progress)
        except KeyboardInterrupt as error:
            raise Interrupted(path) from error


def _device(path: Path, config: StudyConfig) -> str:
    """Return the device to train on; 'auto' is the one on which the study was begun."""
    begun = store.read_facts(path) if (path / store.FILE).exists() else {}
    return resolve_device(begun.get("device", "auto") if config.device == "auto" else config.device)


def _is_finished(path: Path, config: StudyConfig, dataset: Dataset) -> bool:
    """Whether nothing is left to do; found out without a lock, so that it also works where writing is not allowed."""
    try:
        roster = Roster(config.plan(dataset), dataset, path)
    except StudyError:
        return False
    return not roster.unfinished and not config.further(path, dataset, list(roster.sizes))


@contextmanager
def _claim(path: Path, config: StudyConfig, dataset: Dataset) -> Iterator[Owner]:
    """Lock the study's folder, and make it first when it is new; where the disk refuses, leave nothing behind."""
    is_new = not path.exists()
    with ExitStack() as stack:
        try:
            (path / TRIALS).mkdir(parents=True, exist_ok=True)
            owner = stack.enter_context(study_lock(path))
            if not (path / SETTINGS).exists():
                replace_files(path, [(SETTINGS, settings_text(config, dataset))])
        except OSError:
            if is_new:
                shutil.rmtree(path, ignore_errors=True)
            raise
        check_same_study(path, config, dataset)
        if config.kept().items() - read_settings(path).kept().items():
            replace_files(path, [(SETTINGS, settings_text(config, dataset))])
        yield owner


def _facts(config: StudyConfig, dataset: Dataset) -> dict[str, Any]:
    return {
        "format": store.FORMAT,
        "version": capacity.__version__,
        "created": now(),
        "device": resolve_device(config.device),
        "data_name": dataset.name,
        "data_path": str(dataset.path),
        "data_digest": dataset.digest,
        "samples": len(dataset.train.labels),
        "test_samples": None if dataset.test is None else len(dataset.test.labels),
        "inputs": dataset.inputs,
        "classes": dataset.classes,
        **config.facts(dataset),
    }
