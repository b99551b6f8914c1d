"""A file to fetch, and what must hold of every download that succeeds or fails."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from capacity.data.fetching.cache import Fingerprint, RemoteFile
from capacity.data.fetching.download import fetch
from capacity.errors import InputError
from tests.data_files import leftovers

CONTENT = random.Random(0).randbytes(300_000)
OTHER = CONTENT[::-1]


def wanted(*urls: str) -> RemoteFile:
    return RemoteFile("file", Fingerprint(len(CONTENT), hashlib.sha256(CONTENT).hexdigest()), urls)


def get(folder: Path, *urls: str, attempts: int = 3, timeout: float = 5.0) -> int:
    """Fetch the file, check it, and return the sum of what the progress was told."""
    told: list[int] = []
    path = fetch(wanted(*urls), folder, timeout=timeout, attempts=attempts, pause=0.01, progress=told.append)
    assert path == folder / "file"
    assert path.read_bytes() == CONTENT
    assert leftovers(folder) == [".file.lock", "file"]
    return sum(told)


def refuse(folder: Path, *urls: str, attempts: int = 2, timeout: float = 5.0) -> str:
    """Return the sentence of a download that fails; nothing may have the file's name."""
    with pytest.raises(InputError) as caught:
        fetch(wanted(*urls), folder, timeout=timeout, attempts=attempts, pause=0.01)
    assert "\n" not in str(caught.value)
    assert not (folder / "file").exists()
    return str(caught.value)


def part(folder: Path) -> bytes | None:
    path = folder / "file.part"
    return path.read_bytes() if path.exists() else None
