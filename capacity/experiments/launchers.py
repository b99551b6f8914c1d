"""Where slices run: in this process, in local processes, or wherever a `concurrent.futures.Executor` takes them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from types import FrameType
from typing import Any, TypeVar

from capacity.engine.machine import usable_cores
from capacity.experiments.slices import Slice, SliceResult, Watch, run_slice

T = TypeVar("T")


class InlineExecutor(Executor):
    """Runs each call at once, in the caller's thread, and gives back a finished future."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `fn` now."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Launcher:
    """Hands slices to an executor given by the user, `at_once` at a time."""

    def __init__(self, executor: Executor, at_once: int, threads: int | None) -> None:
        self._executor = executor
        self.at_once = at_once
        self.threads = threads
        """Threads of each slice; None is every core of the machine it runs on."""

    def submit(self, order: Slice, watch: Watch) -> Future[SliceResult]:
        """Start a slice. `watch` hears of it only when it runs in this process."""
        return self._executor.submit(run_slice, order)

    def stop(self) -> None:
        """Ask running slices to end soon; where they cannot be reached they end when their time is up."""

    def restart(self) -> bool:
        """Replace an executor whose worker died; false when it is not ours to replace."""
        return False

    def close(self) -> None:
        """Release the workers; an executor given by the user stays his."""


class InProcess(Launcher):
    """Runs slices in this thread."""

    def __init__(self, threads: int | None) -> None:
        super().__init__(InlineExecutor(), 1, threads)

    def submit(self, order: Slice, watch: Watch) -> Future[SliceResult]:
        return self._executor.submit(run_slice, order, watch)


class LocalProcesses(Launcher):
    """Runs slices in processes of this machine, which share its cores.

    The processes are spawned, not forked: a fork would copy threads and locks of BLAS in an unknown state.
    """

    def __init__(self, workers: int, threads: int | None) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        super().__init__(self._pool(workers), workers, max(1, (threads or usable_cores()) // workers))

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, self._context, initializer=_start_worker, initargs=(self._stop,))

    def submit(self, order: Slice, watch: Watch) -> Future[SliceResult]:
        with _interrupts_held():
            return self._executor.submit(_run_in_worker, order)

    def stop(self) -> None:
        self._stop.set()

    def restart(self) -> bool:
        self._executor.shutdown(wait=True)
        self._executor = self._pool(self.at_once)
        return True

    def close(self) -> None:
        self.stop()
        self._executor.shutdown(wait=True, cancel_futures=True)


def make_launcher(executor: Executor | None, workers: int, threads: int | None) -> Launcher:
    """Return the launcher for `sweep(executor=..., workers=..., threads=...)`."""
    if executor is not None:
        return Launcher(executor, workers, threads)
    return InProcess(threads) if workers == 1 else LocalProcesses(workers, threads)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: a process started meanwhile never receives it, and leaves it to its parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process knows of itself: whether it is to stop, and whether it is to end."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._busy = self._ending = False

    def run(self, order: Slice) -> SliceResult:
        self._busy = True
        try:
            return run_slice(order, lambda _: self._ending or self._stop.is_set())
        finally:
            self._busy = False
            if self._ending:
                os._exit(1)  # the files are written, and the parent goes by them

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """Take a SIGTERM, which batch systems send to every process: checkpoint what runs, then end."""
        self._ending = True
        if not self._busy:
            os._exit(1)


_worker: _Worker | None = None


def _start_worker(stop: Event) -> None:
    global _worker  # noqa: PLW0603 - a process pool has no other way to hand something to its workers
    _worker = _Worker(stop)
    signal.signal(signal.SIGTERM, _worker.terminate)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent is gone; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_in_worker(order: Slice) -> SliceResult:
    assert _worker is not None
    return _worker.run(order)
