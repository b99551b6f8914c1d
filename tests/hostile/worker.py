"""Runs cases one after the other in children of a process that has loaded what commands load.

A child runs many cases, each within bounds of memory, processor time, time and size of files. Where a case takes the
child down, the next child goes on with the case after it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from capacity.data.importers.ilsvrc2010_devkit import META, Synset
from tests.hostile.case import CANARY, MEGABYTE, Case, Files
from tests.hostile.judge import BROKEN, fault_of, snapshot, use

CPU_SECONDS, WALL_SECONDS = 10, 100
"""The bounds of a case. Wall time is there for hangs: the machine may be shared by many."""

_FILE_BYTES = 64 * MEGABYTE
_BATCH = 400


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `fault` is empty when it kept every promise; `cpu` is the time that all of it took."""

    case: str
    code: int
    said: str
    fault: str
    seconds: float
    cpu: float


def run_all(cases: Sequence[Case], folder: Path) -> Iterator[Outcome]:
    """Run cases in a folder and judge each."""
    _warm()
    gc.freeze()
    done = 0
    while done < len(cases):
        for outcome in _run_batch(cases[done : done + _BATCH], folder):
            done += 1
            yield outcome


def _warm() -> None:
    import h5py
    import numpy

    import capacity.cli.data
    import capacity.data

    assert all((h5py, numpy, capacity.cli.data, capacity.data))
    _read_classes_once()


def _read_classes_once() -> None:
    """Read the 1000 classes of ILSVRC2010 once for all cases that have the same: it takes a third of a second."""
    import capacity.data.importers.ilsvrc2010 as importer

    read, known = importer.read_synsets, dict[bytes, tuple[Synset, ...]]()

    def read_once(devkit: Path) -> tuple[Synset, ...]:
        path = devkit / META
        content = path.read_bytes() if path.is_file() else b""
        if content not in known:
            known[content] = read(devkit)
        return known[content]

    importer.read_synsets = read_once


def _run_batch(cases: Sequence[Case], folder: Path) -> Iterator[Outcome]:
    """Run cases in one child, up to the first that takes it down."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(cases, folder, write)
    os.close(write)
    done = 0
    with os.fdopen(read, encoding="utf-8") as outcomes:
        for line in outcomes:
            done += 1
            yield Outcome(**json.loads(line))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    shutil.rmtree(folder / "case", ignore_errors=True)
    if done < len(cases):
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended the process with exit code {code}"
        yield Outcome(cases[done].name, code, "", how, 0.0, 0.0)


def _in_child(cases: Sequence[Case], folder: Path, pipe: int) -> None:
    """Run the cases; never returns."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
        for number in (signal.SIGALRM, signal.SIGPROF):  # they kill even where C code never comes back to Python
            signal.signal(number, signal.SIG_DFL)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            for case in cases:
                line = json.dumps(asdict(_run(case, folder / "case", out, err))) + "\n"
                os.write(pipe, line.encode())
        code = 0
    finally:
        os._exit(code)


def _run(case: Case, folder: Path, out: BinaryIO, err: BinaryIO) -> Outcome:
    """Run a case in a new folder and judge it."""
    inside, worked = folder / "inside", _cpu()
    target = inside / (case.target or ".none")
    allowed = {target, inside / (case.kept or ".none")}
    _lay_out(case.make(), inside)
    before = snapshot(folder, allowed)
    began = time.monotonic()
    with _bounds(case.memory):
        code = _command(case, inside, target)
    seconds = time.monotonic() - began
    said = _content(err)
    fault = fault_of(code, said, _content(out))
    if not fault and code != 0 and case.valid:
        fault = f"refused what is valid: {said}"
    if not fault and code == 0 and case.refused:
        fault = "took what had to be refused"
    if not fault and snapshot(folder, allowed if code else {target}) != before:
        fault = "files beside the target were made, changed or removed"
    if not fault and case.target and target.exists() != (code == 0):
        fault = f"exit code {code}, and the target is {'there' if code else 'not there'}"
    os.chdir("/")
    shutil.rmtree(folder)
    return Outcome(case.name, code, said, fault, seconds, _cpu() - worked)


def _lay_out(files: Files, inside: Path) -> None:
    inside.mkdir(parents=True)
    (inside / CANARY).write_bytes(b"alive")
    for name, content in files.items():
        path = inside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            os.mkfifo(path)
        elif isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


@contextlib.contextmanager
def _bounds(memory: int) -> Iterator[None]:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.alarm(WALL_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _command(case: Case, inside: Path, target: Path) -> int:
    """Return the exit code of the command, after touching what it made or took; all it says goes to stderr's file."""
    from capacity.cli import main

    os.chdir(inside)
    code = 1
    try:
        main(case.arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    used = target if case.target else inside / case.arguments[-1]
    if code == 0 and used.is_file():
        try:
            use(used)
        except BaseException:
            traceback.print_exc()
            code = BROKEN
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _content(file: BinaryIO) -> str:
    """Return what was written to a file, and empty it."""
    file.seek(0)
    content = file.read(1 << 16).decode(errors="replace")
    file.seek(0)
    file.truncate()
    return content
