"""What a Hessian says of the point it is taken at, from its products with vectors: extreme eigenvalues, trace, density.

A Hessian H is given as a symmetric (P, P) LinearOperator of SciPy, as :meth:`capacity.LossSurface.hessian` returns it,
or as a symmetric array; any real symmetric operator will do. Results are pure functions of H and a seed: meanwhile BLAS
has one thread, so that they do not depend on the number of cores.

References
----------
Parlett, "The Symmetric Eigenvalue Problem", SIAM 1998, theorem 4.5.1: the residual of a pair bounds its error.
Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines",
Communications in Statistics - Simulation and Computation 19(2), 1990.
Golub and Meurant, "Matrices, Moments and Quadrature with Applications", Princeton University Press 2010: quadrature by
the Lanczos process.
Ghorbani, Krishnan and Xiao, "An investigation into neural net optimization via Hessian eigenvalue density", ICML 2019:
stochastic Lanczos quadrature for the Hessians of networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.lanczos import Products, krylov_ends, one_thread, tridiagonal
from capacity.analysis.observations import FloatArray
from capacity.errors import InputError

_DENSE = 64
"""Up to this P the whole matrix is computed: Lanczos would take as many products."""

_FIRST = 32
"""Vectors in the first Krylov space."""

_BASIS_NUMBERS = 1 << 25
"""Most numbers that the vectors of a Krylov space hold, unless the first space already has more."""


@dataclass(frozen=True)
class Eigenvalues:
    """Eigenvalues from one end of the spectrum, the outermost first.

    Attributes
    ----------
    values : ndarray (count,), float64
        Rayleigh quotients v'Hv of unit vectors v. So the smallest eigenvalue of H is at most the smallest of them, the
        largest at least the largest.
    residuals : ndarray (count,), float64
        |Hv - value v|. Some eigenvalue of H lies no further than this from the value; that this is the outermost
        eigenvalue is likely after a random start, but not proved by it.
    converged : bool
        Whether all residuals are within the tolerance.
    products : int
        Products with H that were taken.
    """

    values: FloatArray
    residuals: FloatArray
    converged: bool
    products: int

    @property
    def bounds(self) -> FloatArray:
        """Return intervals in which H has an eigenvalue, value -+ residual: (count, 2).

        They hold up to the rounding of products with H, some 1e-16 of its norm. A `bounds[0, 1]` of the smallest
        eigenvalue below zero proves a direction of negative curvature; so does any negative value.
        """
        return np.stack([self.values - self.residuals, self.values + self.residuals], axis=1)


@dataclass(frozen=True)
class Trace:
    """An estimate of a trace.

    Attributes
    ----------
    value : float
    standard_error : float
        Of the mean over the probes; 0 where the trace was computed exactly.
    probes : int
        Random vectors, or, for an exact trace, the P unit vectors.
    """

    value: float
    standard_error: float
    probes: int


@dataclass(frozen=True)
class SpectralDensity:
    """The eigenvalues of H as a distribution: weights at nodes.

    The mean of f over the eigenvalues, trace f(H) / P, is estimated by sum(weights * f(nodes)).

    Attributes
    ----------
    nodes, weights : ndarray (probes, steps), float64
        A row is the Gauss quadrature of one probe. All weights together are 1, those of a row 1 / probes. Where a probe
        needed fewer steps, further weights in its row are 0.
    """

    nodes: FloatArray
    weights: FloatArray


def smallest_eigenvalues(
    hessian: Any, count: int = 1, *, tolerance: float = 1e-6, max_products: int = 1000, seed: int = 0
) -> Eigenvalues:
    """Find the algebraically smallest eigenvalues by Lanczos, each with its residual.

    SciPy's eigsh (ARPACK) builds a Krylov space from a random vector, and then again, twice as large, from the best
    vectors so far, until the residuals are small or the products are used up. Whatever has been reached then is
    returned, with its residual. (ARPACK's own restarts are not used: they throw away what has not converged, judge an
    eigenvalue near 0 by its own size, which no rounding allows, and take more products.) Up to P = 64, or up to
    P = 2 count + 1, the whole matrix is computed instead.

    Parameters
    ----------
    hessian : LinearOperator or array-like, (P, P)
        Real and symmetric.
    count : int
        How many, 1 to P. Of equal eigenvalues Lanczos may find fewer than there are.
    tolerance : float
        Largest residual to accept, as a fraction of the norm of H (of the largest |Hv| / |v| that was seen).
    max_products : int
        About how many products with H to take at most; some 64 are always allowed.
    seed : int
        Of the random start.

    Returns
    -------
    Eigenvalues
        In rising order.

    Raises
    ------
    InputError
        When an argument cannot be used, or a product with H is not finite.
    """
    return _extreme(hessian, count, "SA", tolerance, max_products, seed)


def largest_eigenvalues(
    hessian: Any, count: int = 1, *, tolerance: float = 1e-6, max_products: int = 1000, seed: int = 0
) -> Eigenvalues:
    """Find the algebraically largest eigenvalues, in falling order; all else is as in `smallest_eigenvalues`."""
    return _extreme(hessian, count, "LA", tolerance, max_products, seed)


@one_thread()
def trace(hessian: Any, *, probes: int = 100, seed: int = 0) -> Trace:
    """Estimate the trace of H by Hutchinson's method: the mean of z'Hz over vectors z of random signs.

    Its variance is 2 / probes times the sum of squares of the off-diagonal elements. Where P is no more than `probes`,
    the diagonal itself is added up.

    Parameters
    ----------
    hessian : LinearOperator or array-like, (P, P)
        Real and symmetric.
    probes : int
        Random vectors, at least 2; each is one product with H.
    seed : int

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        When an argument cannot be used, or a product with H is not finite.
    """
    products = Products(hessian)
    _check_whole("probes", probes, 2)
    _check_whole("seed", seed, 0)
    if products.size <= probes:
        return Trace(float(np.trace(products.matrix())), 0.0, products.size)
    forms = np.array([z @ products(z) for z in (_signs(products.size, seed, number) for number in range(probes))])
    return Trace(float(forms.mean()), float(forms.std(ddof=1)) / math.sqrt(probes), probes)


@one_thread()
def spectral_density(hessian: Any, *, steps: int = 64, probes: int = 10, seed: int = 0) -> SpectralDensity:
    """Estimate the distribution of the eigenvalues of H by stochastic Lanczos quadrature.

    For a vector z of random signs, z'f(H)z / P estimates the mean of f over the eigenvalues (Hutchinson). Lanczos from
    z, here with every vector orthogonalised against all before it, gives a tridiagonal matrix whose eigenvalues, with
    the squares of the first components of its eigenvectors as weights, are the Gauss quadrature of that form: exact for
    polynomials of a degree up to 2 steps - 1 (Golub & Meurant 2010). So the density's mean times P is the value of
    `trace` with the same probes and seed. After Ghorbani, Krishnan & Xiao 2019.

    Parameters
    ----------
    hessian : LinearOperator or array-like, (P, P)
        Real and symmetric.
    steps : int
        Nodes of each probe, at least 1 (P, where that is less). The vectors of a probe take 8 P steps bytes.
    probes : int
        Random vectors, at least 1. There are steps times probes products with H.
    seed : int

    Returns
    -------
    SpectralDensity

    Raises
    ------
    InputError
        When an argument cannot be used, or a product with H is not finite.
    """
    from scipy.linalg import eigh_tridiagonal

    products = Products(hessian)
    for name, value, least in (("steps", steps, 1), ("probes", probes, 1), ("seed", seed, 0)):
        _check_whole(name, value, least)
    nodes, weights = np.zeros((2, probes, min(steps, products.size)))
    for number in range(probes):
        diagonal, beside = tridiagonal(products, _signs(products.size, seed, number), nodes.shape[1])
        values, vectors = eigh_tridiagonal(diagonal, beside)
        nodes[number] = values[-1]
        nodes[number, : len(values)] = values
        weights[number, : len(values)] = vectors[0] ** 2 / probes
    return SpectralDensity(nodes, weights)


def smooth_density(density: SpectralDensity, grid: ArrayLike, width: float) -> FloatArray:
    """Return the density on a grid, every node spread out as a Gaussian.

    Parameters
    ----------
    density : SpectralDensity
    grid : array-like (G,)
        Eigenvalues at which to take it.
    width : float
        Standard deviation of the Gaussians, positive, in the unit of the eigenvalues.

    Returns
    -------
    ndarray (G,), float64
        Share of the eigenvalues per unit; its integral over all numbers is 1.
    """
    if not 0 < width < math.inf:
        raise InputError(f"width must be a positive finite number, got {width!r}.")
    away = (np.asarray(grid, np.float64)[:, None] - density.nodes.reshape(-1)) / width
    smooth: FloatArray = np.exp(-0.5 * away**2) @ density.weights.reshape(-1) / (width * math.sqrt(2 * math.pi))
    return smooth


@one_thread()
def _extreme(hessian: Any, count: int, which: str, tolerance: float, max_products: int, seed: int) -> Eigenvalues:
    products = Products(hessian)
    for name, value, least in (("count", count, 1), ("max_products", max_products, 1), ("seed", seed, 0)):
        _check_whole(name, value, least)
    if count > products.size:
        raise InputError(f"count must be at most the {products.size} eigenvalues that there are, got {count}.")
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance must be a fraction between 0 and 1, got {tolerance!r}.")
    size = first = max(_FIRST, 2 * count + 1)
    if products.size <= max(_DENSE, first):
        ordered = np.linalg.eigh(products.matrix())[1][:, :: 1 if which == "SA" else -1]
        return _measured(products, ordered[:, :count], which, tolerance)
    most = max(first, min(products.size, _BASIS_NUMBERS // products.size))
    vectors = np.linalg.qr(np.random.default_rng(seed).standard_normal((products.size, count)))[0]
    while True:
        start, vectors = vectors, krylov_ends(products, vectors, size, which)
        found = _measured(products, vectors, which, tolerance)
        size = min(2 * size, most, max_products - products.count - count - 1)
        if found.converged or size < first or vectors is start:
            return found


def _measured(products: Products, vectors: FloatArray, which: str, tolerance: float) -> Eigenvalues:
    """Return Rayleigh quotients and residuals of unit vectors (P, count), the outermost first."""
    images = products.of(vectors)
    values = (vectors * images).sum(axis=0)
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    order = np.argsort(values if which == "SA" else -values, kind="stable")
    converged = bool((residuals <= tolerance * products.norm).all())
    return Eigenvalues(values[order], residuals[order], converged, products.count)


def _signs(size: int, seed: int, number: int) -> FloatArray:
    """Return the probe of this number: P random signs."""
    return np.random.default_rng([seed, number]).choice((-1.0, 1.0), size)


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
