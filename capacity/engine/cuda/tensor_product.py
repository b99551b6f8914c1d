"""Products on tensor cores with bias and activation, or the activation's derivative, in the same kernel.

They are the optional module `capacity._cuda` (csrc/tensor, built with CAPACITY_CUDA=1) and save what the kernel after a
product reads and writes again. Whether that outweighs cuBLAS's faster products, and for which sizes, has not been
measured on any GPU. So they are used only where the environment asks for them, for all sizes then.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from capacity.engine.cuda import driver
from capacity.engine.cuda.errors import CudaError
from capacity.engine.cuda.recording import Launch, Product
from capacity.engine.program import ARENAS

SETTING = "CAPACITY_TENSOR_PRODUCT"
"""The environment variable that asks for them, with the value 1."""

PRECISIONS = ("tf32", "bf16")
"""What the factors may be rounded to; in other arithmetic, products are cuBLAS's."""

_OLDEST_CAPABILITY = (8, 0)
_OPS = ("dense", "dense_grad_input")
_BYTES = 4  # of an element


@dataclass(frozen=True)
class Fused:
    """A product and the kernel after it, of call number `call`, as one launch."""

    product: Product
    call: int
    op: str


Item = Launch | Product | Fused


def available() -> str | None:
    """Return why products on tensor cores cannot be used here, as a part of a sentence, or None when they can."""
    try:
        importlib.import_module("capacity._cuda")
    except ImportError as error:
        return f"capacity._cuda cannot be imported ({error}), which an installation with CAPACITY_CUDA=1 builds"
    try:
        gpu = driver.gpus()[0]
    except CudaError as error:
        return error.reason
    if gpu.capability < _OLDEST_CAPABILITY:
        return f"the GPU '{gpu.name}' is of architecture {gpu.architecture}, and sm_80 or newer is needed"
    return None


def chosen(items: Sequence[Launch | Product]) -> tuple[Item, ...]:
    """Return the items of a recording with products fused, where that is asked for and the arithmetic allows it.

    Raises
    ------
    CudaError
        When it is asked for and cannot be done.
    """
    found = fused(items)
    if os.environ.get(SETTING, "0") != "1" or not any(isinstance(item, Fused) for item in found):
        return tuple(items)
    reason = available()
    if reason is not None:
        raise CudaError(f"{SETTING}=1 asks for products of our own on tensor cores, but {reason}", f"unset {SETTING}")
    return found


def fused(items: Sequence[Launch | Product]) -> tuple[Item, ...]:
    """Return the items, with every product of PRECISIONS that a kernel of its layer follows made one with it."""
    out: list[Item] = []
    for item in items:
        before = out[-1] if out else None
        if (
            isinstance(before, Product)
            and before.compute in PRECISIONS
            and isinstance(item, Launch)
            and item.kernel in _OPS
        ):
            out[-1] = Fused(before, item.call, item.kernel)
        else:
            out.append(item)
    return tuple(out)


def enqueue(
    item: Fused, calls: NDArray[Any], arenas: Mapping[str, tuple[int, int]], replicas: int, stream: int
) -> None:
    """Enqueue a fused product for every replica.

    Parameters
    ----------
    item : Fused
    calls : ndarray of CALL
        The calls of the recording.
    arenas : mapping of str to (int, int)
        Address of each arena's float32 elements, and how many there are from one replica to the next.
    replicas : int
    stream : int
        Address of the stream.

    Raises
    ------
    RuntimeError
        With the name of CUDA's error, when the launch fails.
    """
    call, p = calls[item.call], item.product

    def place(number: int) -> tuple[int, int, int] | None:
        """Return address, elements from row to row and from replica to replica of an operand that is there."""
        operand = call["operands"][number]
        if operand["arena"] < 0:
            return None
        address, stride = arenas[ARENAS[operand["arena"]]]
        return address + _BYTES * int(operand["offset"]), int(operand["cols"]), stride

    module = importlib.import_module("capacity._cuda")
    common = {
        "precision": p.compute, "activation": int(call["attributes"]["activation"]), "shape": (p.m, p.n, p.k),
        "replicas": replicas, "stream": stream,
    }  # fmt: skip
    if item.op == "dense":
        module.forward(**common, y=place(0), z=place(1), x=place(2), w=place(3), b=place(4))
    else:
        module.backward(**common, dx=place(0), dy=place(1), w=place(2), saved=place(3))
