"""The part of a file that a download has brought so far, on disk under NAME.part."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from capacity.data.fetching.cache import writing
from capacity.files import flush_folder

Progress = Callable[[int], None]


class Part:
    """Grows by `append`, starts anew by `restart`, gets its final name by `finish`; an empty one is removed at the end.

    What is wrong with the disk is an InputError. `tell` hears of every change of `position`, in bytes.
    """

    def __init__(self, path: Path, size: int, tell: Progress) -> None:
        self.path, self.size, self.position = path, size, 0
        self._tell = tell
        with writing(path):
            self._file = path.open("ab", buffering=0)
            self._moved(self._file.tell())
            if self.position > size:
                self.restart()

    def __enter__(self) -> Part:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.position == 0:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def append(self, block: bytes) -> None:
        with writing(self.path):
            rest = memoryview(block)
            while rest:
                written = self._file.write(rest)
                self._moved(written)
                rest = rest[written:]

    def restart(self) -> None:
        with writing(self.path):
            self._file.truncate(0)
        self._moved(-self.position)

    def finish(self, target: Path) -> None:
        with writing(target):
            os.fsync(self._file.fileno())
            os.replace(self.path, target)
            flush_folder(target.parent)

    def _moved(self, count: int) -> None:
        self.position += count
        if count:
            self._tell(count)
