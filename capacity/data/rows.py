"""PROVISIONAL"""

from __future__ import annotations

import numpy as np


class RowReader:
    def __init__(self, stored, path, dtype):
        self._path, self._key = path, stored.name
        self.shape, self.dtype, self.ndim = stored.shape, np.dtype(dtype), 2
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize
        self.piece_rows = max(1, (1 << 20) // (self.shape[1] * self.dtype.itemsize))
        if stored.chunks:
            self.piece_rows = stored.chunks[0]
        offset = stored.id.get_offset()
        self._map = None
        if (
            stored.dtype == self.dtype
            and stored.chunks is None
            and offset is not None
            and offset % self.dtype.itemsize == 0
        ):
            self._map = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=stored.shape)
        else:
            with np.errstate(over="ignore"):
                self._map = np.ascontiguousarray(stored[()], self.dtype)
            self._map.setflags(write=False)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return np.array(self._map[rows])

    def __array__(self, dtype=None, copy=None):
        return np.array(self._map, dtype)

    def read(self, start, stop, out):
        out[:] = self._map[start:stop]

    def load(self, threads):
        return self._map

    def close(self):
        pass
