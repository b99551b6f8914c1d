"""Eigenvalues, trace and density of operators: against NumPy's eigenvalues of dense matrices, and exact identities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackError, LinearOperator

import capacity
from capacity.analysis import hessian as tools
from capacity.analysis.hessian import (
    Eigenvalues,
    largest_eigenvalues,
    smallest_eigenvalues,
    smooth_density,
    spectral_density,
    trace,
)
from capacity.analysis.lanczos import one_thread
from capacity.errors import InputError


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Let NumPy, too, work alone: on a busy machine threads on small matrices wait for each other."""
    with one_thread():
        yield


P = 300
RNG = np.random.default_rng(11)
ROTATION = np.linalg.qr(RNG.normal(size=(P, P)))[0]


def rotated(spectrum: np.ndarray) -> np.ndarray:
    """Return a symmetric matrix of these eigenvalues whose eigenvectors have no structure."""
    Q = ROTATION if len(spectrum) == P else np.linalg.qr(RNG.normal(size=(len(spectrum),) * 2))[0]
    matrix = (Q * spectrum) @ Q.T
    return (matrix + matrix.T) / 2


def counted(matrix: np.ndarray) -> tuple[LinearOperator, list[int]]:
    calls = [0]

    def matvec(v: np.ndarray) -> np.ndarray:
        calls[0] += 1
        return matrix @ v.reshape(-1)

    return LinearOperator(matrix.shape, matvec=matvec, dtype=np.float64), calls


SPECTRA = {
    "indefinite": np.linspace(-1, 3, P),
    "a bulk at zero": np.r_[-0.02, np.zeros(P - 12), np.linspace(0.5, 10, 11)],
    "positive semidefinite": np.r_[np.zeros(100), np.linspace(1e-4, 1, P - 100)],
    "negative": -np.geomspace(1e-6, 1, P),
    "three distinct": np.repeat([-1.0, 0.0, 2.0], P // 3),
    "low rank": np.r_[np.zeros(P - 1), 5.0],
    "identity": np.ones(P),
    "zero": np.zeros(P),
    "small": 1e-12 * np.linspace(-1, 3, P),
    "dense fallback": np.linspace(-2, 1, 20),
    "one": np.array([-3.0]),
    "one, zero": np.array([0.0]),
    "two": np.array([-1.0, -1.0]),
    "three": np.array([-1.0, 0.0, 5.0]),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_the_extreme_eigenvalues_are_found(name: str) -> None:
    matrix = rotated(SPECTRA[name])
    expected, scale = np.linalg.eigvalsh(matrix), np.abs(SPECTRA[name]).max()
    for find, end in ((smallest_eigenvalues, expected[0]), (largest_eigenvalues, expected[-1])):
        operator, calls = counted(matrix)
        found = find(operator)
        assert found.converged
        assert found.products == calls[0] <= 1000
        assert found.residuals[0] <= 1e-6 * scale
        assert abs(found.values[0] - end) <= 1e-6 * scale
        assert_bounds_hold(found, expected)
        again = find(operator)
        np.testing.assert_array_equal(again.values, found.values)
        np.testing.assert_array_equal(again.residuals, found.residuals)


def assert_bounds_hold(found: Eigenvalues, eigenvalues: np.ndarray) -> None:
    rounding = 1e-14 * np.abs(eigenvalues).max()
    for low, high in found.bounds:
        assert ((eigenvalues >= low - rounding) & (eigenvalues <= high + rounding)).any()
    assert found.values.min() >= eigenvalues[0] - rounding
    assert found.values.max() <= eigenvalues[-1] + rounding


def test_several_come_in_order_from_the_end() -> None:
    matrix = rotated(SPECTRA["indefinite"])
    expected = np.linalg.eigvalsh(matrix)
    smallest, largest = smallest_eigenvalues(matrix, 5), largest_eigenvalues(matrix, 5)
    np.testing.assert_allclose(smallest.values, expected[:5], atol=1e-6)
    np.testing.assert_allclose(largest.values, expected[:-6:-1], atol=1e-6)
    assert smallest.bounds.shape == (5, 2)


@pytest.mark.parametrize("size", [1, 2, 3, 40, 80])
def test_all_eigenvalues_of_a_small_matrix(size: int) -> None:
    expected = np.sort(np.random.default_rng(size).normal(size=size))
    matrix = rotated(expected)
    np.testing.assert_allclose(smallest_eigenvalues(matrix, size).values, expected, atol=1e-14)
    np.testing.assert_allclose(largest_eigenvalues(matrix, size).values, expected[::-1], atol=1e-14)


@pytest.mark.parametrize("max_products", [1, 40, 110, 250])
def test_what_has_not_converged_is_returned_with_its_residual(max_products: int) -> None:
    # The end is crowded: eigenvalues k^4 / P^4, the smallest 1e-10 apart.
    matrix = rotated((np.arange(P) / P) ** 4)
    found = smallest_eigenvalues(matrix, tolerance=1e-13, max_products=max_products)
    assert not found.converged
    assert found.products <= max(max_products, 40)
    assert_bounds_hold(found, np.linalg.eigvalsh(matrix))
    assert 1e-13 < found.residuals[0] < 1e-2


def test_more_products_come_nearer() -> None:
    matrix = rotated((np.arange(P) / P) ** 4)
    values = [smallest_eigenvalues(matrix, tolerance=1e-15, max_products=n).values[0] for n in (40, 110, 250)]
    assert values[0] > values[1] > values[2] > -1e-15


def test_where_arpack_gives_up_there_is_a_result_with_its_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*args: Any, **kwargs: Any) -> None:
        raise ArpackError(-9999)

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", refuses)
    matrix = rotated(SPECTRA["indefinite"])
    found = smallest_eigenvalues(matrix, 2, max_products=100)
    assert (found.converged, found.products) == (False, 2)
    assert_bounds_hold(found, np.linalg.eigvalsh(matrix))


def test_another_seed_starts_elsewhere() -> None:
    matrix = rotated((np.arange(P) / P) ** 4)
    values = {smallest_eigenvalues(matrix, max_products=40, seed=seed).values[0] for seed in range(3)}
    assert len(values) == 3


def test_memory_of_the_space_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def spied(products: Any, start: Any, size: int, which: str) -> Any:
        sizes.append(size)
        return original(products, start, size, which)

    original = tools.krylov_ends
    monkeypatch.setattr(tools, "krylov_ends", spied)
    monkeypatch.setattr(tools, "_BASIS_NUMBERS", 50 * P)
    smallest_eigenvalues(rotated((np.arange(P) / P) ** 4), tolerance=1e-14, max_products=200)
    assert sizes == [32, 50, 50, 50]


def test_the_trace_lies_within_its_standard_error() -> None:
    # A normal variable lies within 2 standard errors 95 times in 100; of 100, fewer than 86: p < 0.001.
    matrix = rotated(np.linspace(-1, 3, 60))
    found = [trace(matrix, probes=50, seed=seed) for seed in range(100)]
    away = np.array([(t.value - 60.0) / t.standard_error for t in found])
    assert (np.abs(away) < 2).sum() >= 86
    # The variance of a probe is twice the sum of squares beside the diagonal.
    variance = 2 * ((matrix**2).sum() - (np.diag(matrix) ** 2).sum())
    assert np.mean([50 * t.standard_error**2 for t in found]) == pytest.approx(variance, rel=0.1)
    assert np.var([t.value for t in found]) * 50 == pytest.approx(variance, rel=0.35)


def test_the_trace_is_exact_where_it_can_be() -> None:
    matrix = rotated(np.linspace(-1, 3, 60))
    exact = trace(matrix, probes=60)
    assert (exact.standard_error, exact.probes) == (0.0, 60)
    assert exact.value == pytest.approx(60.0, rel=1e-14)
    diagonal = trace(np.diag(np.arange(P)), probes=2)  # random signs see a diagonal without error
    assert diagonal.value == P * (P - 1) / 2
    assert diagonal.standard_error == 0.0


def test_the_density_of_a_diagonal_is_exact() -> None:
    # Every entry of a probe has the same square, so that each sees the eigenvalues with their true shares.
    density = spectral_density(np.diag(np.repeat([-1.0, 0.0, 2.0], [30, 200, 70])), steps=10, probes=4)
    np.testing.assert_allclose(density.nodes[:, :3], np.tile([-1.0, 0.0, 2.0], (4, 1)), atol=1e-14)
    np.testing.assert_allclose(density.weights[:, :3], np.tile(np.array([30, 200, 70]) / P / 4, (4, 1)), atol=1e-14)
    np.testing.assert_array_equal(density.weights[:, 3:], 0)  # the space ends after three vectors
    assert np.isin(density.nodes[:, 3:], density.nodes[:, 2]).all()


@pytest.mark.parametrize("name", SPECTRA)
def test_moments_of_the_density_are_those_of_its_probes(name: str) -> None:
    # Gauss quadrature with k nodes is exact up to degree 2k - 1: the mean of z'H^j z / P over the probes.
    matrix = rotated(SPECTRA[name])
    size, scale = len(matrix), max(np.abs(SPECTRA[name]).max(), 1e-300)
    density = spectral_density(matrix, steps=4, probes=3, seed=5)
    probes = np.array([np.random.default_rng([5, number]).choice((-1.0, 1.0), size) for number in range(3)])
    power = probes.copy()
    for degree in range(8):
        moment = (density.weights * (density.nodes / scale) ** degree).sum()
        assert moment == pytest.approx((probes * power).sum() / (3 * size), abs=1e-13)
        power = power @ (matrix / scale)
    assert density.weights.min() >= 0


def test_the_mean_of_the_density_is_the_trace() -> None:
    matrix = rotated(SPECTRA["indefinite"])
    density, estimate = spectral_density(matrix, steps=5, probes=6, seed=2), trace(matrix, probes=6, seed=2)
    assert P * (density.weights * density.nodes).sum() == pytest.approx(estimate.value, rel=1e-12)
    assert abs(estimate.value - P) < 4 * estimate.standard_error


def test_the_smoothed_density_is_that_of_the_eigenvalues() -> None:
    wigner = RNG.normal(size=(P, P))
    matrix = (wigner + wigner.T) / np.sqrt(2 * P)
    grid, width = np.linspace(-3, 3, 601), 0.1
    smooth = smooth_density(spectral_density(matrix, steps=60, probes=40), grid, width)
    assert smooth.sum() * 0.01 == pytest.approx(1.0, abs=1e-9)
    bells = np.exp(-0.5 * ((grid[:, None] - np.linalg.eigvalsh(matrix)) / width) ** 2) / width / np.sqrt(2 * np.pi)
    assert np.abs(smooth - bells.mean(axis=1)).sum() * 0.01 < 0.05  # twice the total variation


def test_one_node_is_smoothed_to_a_gaussian() -> None:
    density = spectral_density(np.full((1, 1), 3.0), probes=2)
    np.testing.assert_array_equal(density.nodes, [[3.0], [3.0]])
    expected = np.array([1.0, np.exp(-0.5), np.exp(-2)]) / (0.5 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(smooth_density(density, [3.0, 3.5, 2.0], 0.5), expected, rtol=1e-14)


def test_a_saddle_of_a_network_is_recognised() -> None:
    # With all weights 0 a network of tanh units is at a saddle: no gradient reaches the hidden units, but pairs of
    # weights of both layers, moved together, lower the loss.
    model = capacity.MLP((4,), "tanh")
    surface = capacity.LossSurface(model, "digits", np.zeros(64 * 4 + 4 + 4 * 10 + 10), samples=200)
    matrix = surface.hessian() @ np.eye(surface.hessian().shape[0])
    found = smallest_eigenvalues(surface.hessian())
    assert found.converged
    assert found.bounds[0, 1] < 0
    assert found.values[0] == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smallest_eigenvalues(np.zeros((2, 3))), r"hessian must be square, of shape \(P, P\), got \(2, 3\)"),
        (lambda: smallest_eigenvalues(np.zeros((0, 0))), r"hessian must be square, of shape \(P, P\), got \(0, 0\)"),
        (lambda: smallest_eigenvalues(np.zeros(3)), r"hessian must be square, .*, got \(3,\)"),
        (lambda: trace(np.array([[0, 1], [2, 0]])), "hessian must be symmetric"),
        (lambda: trace("H"), "hessian must be a LinearOperator of SciPy or a real symmetric array, got str"),
        (lambda: trace(1j * np.eye(2)), "hessian must be a LinearOperator .*, got ndarray"),
        (lambda: trace(np.diag([1.0, np.nan])), "hessian must give finite products"),
        (lambda: smallest_eigenvalues(np.diag(np.full(100, np.inf))), "hessian must give finite products"),
        (lambda: smallest_eigenvalues(np.eye(3), 4), "count must be at most the 3 eigenvalues that there are, got 4"),
        (lambda: smallest_eigenvalues(np.eye(3), 0), "count must be a whole number of at least 1, got 0"),
        (lambda: smallest_eigenvalues(np.eye(3), seed=-1), "seed must be a whole number of at least 0, got -1"),
        (lambda: largest_eigenvalues(np.eye(3), tolerance=0.0), "tolerance must be a fraction between 0 and 1"),
        (lambda: largest_eigenvalues(np.eye(3), max_products=0), "max_products must be a whole number of at least 1"),
        (lambda: trace(np.eye(3), probes=1), "probes must be a whole number of at least 2, got 1"),
        (lambda: spectral_density(np.eye(3), steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: spectral_density(np.eye(3), probes=True), "probes must be a whole number of at least 1, got True"),
        (lambda: smooth_density(spectral_density(np.eye(3)), [0.0], 0.0), "width must be a positive finite number"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
