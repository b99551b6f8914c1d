"""What every case must keep: how it ends, what it says, what it leaves behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

_PREFIX = "capacity: error: "
_SHORTEST, _LONGEST = 10, 600
_VERDICT = "Not usable: "
"""How the last line of `capacity data check` begins when its exit code is 2: the report says why, stderr nothing."""

BROKEN = 77
"""Exit code of a case whose command succeeded, but what it made or took cannot be used."""

Snapshot = dict[str, tuple[int, int]]


def fault_of(code: int, said: str, shown: str) -> str:
    """Return what is wrong with the end of a command, given exit code, stderr and stdout; empty when nothing is."""
    if code == BROKEN:
        return f"what was made or opened cannot be used: {said}"
    if code not in (0, 2):
        return f"exit code {code}: {said}"
    for text in (said, shown):
        if not text.replace("\n", "").isprintable():
            return f"characters that cannot be shown: {text!r}"
    said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("capacity: warning: "))
    if code == 0:
        return f"not quiet: {said!r}" if said else ""
    reported = not said and shown.rstrip().rpartition("\n")[2].startswith(_VERDICT)
    return "" if reported else _fault_of_sentence(said)


def _fault_of_sentence(said: str) -> str:
    sentence = said.removeprefix(_PREFIX).strip()
    if not said.startswith(_PREFIX) or said.count("\n") != 1 or not said.endswith("\n"):
        return f"not one line on stderr: {said!r}"
    if not _SHORTEST < len(sentence) < _LONGEST or "Traceback" in said or sentence.endswith((":", ": None")):
        return f"not a sentence: {said!r}"
    return ""


def snapshot(folder: Path, allowed: Collection[Path]) -> Snapshot:
    """Return name -> (time of change in ns, size) of all that lies in `folder` except what may be made there.

    A folder's own time is not looked at: it changes when the target is made in it.
    """
    found: Snapshot = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(place, name) not in allowed]
        for path in (Path(place, name) for name in files + folders):
            if path in allowed:
                continue
            state = path.lstat()
            found[str(path)] = (0, 0) if stat.S_ISDIR(state.st_mode) else (state.st_mtime_ns, state.st_size)
    return found


def use(source: Path) -> None:
    """Open a data set that a command made or took, and touch every value."""
    import numpy as np

    from capacity.data import open_dataset

    data = open_dataset(source)
    for split in (data.train, data.test):
        if split is not None:
            assert split.labels.max() < data.classes
            assert len(split.features) == len(split.labels)
            assert split.row_scale.shape == (len(split.labels) if data.normalisation != "none" else 0,)
            assert np.isfinite(split.row_scale).all()
            for start in range(0, len(split.labels), 4096):
                split.features[start : start + 4096].max()
