"""Ctrl-C while a study runs: noted, and acted on where nothing is lost."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType


class Interrupted(KeyboardInterrupt):
    """A study was interrupted, and what ran is checkpointed; `study` is its folder."""

    def __init__(self, study: Path) -> None:
        super().__init__(f"resume with: capacity resume {study}")
        self.study = study


class Interrupts:
    """Within this context the first Ctrl-C only sets `requested`; the second one raises KeyboardInterrupt as usual.

    In a thread, or where the program has its own handler for Ctrl-C, that handler is left alone.
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = False

    def __enter__(self) -> Interrupts:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._first)
            self._installed = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
