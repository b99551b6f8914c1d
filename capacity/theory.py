"""Theory beside measurement: results of the papers in closed form, by Monte Carlo, and on the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from capacity.errors import InputError

if TYPE_CHECKING:
    from capacity.analysis.lnn import Mean

STARTS = 10_000
"""Random starts from which the network is trained, for every number of weights."""

STANDARD_ERRORS = 4.0
ROUNDING = 1e-9
"""How far from the closed form an estimate, and how far (in C) from the nearest solution a descent, may be to agree."""


class LnnRow(TypedDict):
    """What was found for K weights. Distances from the start to the solutions, in units of C.

    `origin` is C/sqrt(K): from the origin, and the paper's average; `mean` is the mean over the ball in closed form,
    `beyond` the share of starts that lie beyond the solutions. `descent_*` was measured on the trained network:
    from the origin, the mean over random starts, and the farthest that one of them ended from its nearest solution.
    """

    weights: int
    origin: float
    mean: float
    beyond: float
    monte_carlo: float
    monte_carlo_error: float
    samples: int
    descent_origin: float
    descent: float
    descent_error: float
    starts: int
    descent_miss: float


@dataclass(frozen=True)
class LinearNetwork:
    """What `theory_lnn` found.

    Attributes
    ----------
    rows : list of LnnRow
        One for K = 1, ..., k_max.
    radius : float
        R of the ball of the starts, in units of C.
    deviation : float
        The farthest that one of the 2 k_max estimated means lies from the closed form, in its standard errors.
    miss : float
        The farthest that a descent ended from the nearest solution, in units of C.
    agree : bool
        Whether the first is at most 4 and the second at most 1e-9. By chance alone the first is more for about one
        seed in 500 where k_max is 16.
    figure : Path
        The PNG file; an SVG file and a CSV file with the rows lie beside it.
    """

    rows: list[LnnRow]
    radius: float
    deviation: float
    miss: float
    agree: bool
    figure: Path


def theory_lnn(
    k_max: int = 16,
    *,
    samples: int = 100_000,
    seed: int = 0,
    radius: float = 1.0,
    out: str | Path = "theory-lnn",
) -> LinearNetwork:
    """Find how far a linear network of K weights starts from its solutions, in three ways.

    Ardalani, Hestness & Diamos 2019, appendix B: why wider networks travel less. The mean distance from a start in a
    ball to the weights that solve the problem is found in closed form, by Monte Carlo, and as the way that gradient
    descent takes on the engine. `capacity.analysis.lnn` states model, assumptions and where the paper is silent or
    wrong, `capacity.experiments.lnn` how the engine's softmax network realises it.

    Parameters
    ----------
    k_max : int
        Most weights; K = 1, ..., k_max.
    samples : int
        Starts of the Monte Carlo estimate for every K, at least 100.
    seed : int
        Seed of all starts.
    radius : float
        Radius R of the ball around the origin in which the starts lie, 0.001 to 100, in units of C (the distance of
        the solution from the origin for K = 1). The paper's average is a mean distance while K <= 1/R^2.
    out : str or Path
        Folder for lnn.png, lnn.svg and lnn.csv; files of an earlier call are replaced.

    Returns
    -------
    LinearNetwork

    Raises
    ------
    InputError
        When a number is not in its range.
    StudyError
        When the files cannot be written.
    """
    _check_whole("k_max", k_max, 1)
    _check_whole("samples", samples, 100)
    _check_whole("seed", seed, 0)
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0.001 <= radius <= 100:
        raise InputError(f"radius must be a number from 0.001 to 100, got {radius!r}.")
    from capacity.plots.lnn import lnn_figure
    from capacity.reporting.files import csv_bytes, figure_files, write_figures

    rows = [_row(weights, samples, seed, radius) for weights in range(1, k_max + 1)]
    deviation = max(abs(deviation) for row in rows for deviation in deviations(row))
    miss = max(row["descent_miss"] for row in rows)
    files = figure_files({"lnn": lnn_figure(rows, radius)})
    write_figures(Path(out), [*files, ("lnn.csv", csv_bytes(LnnRow, rows))])
    agree = deviation <= STANDARD_ERRORS and miss <= ROUNDING
    return LinearNetwork(rows, radius, deviation, miss, agree, Path(out) / "lnn.png")


def deviations(row: LnnRow) -> tuple[float, float]:
    """Return how far Monte Carlo and descent lie from the closed form, in their standard errors."""
    return (
        (row["monte_carlo"] - row["mean"]) / row["monte_carlo_error"],
        (row["descent"] - row["mean"]) / row["descent_error"],
    )


def _row(weights: int, samples: int, seed: int, radius: float) -> LnnRow:
    import numpy as np

    from capacity.analysis import lnn

    sampled, started = (np.random.default_rng([seed, weights, purpose]) for purpose in (0, 1))
    estimate = lnn.monte_carlo(weights, radius, samples, sampled)
    origin, descent, miss = _descent(lnn.ball_starts(STARTS, weights, radius, started))
    return LnnRow(
        weights=weights, origin=lnn.origin_distance(weights), mean=lnn.mean_distance(weights, radius),
        beyond=lnn.fraction_beyond(weights, radius), monte_carlo=estimate.value, monte_carlo_error=estimate.error,
        samples=estimate.count, descent_origin=origin, descent=descent.value, descent_error=descent.error,
        starts=descent.count, descent_miss=miss,
    )  # fmt: skip


def _descent(starts: Any) -> tuple[float, Mean, float]:
    """Return the way from the origin, the mean way from the starts (R, K), and the farthest miss of all of them."""
    import numpy as np

    from capacity.analysis import lnn
    from capacity.experiments.lnn import descend

    weights = starts.shape[1]
    starts = np.vstack([np.zeros(weights), starts])
    before, after = descend(starts)
    nearest = before.copy()
    nearest[:, :weights] = lnn.nearest_solutions(starts)
    ways = np.linalg.norm(after - before, axis=1)
    return float(ways[0]), lnn.mean_of(ways[1:]), float(np.linalg.norm(after - nearest, axis=1).max())


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
