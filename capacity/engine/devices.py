"""Devices by name: the one place that turns `device` into an executor."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from capacity.engine.cuda import availability
from capacity.engine.executor import Executor
from capacity.engine.initialise import Uniform
from capacity.engine.machine import processor_name
from capacity.engine.program import Program
from capacity.errors import DeviceError, InputError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "reference")
PRECISIONS = ("float32", "float64")


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


def resolve_precision(device: str, precision: str) -> np.dtype[Any]:
    """Return the floating type of parameters; the reference device always works in float64."""
    if precision not in PRECISIONS:
        raise InputError(
            f"precision must be a known precision, got '{precision}'{did_you_mean(precision, PRECISIONS)}."
        )
    return np.dtype(np.float64 if device == "reference" else precision)


def make_executor(device: str, program: Program, dtype: np.dtype[Any], threads: int | None) -> Executor:
    """Return an executor of `program` on a resolved device."""
    if device == "reference":
        from capacity.engine.reference import ReferenceExecutor

        return ReferenceExecutor(program)
    if device == "cuda":
        from capacity.engine.cuda.cupy_backend import shared_backend
        from capacity.engine.cuda.executor import CudaExecutor

        return CudaExecutor(program, dtype.name, shared_backend())
    from capacity.engine.cpu import CpuExecutor

    return CpuExecutor(program, dtype, threads)


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
