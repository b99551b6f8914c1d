"""The study's database, study.db: one SQLite file with a row per trial, for everyone to read.

Only the process that runs the study writes, under the study's lock; anyone can read at any time, with sqlite3, pandas
or `capacity status`. It uses a rollback journal, not a write-ahead log, because that also works on network file
systems. The trial files are the truth and this is their index: what a kill leaves behind here is
caught up from them when the study is resumed.

Table `study` (name, value): facts about the whole study: `format`, `version` (of this package), `created` (UTC),
`device` (it was begun on), `data_name`, `data_path`, `data_digest`, `samples` (N), `test_samples`, `inputs` (D),
`classes` (K).

Table `trials`, one row per trial:

- what was asked: `key`, `data_digest`, `width`, `depth`, `activation`, `init`, `output_init`, `optimizer`, `momentum`,
  `weight_decay`, `lr`, `batch`, `epochs`, `seed`, `precision`, and `parameters` (P, the size that follows from it);
- how far it is: `state` (pending, running, done), `outcome` (NULL until done), `epochs_done`, `step` (SGD steps);
- what was measured last: `train_loss`, `train_top1`, `train_top5`, `test_loss`, `test_top1`, `test_top5` (losses in
  nats, errors as fractions; NULL where not measured or not a number), `seconds` (wall time so far), and
  `examples_per_second` (training examples per second of training);
- how: `device` (the last one), `started`, `finished` (UTC), `provenance` (JSON: versions, machine, threads).

For instance, in pandas: ``pandas.read_sql("select * from trials", sqlite3.connect("study.db"))``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from capacity.errors import StudyError
from capacity.experiments.trial import TrialConfig

FORMAT = "capacity-study/1"
FILE = "study.db"
WAIT_SECONDS = 60.0
"""How long to wait for a reader to let go of the database."""

ASKED = {
    field.name: {"int": "INTEGER", "float": "REAL", "str": "TEXT"}[str(field.type)] for field in fields(TrialConfig)
}
CHANGING = {
    "state": "TEXT NOT NULL DEFAULT 'pending'",
    "outcome": "TEXT",
    "epochs_done": "INTEGER NOT NULL DEFAULT 0",
    "step": "INTEGER NOT NULL DEFAULT 0",
    "train_loss": "REAL",
    "train_top1": "REAL",
    "train_top5": "REAL",
    "test_loss": "REAL",
    "test_top1": "REAL",
    "test_top5": "REAL",
    "seconds": "REAL",
    "examples_per_second": "REAL",
    "device": "TEXT",
    "started": "TEXT",
    "finished": "TEXT",
    "provenance": "TEXT",
}
MEASURED = tuple(name for name, kind in CHANGING.items() if kind == "REAL")

_COLUMNS = (
    "key TEXT PRIMARY KEY",
    *(f"{name} {kind} NOT NULL" for name, kind in ASKED.items()),
    "parameters INTEGER NOT NULL",
    *(f"{name} {kind}" for name, kind in CHANGING.items()),
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS trials ({", ".join(_COLUMNS)});
"""
_RECORD = f"UPDATE trials SET {', '.join(f'{name} = :{name}' for name in CHANGING)} WHERE key = :key"
_RESET = (
    f"UPDATE trials SET {', '.join(f'{name} = NULL' for name, kind in CHANGING.items() if 'NOT NULL' not in kind)}, "
    "state = 'pending', epochs_done = 0, step = 0 WHERE key = ?"
)


class Store:
    """The database opened for writing, by the one process that holds the study's lock."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / FILE, timeout=WAIT_SECONDS, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.execute("PRAGMA synchronous = FULL")

    def create(self, facts: Mapping[str, Any], trials: Iterable[tuple[TrialConfig, int]]) -> None:
        """Make what is not there yet: tables, facts, and a pending row for each (trial, number of parameters)."""
        names = ("key", *ASKED, "parameters")
        insert = f"INSERT OR IGNORE INTO trials ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        rows = [{"key": trial.key, **asdict(trial), "parameters": parameters} for trial, parameters in trials]
        with self._transaction() as database:
            for statement in _SCHEMA.strip().splitlines():
                database.execute(statement)
            database.executemany("INSERT OR IGNORE INTO study VALUES (?, ?)", facts.items())
            database.executemany(insert, rows)

    def record(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the changing columns of some trials, in one transaction."""
        with self._transaction() as database:
            database.executemany(_RECORD, rows)

    def reset(self, keys: Iterable[str]) -> None:
        """Make trials pending again, as if never run."""
        with self._transaction() as database:
            database.executemany(_RESET, [(key,) for key in keys])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

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
    """Return a dict per trial, ordered by depth, width, learning rate (largest first), seed."""
    return _read(folder, "SELECT * FROM trials ORDER BY depth, width, lr DESC, seed")


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
