"""Hands the addresses of SciPy's BLAS products to the C++ kernels, so that nothing is linked against a BLAS.

SciPy's cython_blas is typed with C int; against a build of SciPy with 64-bit integers this module fails to import
with a message naming the signature, and must be rebuilt.
"""

from libc.stdint cimport uintptr_t
from scipy.linalg.cython_blas cimport dgemm, sgemm


def addresses():
    """Return the addresses of sgemm and dgemm: Fortran conventions, column-major, 32-bit integers."""
    return <uintptr_t> <void *> sgemm, <uintptr_t> <void *> dgemm
