"""Amounts of memory as people write them."""

from __future__ import annotations

import os
import re

from capacity.errors import InputError

_UNITS = {"": 1, "B": 1, **{f"{letter}{rest}": base**power for power, letter in enumerate("KMGT", start=1)
          for rest, base in (("", 1000), ("B", 1000), ("IB", 1024))}}  # fmt: skip


def bytes_of(size: int | str) -> int:
    """Return an amount of memory in bytes.

    Parameters
    ----------
    size : int or str
        Bytes, or a number with a unit: "512MB" is 512,000,000 bytes and "1.5GiB" 1.5 * 2^30, in capitals or not.

    Raises
    ------
    InputError
        It is neither, or less than one byte.

    Examples
    --------
    >>> bytes_of("512MB"), bytes_of("2 KiB"), bytes_of(100)
    (512000000, 2048, 100)
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([A-Z]*)", str(size).strip().upper())
    if isinstance(size, bool) or found is None or found[2] not in _UNITS or float(found[1]) * _UNITS[found[2]] < 1:
        raise InputError(f"memory is {size!r}: expected an amount like 512MB, 2GiB or a number of bytes")
    return int(found[1]) if found[2] == "" and "." not in found[1] else int(float(found[1]) * _UNITS[found[2]])


def default_memory() -> int:
    """Return how much memory data may take where nobody said it: half of the machine's, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
