"""A look at a file in a child process first, for a library that may crash or never end on a damaged one.

libhdf5 does both: a changed byte in its indices, heaps or filters can make it read outside its memory, or go round for
ever. What it does to a child does not matter.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import select
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

_SECONDS, _BYTES_A_SECOND = 0.5, 10e6
"""CPU time that a look may take: far more than any good file needs, and something for its size."""

_WAIT_SECONDS, _WAIT_TIMES, _LONGEST_WAIT = 20.0, 4.0, 1e6
"""How many seconds a look is waited for: so many, and so many times the CPU time that it may take; poll has a limit."""

_SURVIVED: set[tuple[int, int, int, int]] = set()
"""Files seen or written by this process: device, inode, size, time of the last change in ns."""

_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)}
_ENDLESS = -signal.SIGPROF


def survives(path: Path, look: Callable[[Path], None]) -> bool:
    """Tell whether `look` at a file comes to an end without crashing the process; errors are not its business.

    A file is looked at once, as long as it does not change. Where no child can be made, the answer is True; also where
    the child stands still, which says nothing of the file: another thread may have held a lock when it was forked.

    Parameters
    ----------
    path : Path
    look : callable
        Does to the file what will be done to it; runs in a forked child, so it must not use threads.
    """
    seen = _state(path)
    if seen in _SURVIVED:
        return True
    try:
        code = _exit_code(path, look, _SECONDS + seen[2] / _BYTES_A_SECOND)
    except OSError:  # no child can be made, or whoever started this process lets the system collect its children
        return True
    if code in _CRASHES or code == _ENDLESS:
        return False
    _SURVIVED.add(seen)
    return True


def vouch(path: Path) -> None:
    """Say that a file needs no look, as long as it does not change: this process has just written it."""
    _SURVIVED.add(_state(path))


def _state(path: Path) -> tuple[int, int, int, int]:
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _exit_code(path: Path, look: Callable[[Path], None], seconds: float) -> int:
    """Look in a child that may take `seconds` of CPU time, and return how it ended; one that stands still is killed."""
    end, held = os.pipe()  # a child that has ended holds the pipe no longer
    with open(end, "rb", buffering=0):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of forks beside threads: h5py takes its lock to the child
                child = os.fork()
            if child == 0:
                _look_and_end(path, look, seconds)
        finally:
            os.close(held)
        waiting = select.poll()
        waiting.register(end)
        ended: list[tuple[int, int]] = []
        try:
            ended = waiting.poll(1000 * min(_WAIT_SECONDS + _WAIT_TIMES * seconds, _LONGEST_WAIT))
        finally:
            if not ended:
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _look_and_end(path: Path, look: Callable[[Path], None], seconds: float) -> None:
    """Look, in the child, within `seconds` of CPU time and without a word; never returns."""
    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for number in _CRASHES:
            signal.signal(-number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with contextlib.suppress(BaseException):
            look(path)
    finally:
        os._exit(0)
