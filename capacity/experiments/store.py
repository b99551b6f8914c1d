"""The study's database, study.db: one SQLite file with a row per trial, for everyone to read.

Only the process that runs the study writes, under the study's lock; anyone can read at any time, with sqlite3, pandas
or `capacity status`. It uses a rollback journal, not a write-ahead log, because that also works on network file
systems. The trial files are the truth and this is their index: what a kill leaves behind here is
caught up from them when the study is resumed.

Table `study` (name, value): facts about the whole study: `format`, `version` (of this package), `created` (UTC),
`device` (it was begun on), `data_name`, `data_path`, `data_digest`, `samples` (N), `test_samples`, `inputs` (D),
`classes` (K).

Table `trials`, one row per trial, in the order of the study's grid:

- what was asked: `key`, then the fields of the kind's trial (:class:`SweepTrial`, :class:`ConvergeTrial`), and
  `parameters` (P, the size that follows from it);
- how far it is: `state` (pending, running, done), `outcome` (NULL until done), `step` (optimizer steps), and in a sweep
  `epochs_done`;
- what was measured, with losses in nats, errors as fractions, and NULL where not measured or not a number:
  in a sweep, last, `train_loss`, `train_top1`, `train_top5`, `test_loss`, `test_top1`, `test_top5`; in a study of
  convergence `best_loss` (smallest validation loss) at `best_step`, `halting_step` (a lower bound where the outcome is
  step_limit or there is none yet, NULL where it is diverged), `smoothed_outcome` and `smoothed_step` (the same by the
  running median), and the last `validation_loss`, `validation_top1` and `train_loss`;
- `seconds` (wall time so far), and `examples_per_second` (training examples per second of training);
- how: `device` (the last one), `started`, `finished` (UTC), `provenance` (JSON: versions, machine, threads).

For instance, in pandas: ``pandas.read_sql("select * from trials", sqlite3.connect("study.db"))``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from capacity.errors import StudyError
from capacity.experiments.trial import TrialConfig

FORMAT = "capacity-study/1"
FILE = "study.db"
WAIT_SECONDS = 60.0
"""How long to wait for a reader to let go of the database."""


def asked(trial: type[TrialConfig]) -> dict[str, str]:
    """Return the columns of what is asked of a kind's trials, with their SQL types."""
    return {field.name: {"int": "INTEGER", "float": "REAL", "str": "TEXT"}[str(field.type)] for field in fields(trial)}


def changing(trial: type[TrialConfig]) -> dict[str, str]:
    """Return the columns that change as a trial runs, with their SQL types."""
    return {
        "state": "TEXT NOT NULL DEFAULT 'pending'",
        "outcome": "TEXT",
        **trial.columns,
        "seconds": "REAL",
        "examples_per_second": "REAL",
        "device": "TEXT",
        "started": "TEXT",
        "finished": "TEXT",
        "provenance": "TEXT",
    }


class Store:
    """The database of trials of one kind opened for writing, by the one process that holds the study's lock."""

    def __init__(self, folder: Path, trial: type[TrialConfig]) -> None:
        self._asked, self._changing = asked(trial), changing(trial)
        self._database = sqlite3.connect(folder / FILE, timeout=WAIT_SECONDS, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.execute("PRAGMA synchronous = FULL")

    def create(self, facts: Mapping[str, Any], trials: Iterable[tuple[TrialConfig, int]]) -> None:
        """Make what is not there yet: tables, facts, and a pending row for each (trial, number of parameters)."""
        with self._transaction() as database:
            database.execute("CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value)")
            database.execute(f"CREATE TABLE IF NOT EXISTS trials ({', '.join(self._columns())})")
            database.executemany("INSERT OR IGNORE INTO study VALUES (?, ?)", facts.items())
            self._insert(database, trials)

    def record(self, rows: Iterable[Mapping[str, Any]], new: Iterable[tuple[TrialConfig, int]] = ()) -> None:
        """Write the changing columns of some trials, after pending rows for `new` ones, in one transaction."""
        values = ", ".join(f"{name} = :{name}" for name in self._changing)
        with self._transaction() as database:
            self._insert(database, new)
            database.executemany(f"UPDATE trials SET {values} WHERE key = :key", rows)

    def reset(self, keys: Iterable[str]) -> None:
        """Make trials pending again, as if never run."""
        start = {name: kind.partition("DEFAULT ")[2] or "NULL" for name, kind in self._changing.items()}
        values = ", ".join(f"{name} = {value}" for name, value in start.items())
        with self._transaction() as database:
            database.executemany(f"UPDATE trials SET {values} WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _insert(self, database: sqlite3.Connection, trials: Iterable[tuple[TrialConfig, int]]) -> None:
        names = ("key", *self._asked, "parameters")
        insert = f"INSERT OR IGNORE INTO trials ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        rows = [{"key": trial.key, **trial.settings, "parameters": parameters} for trial, parameters in trials]
        database.executemany(insert, rows)

    def _columns(self) -> list[str]:
        return [
            "key TEXT PRIMARY KEY",
            *(f"{name} {kind} NOT NULL" for name, kind in self._asked.items()),
            "parameters INTEGER NOT NULL",
            *(f"{name} {kind}" for name, kind in self._changing.items()),
        ]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return a dict per trial, in the order of the study's grid, in which they were put there."""
    return _read(folder, "SELECT * FROM trials ORDER BY rowid")


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the facts about the whole study."""
    facts = {row["name"]: row["value"] for row in _read(folder, "SELECT name, value FROM study")}
    if facts and facts["format"] != FORMAT:
        raise StudyError(
            f"the study '{folder}' has the format '{facts['format']}' of capacity {facts['version']}, "
            f"expected '{FORMAT}'; open it with that version."
        )
    return facts


def _read(folder: Path, query: str) -> list[dict[str, Any]]:
    path = folder / FILE
    try:
        # Not mode=ro: only a connection that may write can undo a commit that a kill cut short.
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as database:
            database.execute("PRAGMA query_only = ON")
            database.row_factory = sqlite3.Row
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
                return []  # stopped by a kill before anything was recorded
            return [dict(row) for row in database.execute(query)]
    except sqlite3.DatabaseError as error:
        raise StudyError(
            f"the study's database '{path}' cannot be read ({error}); if it is damaged, remove it and run "
            f"'capacity resume {folder}', which makes it again from the trial files."
        ) from error
