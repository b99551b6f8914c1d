"""A study folder: making it, recognising it, and reading it.

=================  ===================================================================================================
`study.toml`       what was asked: the kind of study, and the fields of its config that make it what it is
`study.db`         SQLite, a row per trial; see :mod:`capacity.experiments.store`
`study.lock`       who runs the study (JSON); see :mod:`capacity.experiments.lock`
`trials/KEY.h5`    curves and checkpoint of each trial; see :mod:`capacity.experiments.trialfile`
`alignment/`       paths as seen from their ends, where asked for; see :mod:`capacity.experiments.alignment`
=================  ===================================================================================================
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

import capacity
from capacity.data import BUILT_IN, Dataset
from capacity.errors import InputError, StudyError
from capacity.experiments import store
from capacity.experiments.alignment import read_alignment
from capacity.experiments.config import StudyConfig
from capacity.experiments.loading import load_config
from capacity.experiments.lock import LOCK_FILE, Owner, owner_of
from capacity.experiments.trial import digest_of
from capacity.experiments.trialfile import file_name, read_record
from capacity.experiments.trials import TRIALS as TRIALS_OF
from capacity.files import disk_refusals

SETTINGS = "study.toml"
TRIALS = "trials"


@dataclass(frozen=True)
class Status:
    """How far a study is: numbers of trials by state and by outcome code, and who runs it now (None: nobody)."""

    pending: int
    running: int
    done: int
    outcomes: dict[str, int]
    owner: Owner | None

    @property
    def total(self) -> int:
        """Number of trials."""
        return self.pending + self.running + self.done


class Study:
    """A study folder, for reading; it may be running meanwhile. Made by :func:`capacity.open_study`.

    Attributes
    ----------
    path : Path
    config : StudyConfig
        What was asked, of the kind `config.kind`; `out` is the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = read_settings(self.path)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Facts about the whole study; see :mod:`capacity.experiments.store`."""
        facts = store.read_facts(self.path)
        if not facts:
            raise StudyError(
                f"the study '{self.path}' was stopped before it began; begin it with 'capacity resume {self.path}'."
            )
        return facts

    @property
    def data_name(self) -> str:
        """The data set's name."""
        return str(self.facts["data_name"])

    @property
    def dataset_size(self) -> int:
        """N, the number of training samples."""
        return int(self.facts["samples"])

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per trial, in the order of the study's grid: the seed changes fastest, or n in a search.

        Its items are the columns of the table `trials` (:mod:`capacity.experiments.store`) but for the provenance.
        A measured quantity is a float, NaN where it is not known; a step that is not known, and the outcome until the
        trial is done, are None.
        """
        trial = TRIALS_OF[self.config.kind]
        rows = sorted(store.read_rows(self.path), key=lambda row: [row[name] for name in trial.order])
        columns = store.changing(trial)
        measured = [name for name, kind in columns.items() if kind == "REAL"]
        for row in rows:
            del row["provenance"]
            row.update({name: math.nan for name in measured if row[name] is None})
        return rows

    def curves(self, key: str) -> dict[str, NDArray[np.float64]]:
        """Return the curves of a trial by name, an entry a measurement; units in :mod:`capacity.experiments.trialfile`.

        Raises
        ------
        InputError
            When the study has no trial of that key, or none of it has been saved yet.
        """
        path = self.path / TRIALS / file_name(key)
        if not path.exists():
            raise InputError(f"the study '{self.path}' has no curves of a trial '{key}' yet.")
        return {name: np.array(values) for name, values in read_record(path).curves.items()}

    def trajectory(self, key: str, anchor: str = "start") -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
        """Return the path of a trial through weight space: the names of the groups of layers, and its arrays by name.

        `step` is (T,), all others are (T, G); units in :mod:`capacity.experiments.trialfile`. Distances and angles are
        from W(0), or with anchor='end' from W*, where the trial ended.

        Raises
        ------
        InputError
            When nothing of it was recorded.
        """
        if anchor == "end":
            path = read_alignment(self.path, key)
        else:
            file = self.path / TRIALS / file_name(key)
            path = read_record(file).path if file.exists() else None
        if path is None:
            raise InputError(
                f"the study '{self.path}' has recorded no trajectory of a trial '{key}' from its {anchor}."
            )
        return path.groups, path.arrays()

    def status(self) -> Status:
        """Return how far the study is."""
        rows = store.read_rows(self.path)
        states = Counter(row["state"] for row in rows)
        outcomes = Counter(row["outcome"] for row in rows if row["outcome"])
        return Status(states["pending"], states["running"], states["done"], dict(outcomes), owner_of(self.path))

    def __repr__(self) -> str:
        return f"Study('{self.path}')"


def open_study(path: str | Path) -> Study:
    """Open a study folder for reading.

    Raises
    ------
    StudyError
        When the folder is not a study.
    """
    return Study(path)


def read_settings(path: Path) -> StudyConfig:
    """Return what a study was asked to do."""
    with disk_refusals(f"read the study '{path}'", "see to that first"):
        if not (path / SETTINGS).is_file():
            what = "not a study folder: it has no study.toml" if path.is_dir() else "not there"
            raise StudyError(f"the study '{path}' is {what}.")
    return load_config(path / SETTINGS, out=path)


def settings_text(config: StudyConfig, dataset: Dataset) -> bytes:
    """Return the content of study.toml."""
    fields = {name: value for name, value in (config.identity() | config.kept()).items() if value is not None}
    settings = {"kind": config.kind, **fields, "data": source_of(dataset)}
    head = f"# A study of capacity {capacity.__version__}: what was asked. Results are in study.db and trials/.\n"
    return (head + tomli_w.dumps(settings)).encode()


def source_of(dataset: Dataset) -> str:
    """Return what opens a data set from anywhere: its built-in name or its absolute path."""
    built_in = [name for name, file in BUILT_IN.items() if file == dataset.path]
    return built_in[0] if built_in else str(Path(dataset.path or "").absolute())


def default_folder(config: StudyConfig, dataset: Dataset) -> Path:
    """Return studies/KIND-DATA-HASH; the hash is of the config, with the data's content instead of its path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", dataset.name).strip("-.") or "data"
    return Path("studies", f"{config.kind}-{name}-{digest_of({**config.identity(), 'data': dataset.digest})[:8]}")


def check_same_study(path: Path, config: StudyConfig, dataset: Dataset) -> None:
    """See that a folder is free, or holds this very study.

    Raises
    ------
    StudyError
        Naming the first setting that differs, or what is in the way.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise StudyError(f"the study folder '{path}' cannot be made: a file of that name is in the way.")
    if not (path / SETTINGS).exists():
        foreign = sorted(entry.name for entry in path.iterdir() if not _is_ours(entry.name))
        if foreign:
            raise StudyError(
                f"the folder '{path}' is not a study and holds other things ('{foreign[0]}'); "
                "choose another folder (out)."
            )
        return
    there = read_settings(path)
    if there.kind != config.kind:
        raise StudyError(
            f"the study '{path}' is of the kind '{there.kind}', and this asks for '{config.kind}'; choose another "
            "folder (out)."
        )
    asked, made = config.identity(), there.identity()
    facts = store.read_facts(path) if (path / store.FILE).exists() else {}
    if facts.get("data_digest", dataset.digest) != dataset.digest:
        memory = "" if dataset.windows is None else " and memory"
        raise StudyError(
            f"the study '{path}' was made with data set '{facts['data_name']}' of digest {facts['data_digest'][:8]}, "
            f"and '{config.data}' has digest {dataset.digest[:8]}; use the same data{memory} or choose another folder "
            "(out)."
        )
    for name in asked:
        if name != "data" and made.get(name) != asked[name]:
            raise StudyError(
                f"the study '{path}' was made with {name} = {_shown(made.get(name))}, and this asks for {name} = "
                f"{_shown(asked[name])}; use the same settings or choose another folder (out)."
            )


def _is_ours(name: str) -> bool:
    """Whether a file may be there although a kill came before study.toml was written."""
    return name in (LOCK_FILE, TRIALS) or name.startswith(f".{SETTINGS}.")


def _shown(value: Any) -> str:
    if value is None:
        return "(not given)"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
