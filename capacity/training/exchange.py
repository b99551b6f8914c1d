"""Arrays of other frameworks, through DLPack: on the CPU as NumPy arrays, on a GPU as CuPy arrays, without a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from capacity.errors import InputError

_CPU = 1  # DLPack's numbers of devices
_CUDA = (2, 13)


def named_arrays(arrays: Any, what: str) -> dict[str, Any]:
    """Return arrays by name: those of a mapping by their keys, those of a sequence by their numbers, one array as ''.

    Mappings and sequences may be nested; names are then joined by '/'.
    """
    return dict(_leaves(arrays, what, ""))


def _leaves(arrays: Any, what: str, name: str) -> list[tuple[str, Any]]:
    if isinstance(arrays, Mapping):
        items: list[tuple[Any, Any]] = list(arrays.items())
    elif isinstance(arrays, Sequence) and not isinstance(arrays, str):
        items = list(enumerate(arrays))
    elif hasattr(arrays, "__dlpack__"):
        return [(name, arrays)]
    else:
        raise InputError(
            f"{label(what, name)} must be an array that offers DLPack (NumPy, PyTorch, JAX, CuPy), or a list or "
            f"mapping of such, got {type(arrays).__name__}."
        )
    return [leaf for key, value in items for leaf in _leaves(value, what, f"{name}/{key}" if name else str(key))]


def device_of(array: Any) -> tuple[int, int]:
    """Return the device of an array: DLPack's kind, all that CUDA can read alike, and number; the CPU is (1, 0)."""
    kind, number = (int(part) for part in array.__dlpack_device__())
    return (_CUDA[0], number) if kind in _CUDA else (kind, 0 if kind == _CPU else number)


def imported(array: Any, name: str) -> Any:
    """Return an array as a NumPy or CuPy array of its numbers in row-major order, (n,).

    There is no copy unless the array has strides. `name` is for errors.
    """
    detached = array.detach() if hasattr(array, "detach") else array  # PyTorch lends no parameter that has a gradient
    kind, _ = device_of(detached)
    if kind == _CPU:
        xp: Any = np
    elif kind == _CUDA[0]:
        from capacity.engine.cuda.availability import load_cupy

        xp = load_cupy()
    else:
        raise InputError(f"{name} is on a device of DLPack's kind {kind}; only the CPU and CUDA GPUs are supported.")
    try:
        taken = array if isinstance(array, np.ndarray) else xp.from_dlpack(detached)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} cannot be read through DLPack ({str(error).rstrip('.')}); give float32 or float64, dense."
        ) from error
    if taken.dtype not in (np.float32, np.float64):
        raise InputError(f"{name} must be float32 or float64, got {taken.dtype}.")
    return xp.ascontiguousarray(taken).reshape(-1)


def label(what: str, name: str) -> str:
    """Return how an error names an array: params, or params['0/weight']."""
    return f"{what}['{name}']" if name else what
