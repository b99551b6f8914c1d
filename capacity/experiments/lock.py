"""One process runs a study; a second is refused, and workers that outlive their master are kept from writing.

Two locks of the operating system (flock), which vanish with their process however it ends:

- `study.lock` is held by the process that runs the study. It also says who that is, in JSON.
- `trials/.writers.lock` is shared by the workers while each trains a slice and writes its files. A process that takes a
  study over waits for those of a dead predecessor, and from then on their `token` no longer matches `study.lock`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from capacity.errors import StudyError
from capacity.experiments.provenance import now

LOCK_FILE = "study.lock"
WRITERS_FILE = ".writers.lock"
PATIENCE_SECONDS = 0.5
"""How long to wait for a study that is taken: a look at its state also takes it, for a moment."""
TAKEOVER_SECONDS = 60.0
"""How long to wait for the workers of a dead process to end their slice."""


@dataclass(frozen=True)
class Owner:
    """Who runs a study: process id, host, since when (UTC), and a token that is new for every run."""

    pid: int
    host: str
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


class FencedError(StudyError):
    """The study was taken over by another process while this worker was still under way."""


@contextmanager
def study_lock(folder: Path) -> Iterator[Owner]:
    """Hold the study for this process.

    Raises
    ------
    StudyError
        When another process holds it; the message names that process.
    """
    with _open(folder / LOCK_FILE) as descriptor:
        if not _acquire(descriptor, fcntl.LOCK_EX, PATIENCE_SECONDS):
            raise StudyError(
                f"the study '{folder}' is being run by {_read(folder) or 'another process'}; "
                "wait until it ends, or stop it."
            )
        owner = Owner(os.getpid(), socket.gethostname(), now(), uuid.uuid4().hex)
        content = json.dumps(asdict(owner)).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        yield owner


def owner_of(folder: Path) -> Owner | None:
    """Return who runs the study now, or None when nobody does."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _acquire(descriptor, fcntl.LOCK_SH) else _read(folder)
    finally:
        os.close(descriptor)


def await_writers(folder: Path) -> None:
    """Wait until no worker of an earlier, dead process still writes into the study."""
    with _open(folder / "trials" / WRITERS_FILE) as descriptor:
        if not _acquire(descriptor, fcntl.LOCK_EX, TAKEOVER_SECONDS):
            raise StudyError(
                f"workers of an earlier run are still writing into the study '{folder}'; stop them or try again later."
            )


@contextmanager
def writer(folder: Path, token: str) -> Iterator[None]:
    """Hold the right to write trial files, given out by the process whose token is `token`.

    Raises
    ------
    FencedError
        When another process runs the study by now.
    """
    with _open(folder / "trials" / WRITERS_FILE) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        owner = _read(folder)
        if owner is None or owner.token != token:
            raise FencedError(f"the study '{folder}' is run by {owner or 'another process'} by now.")
        yield


@contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, kind: int, patience: float = 0.0) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)


def _read(folder: Path) -> Owner | None:
    try:
        return Owner(**json.loads((folder / LOCK_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
