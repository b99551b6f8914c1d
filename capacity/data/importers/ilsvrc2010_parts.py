"""What an import has finished, a file for each feature file, so that a stopped one goes on where it was."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.ilsvrc2010_features import read_histograms
from capacity.data.sources import describe, reading
from capacity.errors import InputError
from capacity.files import remove_leftovers, replace_files

_VERSION = 1
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Part:
    """The images of one feature file: `read_histograms` of it, and its line in the provenance."""

    counts: NDArray[Any]
    ids: NDArray[np.str_]
    source: dict[str, Any]


class Parts:
    """The finished parts of an import, in a folder beside the data set that it will make.

    A part is of use while its feature file has the size and the time of change that it had. One that is damaged is made
    again: the archive's checksums tell.

    Parameters
    ----------
    out : Path
        The data set file.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(f"{out.name}.parts")

    def missing(self, sources: Iterable[Path]) -> Iterator[Path]:
        """Yield the feature files of which there is no finished part."""
        for source in sources:
            try:
                with self._open(source) as stored:
                    finished = json.loads(stored["source"].item())["stamp"] == _stamp(source)
            except _DAMAGE:
                finished = False
            if not finished:
                yield source

    def make(self, source: Path) -> None:
        """Read a feature file and keep its histograms, whole or not at all."""
        stamp = _stamp(source)
        counts, ids = read_histograms(source)
        note = json.dumps({"stamp": stamp, "record": describe(source)})
        content = io.BytesIO()
        np.savez(content, counts=counts, ids=ids, source=np.array(note))
        with self._writing():
            self.folder.mkdir(exist_ok=True)
            replace_files(self.folder, [(self._path(source).name, content.getvalue())])

    def load(self, source: Path) -> Part:
        """Return a finished part."""
        try:
            return self._load(source)
        except _DAMAGE:
            self.make(source)
            return self._load(source)

    def remove(self) -> None:
        """Remove the folder with the parts in it; what else may lie there stays."""
        with self._writing():
            remove_leftovers(self.folder)
            for part in self.folder.glob("*.sbow.mat.npz"):
                part.unlink()
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _load(self, source: Path) -> Part:
        with self._open(source) as stored:
            return Part(stored["counts"], stored["ids"], json.loads(stored["source"].item())["record"])

    @contextlib.contextmanager
    def _open(self, source: Path) -> Iterator[Any]:
        # NumPy leaves a damaged file open that it opened itself.
        with self._path(source).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            yield stored

    def _path(self, source: Path) -> Path:
        return self.folder / f"{source.name}.npz"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot write {self.folder}: {error.strerror or error}") from error


def _stamp(source: Path) -> list[int]:
    with reading(source):
        status = source.stat()
    return [_VERSION, status.st_size, status.st_mtime_ns]
