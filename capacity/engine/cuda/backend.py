"""What the CUDA executor asks of a device. CuPy answers on a GPU, a simulator in the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda.recording import Recording

Buffer = Any
"""Device memory; what it is, is the backend's affair."""

Mark = Any
"""A point in what is enqueued on the device."""


@dataclass(frozen=True)
class Arena:
    """The memory of one arena for all replicas, `stride` elements from one replica to the next."""

    buffer: Buffer
    stride: int


class Step(Protocol):
    """A recorded step, ready to run."""

    def replay(self, times: int) -> None:
        """Enqueue the step `times` times; the host does not wait, and nothing is allocated."""


class Backend(Protocol):
    """A CUDA device."""

    def empty(self, nbytes: int) -> Buffer:
        """Allocate memory, aligned to 256 bytes; DeviceError when there is not enough."""

    def address(self, buffer: Buffer) -> int:
        """Return the device address of a buffer."""

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Copy a C-contiguous array to the start of a buffer, in order with what is enqueued."""

    def free(self) -> int:
        """Return how many bytes could still be allocated."""

    def pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Allocate page-locked host memory, from which `send` copies."""

    def mark(self) -> Mark:
        """Return a mark that is reached when what is enqueued by now has been run."""

    def send(self, buffer: Buffer, pinned: NDArray[np.uint8], after: Mark | None) -> Mark:
        """Enqueue a copy of page-locked memory into a buffer, beside the steps under way, once `after` is reached.

        Steps enqueued later wait for it. Returns the mark that is reached when the copy is done.
        """

    def wait(self, mark: Mark) -> None:
        """Let the host wait until a mark is reached."""

    def read(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Wait for what is enqueued and copy the start of a buffer into a C-contiguous array."""

    def prepare(
        self,
        dtype: np.dtype[Any],
        recording: Recording,
        replicas: int,
        machine: Buffer,
        calls: Buffer,
        arenas: Mapping[str, Arena],
    ) -> Step:
        """Compile the kernels of a recording for one element type, and make it ready to replay (a CUDA graph)."""
