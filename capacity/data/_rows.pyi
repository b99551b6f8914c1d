from typing import Any

import numpy as np
from numpy.typing import NDArray

class DamageError(ValueError): ...

class Layout:
    end: int
    def __init__(
        self,
        rows: int,
        row_bytes: int,
        chunk_rows: int,
        chunk_row_bytes: int,
        offsets: NDArray[np.int64],
        fill: NDArray[np.uint8],
    ) -> None: ...
    def read(self, file: int, start: int, stop: int, out: NDArray[Any]) -> None: ...
    def gather(self, file: int, map: NDArray[np.uint8], rows: NDArray[np.int64], out: NDArray[Any]) -> None: ...

def read_at(file: int, offset: int, out: NDArray[Any]) -> None: ...
def decode_lzf(block: NDArray[np.uint8], out: NDArray[Any]) -> None: ...
def unshuffle(block: NDArray[np.uint8], width: int, out: NDArray[Any]) -> None: ...
def add_sparse(
    starts: NDArray[np.int64], begin: int, columns: NDArray[np.int64], values: NDArray[Any], out: NDArray[Any]
) -> tuple[str, int]: ...
