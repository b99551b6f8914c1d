"""What a setting may be: small checks that turn a value into its canonical form or say what was expected."""

from __future__ import annotations

import math
import numbers
import os
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

from capacity.errors import InputError, did_you_mean
from capacity.sizes import bytes_of


class UnfitError(ValueError):
    """A value that a setting cannot have: what the setting must be, and what came.

    It is a ValueError because that is what pydantic lets a validator raise; `StudyConfig` turns it into InputError.
    """

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"must be {expected}, got {came}")


def whole(expected: str, fits: Callable[[int], bool] = lambda x: True, least: int = 1) -> Callable[[Any], int]:
    """Return a check for a whole number of at least `least` for which `fits` holds."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least or not fits(int(value)):
            raise UnfitError(expected, reprlib.repr(value))
        return int(value)

    return check


def real(expected: str, fits: Callable[[float], bool]) -> Callable[[Any], float]:
    """Return a check for a finite number for which `fits` holds."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise UnfitError(expected, reprlib.repr(value))
        number = float(value)
        if not (math.isfinite(number) and fits(number)):
            raise UnfitError(expected, reprlib.repr(value))
        return number

    return check


def yes_or_no(value: Any) -> bool:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise UnfitError("true or false", reprlib.repr(value))
    return value


def choice(names: tuple[str, ...]) -> Callable[[Any], str]:
    """Return a check for one of `names`."""
    expected = f"one of {', '.join(names)}"

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise UnfitError(expected, reprlib.repr(value))
        if value not in names:
            near = did_you_mean(value, names)
            raise UnfitError(expected, f"'{value}'{near if near.startswith(' (did') else ''}")
        return value

    return check


def several(one: Callable[[Any], Any], expected: str, *, descending: bool = False) -> Callable[[Any], tuple[Any, ...]]:
    """Return a check for one or more different values, sorted; a single value stands for a list of one.

    Sorting makes the order in which values were written no part of a study's identity. A value given twice is
    refused rather than dropped: it is most often a slip for another value.
    """

    def check(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            value = (value,)
        values = []
        for item in value:
            try:
                values.append(one(item))
            except UnfitError as error:
                raise UnfitError(expected, reprlib.repr(item)) from error
        if not values:
            raise UnfitError(expected, "an empty list")
        for item in values:
            if values.count(item) > 1:
                raise UnfitError("a list of different values", f"{item!r} more than once")
        return tuple(sorted(values, reverse=descending))

    return check


def text(expected: str) -> Callable[[Any], str]:
    """Return a check for a string that is not empty, or a path."""

    def check(value: Any) -> str:
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise UnfitError(expected, reprlib.repr(value))
        return str(value)

    return check


def optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a check that lets None through."""
    return lambda value: None if value is None else check(value)


def memory(value: Any) -> str:
    """Check that the value is an amount of memory."""
    try:
        bytes_of(value)
    except InputError:
        raise UnfitError("an amount like 512MB or 2GiB", reprlib.repr(value)) from None
    return str(value)
