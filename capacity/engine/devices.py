"""Devices by name: the one place that turns `device` into an executor."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda import availability
from capacity.engine.executor import Executor
from capacity.engine.initialise import Uniform
from capacity.engine.machine import processor_name
from capacity.engine.program import Program
from capacity.errors import DeviceError, InputError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "reference")
ROUNDED = {"tf32": ("cuda",), "bf16": ("cuda", "cpu")}
"""Precisions in which products round their factors and all else is float32, with the devices that may offer them."""
PRECISIONS = ("float32", "float64", *ROUNDED)


def resolve_device(device: str) -> str:
    """Return the device that `device` stands for: 'auto' is 'cuda' where that can be used, and 'cpu' elsewhere.

    Raises
    ------
    DeviceError
        When the device is unknown or, with the reason and the remedy, cannot be used.
    """
    if device not in DEVICES:
        raise DeviceError(f"device must be a known device, got '{device}'{did_you_mean(device, DEVICES)}.")
    if device == "cuda":
        availability.load_cupy()
    if device == "auto":
        return "cpu" if availability.why_not() else "cuda"
    return device


def resolve_precision(device: str, precision: str) -> str:
    """Return the precision in which a resolved device works: as asked for, but on 'reference' always float64.

    Raises
    ------
    InputError
        When the precision is unknown, or the device does not offer it.
    DeviceError
        When the device offers it, but not on this machine.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"precision must be a known precision, got '{precision}'{did_you_mean(precision, PRECISIONS)}."
        )
    offering = ROUNDED.get(precision, DEVICES)
    if device not in offering:
        raise InputError(
            f"precision '{precision}' is offered by device {' or '.join(map(repr, offering))} only, got device "
            f"'{device}'; use that device, or precision 'float32' or 'float64'."
        )
    if (device, precision) == ("cpu", "bf16"):
        from capacity.engine import cpu

        why = cpu.why_no_bf16()
        if why:
            raise DeviceError(
                f"precision 'bf16' cannot be had on device 'cpu': {why}; use precision 'float32', or device 'cuda'."
            )
    return "float64" if device == "reference" else precision


def make_executor(device: str, program: Program, precision: str, threads: int | None) -> Executor:
    """Return an executor of `program` on a resolved device, in a precision that it works in."""
    if device == "reference":
        from capacity.engine.reference import ReferenceExecutor

        return ReferenceExecutor(program)
    if device == "cuda":
        from capacity.engine.cuda.cupy_backend import shared_backend
        from capacity.engine.cuda.executor import CudaExecutor

        return CudaExecutor(program, precision, shared_backend())
    from capacity.engine.cpu import CpuExecutor

    return CpuExecutor(program, precision, threads)


def host_array(device: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array for what a resolved device copies at every run: zeros, on 'cuda' in page-locked memory.

    From there copies are several times faster, and what the system does not lock does as well.
    """
    array = np.zeros(shape, dtype)
    if device != "cuda" or array.nbytes == 0:
        return array
    from capacity.engine.cuda.cupy_backend import shared_backend

    try:
        locked = shared_backend().pinned(array.nbytes).view(dtype).reshape(shape)
    except MemoryError:
        return array
    locked[:] = 0
    return locked


def uniform_source(device: str) -> Uniform:
    """Return the device's source of uniform numbers; all give the same numbers."""
    if device == "reference":
        from capacity.engine import random

        return random.uniform
    from capacity.engine import cpu

    return cpu.uniform


def describe_device(device: str) -> dict[str, str]:
    """Describe what runs behind a resolved device, for provenance: processor and instruction set, or GPU."""
    described = {"device": device, "machine": platform.machine(), "processor": processor_name()}
    if device == "cpu":
        from capacity.engine import cpu

        described |= cpu.describe()
    if device == "cuda":
        described |= availability.describe()
    return described
