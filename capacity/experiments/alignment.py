"""The second look at the paths of trials: from where they ended.

The angle A_e between W(t) - W* and the gradient needs W*, the parameters that a run ends with, before the run. Since a
run is a pure function of its config, it is run a second time, with W* as the point that distances and angles are
measured from. Each result is a file `alignment/KEY.h5` with `/trajectory` as in a trial's file, and the attribute
`reproduced`: whether the second run ended in W*, bit for bit. What is there is not done again; that it was asked for
stands in study.toml, so that `resume` does the rest.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from capacity.data import Dataset
from capacity.experiments import store
from capacity.experiments.groups import make_groups
from capacity.experiments.interrupt import Interrupted, Interrupts
from capacity.experiments.paths import GroupPaths, PathRecord
from capacity.experiments.progress import Meter, Progress
from capacity.experiments.sizing import Limit
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trialfile import file_name, opened, pack_path, read_path, read_state
from capacity.files import replace_files
from capacity.training import State, Trainer

ALIGNMENT = "alignment"
CHUNK = 500
"""Most steps without returning to Python, so that a second run can be interrupted, and says how far it is."""


def unaligned(study: Path, trials: Sequence[TrialConfig]) -> list[TrialConfig]:
    """Return the trials that have converged and have no second look yet."""
    rows = {row["key"]: row["outcome"] for row in store.read_rows(study)} if study.is_dir() else {}
    there = study / ALIGNMENT
    return [t for t in trials if rows.get(t.key) == "converged" and not (there / file_name(t.key)).exists()]


def align(
    study: Path,
    sizes: Mapping[TrialConfig, int],
    dataset: Dataset,
    *,
    device: str,
    threads: int | None,
    limit: Limit,
    progress: Progress | None,
) -> None:
    """Run trials a second time, those of a network together, and write what they look like from their ends.

    Raises
    ------
    Interrupted
        After Ctrl-C; groups that had come to their end are there, others begin anew.
    """
    (study / ALIGNMENT).mkdir(exist_ok=True)
    ends = {row["key"]: row["step"] for row in store.read_rows(study)}
    limits = {trial: ends[trial.key] for trial in sizes}
    meter = Meter(study, device, len(dataset.train.labels), progress, "second run")
    meter.add(sizes, limits)
    interrupts = Interrupts()

    def watch(trials: Sequence[TrialConfig], step: int) -> None:
        meter.reach(trials, step)
        meter.tell()
        if interrupts.requested:
            raise Interrupted(study)

    with interrupts:
        for group in make_groups(dict.fromkeys(sizes, (0, 0)), sizes, 1, limit):
            meter.running = {group: f"{group.label}, seen from the end"}
            states = [read_state(study / "trials" / file_name(trial.key)) for trial in group.trials]
            replace_files(study / ALIGNMENT, _second_run(group.trials, states, dataset, device, threads, watch))
            for trial in group.trials:
                meter.finish(trial)
    meter.tell(at_once=True)


def read_alignment(study: Path, key: str) -> PathRecord | None:
    """Return the path of a trial as seen from its end; None when there is none, or the second run went elsewhere."""
    path = study / ALIGNMENT / file_name(key)
    if not path.exists():
        return None
    with opened(path) as file:
        return read_path(file["trajectory"]) if file.attrs["reproduced"] else None


def _second_run(
    trials: Sequence[TrialConfig],
    ends: Sequence[State],
    dataset: Dataset,
    device: str,
    threads: int | None,
    watch: Callable[[Sequence[TrialConfig], int], None],
) -> Iterator[tuple[str, bytes]]:
    first, samples = trials[0], len(dataset.train.labels)
    trainer = Trainer(
        first.model(),
        dataset,
        batch=first.batch,
        lrs=[trial.lr for trial in trials],
        seeds=[trial.seed for trial in trials],
        samples=[trial.rows(samples) for trial in trials],
        optimizer=first.rule(),
        precision=first.precision,
        device=device,
        threads=threads,
        trajectory=True,
        anchors=[end.parameters for end in ends],
    )
    paths = GroupPaths(trainer, [None] * len(trials), first.path_every)
    stops = np.array([end.step for end in ends])
    while trainer.active.any():
        trainer.advance(min(CHUNK, int(stops[trainer.active].min()) - trainer.step))
        paths.add(trainer)
        watch([trial for trial, active in zip(trials, trainer.active, strict=True) if active], trainer.step)
        trainer.active[:] = stops > trainer.step
    for trial, path, end, state in zip(trials, paths.paths, ends, trainer.states(), strict=True):
        # A trial that moved between devices does not end in the same point to the last bit.
        reproduced = np.array_equal(end.parameters, state.parameters)
        yield file_name(trial.key), _pack(path, reproduced=reproduced)


def _pack(path: PathRecord, *, reproduced: bool) -> bytes:
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["reproduced"] = reproduced
        pack_path(path, file.create_group("trajectory"))
    return image.getvalue()
