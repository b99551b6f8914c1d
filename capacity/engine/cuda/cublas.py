"""cuBLAS, called directly: CuPy refuses its own cuBLAS functions while a stream is captured into a graph."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

from capacity.engine.cuda.recording import Product

WORKSPACE_BYTES = 32 << 20
"""What cuBLAS itself takes on Hopper. Ours, because its own is allocated by stream, which a graph must not see."""

_FULL_PRECISION = 0  # CUBLAS_DEFAULT_MATH: float32 products in float32, no TF32
_STATUS_ALLOC_FAILED = 3
_SCALARS = {"float32": ("cublasSgemmStridedBatched_64", ctypes.c_float),
            "float64": ("cublasDgemmStridedBatched_64", ctypes.c_double)}  # fmt: skip
_HANDLE, _ADDRESS, _INT, _INT64, _SIZE = (
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_size_t,
)  # fmt: skip


class Cublas:
    """A cuBLAS handle on one stream, with a workspace of ours.

    Parameters
    ----------
    path : str
        The shared library.
    stream, workspace : int
        Addresses; the workspace has WORKSPACE_BYTES and outlives this object.
    """

    def __init__(self, path: str, stream: int, workspace: int) -> None:
        self._library = ctypes.CDLL(path)
        self._declare()
        handle = _HANDLE()
        self._check(self._library.cublasCreate_v2(ctypes.byref(handle)))
        self._handle = handle
        weakref.finalize(self, self._library.cublasDestroy_v2, handle).atexit = False  # the driver may be gone by then
        self._check(self._library.cublasSetMathMode(handle, _FULL_PRECISION))
        # The stream first: setting it takes the workspace away again.
        self._check(self._library.cublasSetStream_v2(handle, stream))
        self._check(self._library.cublasSetWorkspace_v2(handle, workspace, WORKSPACE_BYTES))

    def version(self) -> int:
        """Return the version of the library, 10000 major + 100 minor + patch."""
        version = ctypes.c_int()
        self._check(self._library.cublasGetVersion_v2(self._handle, ctypes.byref(version)))
        return version.value

    def product(
        self, dtype: np.dtype[Any], p: Product, a: int, b: int, c: int, strides: tuple[int, int, int], replicas: int
    ) -> None:
        """Enqueue a product for every replica.

        Parameters
        ----------
        dtype : dtype
            Type of all elements, float32 or float64; sums are of the same type.
        p : Product
        a, b, c : int
            Addresses of the matrices of replica 0.
        strides : tuple of int
            Elements from one replica's matrix to the next one's, of A, B and C.
        replicas : int
        """
        name, scalar = _SCALARS[dtype.name]
        alpha, beta = scalar(p.alpha), scalar(p.beta)  # read during the call, so that a graph holds their values
        # cuBLAS is column-major, where our row-major C is its transpose: C' = op(B)' op(A)'.
        self._check(
            getattr(self._library, name)(
                self._handle, int(p.transpose_b), int(p.transpose_a), p.n, p.m, p.k, ctypes.byref(alpha),
                b, p.b.ld, strides[1], a, p.a.ld, strides[0], ctypes.byref(beta), c, p.c.ld, strides[2], replicas,
            )
        )  # fmt: skip

    def _declare(self) -> None:
        """Declare what is called, so that addresses and 64-bit sizes are passed whole."""
        matrix = [_ADDRESS, _INT64, ctypes.c_longlong]
        for name, scalar in _SCALARS.values():
            number = ctypes.POINTER(scalar)
            sizes = [_INT64] * 3
            getattr(self._library, name).argtypes = [
                _HANDLE, _INT, _INT, *sizes, number, *matrix, *matrix, number, *matrix, _INT64
            ]  # fmt: skip
        self._library.cublasCreate_v2.argtypes = [ctypes.POINTER(_HANDLE)]
        self._library.cublasDestroy_v2.argtypes = [_HANDLE]
        self._library.cublasSetMathMode.argtypes = [_HANDLE, _INT]
        self._library.cublasSetStream_v2.argtypes = [_HANDLE, _ADDRESS]
        self._library.cublasSetWorkspace_v2.argtypes = [_HANDLE, _ADDRESS, _SIZE]
        self._library.cublasGetVersion_v2.argtypes = [_HANDLE, ctypes.POINTER(_INT)]
        self._library.cublasGetStatusName.argtypes = [_INT]
        self._library.cublasGetStatusName.restype = ctypes.c_char_p

    def _check(self, status: int) -> None:
        if status == _STATUS_ALLOC_FAILED:
            raise MemoryError("cuBLAS cannot allocate what it needs on the GPU")
        if status:
            raise RuntimeError(f"cuBLAS failed with {self._library.cublasGetStatusName(status).decode()}")
