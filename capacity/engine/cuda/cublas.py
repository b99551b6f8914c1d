"""cuBLAS, called directly: CuPy refuses its own cuBLAS functions while a stream is captured into a graph."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

from capacity.engine.cuda.recording import Product

WORKSPACE_BYTES = 32 << 20
"""What cuBLAS itself takes on Hopper. Ours, because its own is allocated by stream, which a graph must not see."""

_FULL_PRECISION = 0  # CUBLAS_DEFAULT_MATH: float32 products in float32, no TF32
_STATUS_ALLOC_FAILED = 3
_DEFAULT_ALGORITHM = -1
_REAL32, _REAL64 = 0, 1  # cudaDataType_t
#: Arithmetic of a product -> cublasComputeType_t, type of all elements, type of the factors.
_COMPUTE = {
    "float32": (68, _REAL32, ctypes.c_float),
    "tf32": (77, _REAL32, ctypes.c_float),
    "bf16": (75, _REAL32, ctypes.c_float),
    "float64": (70, _REAL64, ctypes.c_double),
}
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

    def product(self, p: Product, a: int, b: int, c: int, strides: tuple[int, int, int], replicas: int) -> None:
        """Enqueue a product for every replica.

        Parameters
        ----------
        p : Product
            Its `compute` says in which arithmetic; elements and sums are float64 for 'float64', else float32.
        a, b, c : int
            Addresses of the matrices of replica 0.
        strides : tuple of int
            Elements from one replica's matrix to the next one's, of A, B and C.
        replicas : int
        """
        compute, kind, scalar = _COMPUTE[p.compute]
        alpha, beta = scalar(p.alpha), scalar(p.beta)  # read during the call, so that a graph holds their values
        # cuBLAS is column-major, where our row-major C is its transpose: C' = op(B)' op(A)'.
        self._check(
            self._library.cublasGemmStridedBatchedEx_64(
                self._handle, int(p.transpose_b), int(p.transpose_a), p.n, p.m, p.k, ctypes.byref(alpha),
                b, kind, p.b.ld, strides[1], a, kind, p.a.ld, strides[0], ctypes.byref(beta),
                c, kind, p.c.ld, strides[2], replicas, compute, _DEFAULT_ALGORITHM,
            )
        )  # fmt: skip

    def _declare(self) -> None:
        """Declare what is called, so that addresses and 64-bit sizes are passed whole."""
        factor = ctypes.c_void_p
        sizes: list[Any] = [_INT64] * 3
        matrix: list[Any] = [_ADDRESS, _INT, _INT64, ctypes.c_longlong]
        self._library.cublasGemmStridedBatchedEx_64.argtypes = [
            _HANDLE, _INT, _INT, *sizes, factor, *matrix, *matrix, factor, *matrix, _INT64, _INT, _INT
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
