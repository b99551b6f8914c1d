"""The errors a user can meet. Each message is one sentence: what, what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_LIST = 300


class CapacityError(Exception):
    """Base of every error this package raises on purpose; the command line prints it and exits with code 2."""


class InputError(CapacityError, ValueError):
    """An argument, a file or a setting that cannot be used."""


class StudyError(CapacityError):
    """A study folder that cannot be used: locked, of another study, read-only, full or damaged."""


class DeviceError(CapacityError):
    """A device that is unknown or not there, or an extension that was not built."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ' (did you mean X?)' for the nearest valid name, or valid names (the first of many) when none is."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" (did you mean '{close[0]}'?)"
    listed = ", ".join(names)
    return f" (valid names: {listed if len(listed) <= _LONGEST_LIST else listed[:_LONGEST_LIST] + '...'})"
