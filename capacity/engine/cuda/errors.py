"""Why the device 'cuda' cannot be used."""

from __future__ import annotations

from capacity.errors import DeviceError


class CudaError(DeviceError):
    """Device 'cuda' cannot be used.

    Parameters
    ----------
    reason, remedy : str
        What is missing or wrong, and what to do about it: parts of a sentence, in lower case, without a full stop.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"device 'cuda' cannot be used: {reason}; {remedy}, or use device 'cpu'.")
        self.reason, self.remedy = reason, remedy

    def __reduce__(self) -> tuple[type[CudaError], tuple[str, str]]:
        """Let a worker process hand it to its parent: an exception is made again from its arguments, not its text."""
        return type(self), (self.reason, self.remedy)


class FullError(CudaError):
    """The GPU has less free memory than is needed."""
