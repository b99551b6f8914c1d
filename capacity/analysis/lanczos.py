"""Products with a symmetric operator, and the two Lanczos processes on which :mod:`capacity.analysis.hessian` rests."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from capacity.analysis.observations import FloatArray
from capacity.errors import InputError


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread, so that rounding does not depend on the number of cores; also a decorator."""
    import scipy.linalg  # noqa: F401 - with its BLAS, which is limited where it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


class Products:
    """Products of H with vectors: counted, and checked.

    Parameters
    ----------
    hessian : LinearOperator or array-like, (P, P)
        Real and symmetric; of an array that is checked.

    Attributes
    ----------
    size : int
        P.
    count : int
        Products so far.
    norm : float
        The largest |Hv| / |v| so far, a lower bound of the norm of H.

    Raises
    ------
    InputError
        When it is not square, or an array that is not symmetric; and, at a product that is not finite.
    """

    def __init__(self, hessian: Any) -> None:
        from scipy.sparse.linalg import aslinearoperator

        if not hasattr(hessian, "matvec"):
            hessian = _symmetric(hessian)
        shape = tuple(hessian.shape)
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
            raise InputError(f"hessian must be square, of shape (P, P), got {shape}.")
        self._operator = aslinearoperator(hessian)
        self.size, self.count, self.norm = int(shape[0]), 0, 0.0

    def __call__(self, vector: FloatArray) -> FloatArray:
        """Return Hv of v (P,), not 0."""
        product: FloatArray = np.asarray(self._operator.matvec(vector), np.float64)
        if not np.isfinite(product).all():
            raise InputError("hessian must give finite products with finite vectors; at this point the loss overflows.")
        self.count += 1
        self.norm = max(self.norm, float(np.linalg.norm(product) / np.linalg.norm(vector)))
        return product

    def of(self, vectors: FloatArray) -> FloatArray:
        """Return H times each column of an array (P, k)."""
        return np.stack([self(column) for column in vectors.T], axis=1)

    def matrix(self) -> FloatArray:
        """Return H itself, (P, P)."""
        return self.of(np.eye(self.size))


def _symmetric(hessian: Any) -> FloatArray:
    try:
        array = np.asarray(hessian).astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"hessian must be a LinearOperator of SciPy or a real symmetric array, got {type(hessian).__name__}."
        ) from error
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    if square and np.isfinite(array).all() and np.any(np.abs(array - array.T) > 1e-8 * np.linalg.norm(array)):
        raise InputError("hessian must be symmetric, got an array that differs from its transpose.")
    return array


def krylov_ends(products: Products, start: FloatArray, size: int, which: str) -> FloatArray:
    """Return the outermost Ritz vectors in one Krylov space, by SciPy's eigsh.

    Parameters
    ----------
    products : Products
    start : ndarray (P, count)
        The space starts from the sum of these.
    size : int
        Its vectors, more than count and at most P.
    which : str
        'SA' or 'LA': from the smallest or from the largest eigenvalue on.

    Returns
    -------
    ndarray (P, count), orthonormal
        `start` where there is no space, as for H = 0.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    # Where a space ends early ARPACK goes on from random numbers; from SciPy 1.17 on one can say from which.
    drawn = {"rng": np.random.default_rng(0)} if "rng" in inspect.signature(eigsh).parameters else {}
    operator = LinearOperator((products.size, products.size), matvec=products, dtype=np.float64)
    try:  # with a tolerance that everything meets, one iteration ends with the best that the space holds
        vectors: FloatArray = eigsh(
            operator, k=start.shape[1], which=which, v0=start.sum(axis=1), ncv=size, maxiter=1, tol=1e300, **drawn
        )[1]
    except ArpackError:
        return start
    return vectors


def tridiagonal(products: Products, start: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Return the diagonal (k,) and what stands beside it (k - 1,) of H in the Lanczos basis that begins with `start`.

    The Lanczos process (Golub & Meurant 2010, chapter 4), but with every vector orthogonalised against all before it,
    and twice, which is enough. k is `steps`, or less where the Krylov space ends.
    """
    basis = np.empty((steps, products.size))
    diagonal, beside = np.empty(steps), np.empty(steps)
    vector = start / np.linalg.norm(start)
    for k in range(steps):
        basis[k] = vector
        rest = products(vector)
        diagonal[k] = vector @ rest
        for _ in range(2):
            rest = rest - (basis[: k + 1] @ rest) @ basis[: k + 1]
        beside[k] = np.linalg.norm(rest)
        if beside[k] <= products.size * np.finfo(np.float64).eps * products.norm:
            break
        vector = rest / beside[k]
    return diagonal[: k + 1], beside[:k]
