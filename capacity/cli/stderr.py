"""Who may write to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def python_alone_on_stderr() -> Iterator[None]:
    """Let what C libraries write to stderr go nowhere, as libtiff's remarks on damaged photographs.

    What Python writes there is shown, on a copy of the same file; a `sys.stderr` that is something else is left alone.
    """
    try:
        ours = sys.stderr.fileno() == _STDERR
        shown = os.dup(_STDERR)
    except (AttributeError, OSError, ValueError):  # closed, or no file
        yield
        return
    before = sys.stderr
    before.flush()
    with open(shown, "w", encoding=before.encoding, errors=before.errors, buffering=1) as copy:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        try:
            with contextlib.redirect_stderr(copy) if ours else contextlib.nullcontext():
                yield
        finally:
            os.dup2(shown, _STDERR)
