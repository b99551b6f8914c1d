"""The rows of an EMC study's table of seeds: what each one's trainings say, and the certificate of its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.reporting.emc_lines import CellRow, cell_columns

if TYPE_CHECKING:
    from capacity.analysis.emc import EmcPoint
    from capacity.experiments import Study
    from capacity.experiments.emc_plan import Cell, CellSearch


class SeedRow(CellRow):
    """One seed of a network: its EMC, what bounds it, and where its smallest failure has ended.

    `emc` is the largest sample fitted below `smallest_failed`; `largest_fitted` is larger where the seed is
    `irregular`. From `certificate` on it is about the training that failed with the smallest sample, see
    :class:`capacity.analysis.certificate.Certificate`; empty where none failed.
    """

    seed: int
    emc: int
    at_least: bool
    largest_fitted: int
    smallest_failed: int | None
    irregular: bool
    trainings: int
    certificate: str | None
    loss: float | None
    gradient_norm: float | None
    improvement: float | None
    smallest_eigenvalue: float | None
    largest_eigenvalue: float | None
    residual: float | None


def seed_rows(study: Study, cell: Cell, search: CellSearch, point: EmcPoint) -> list[SeedRow]:
    """Return a row for each seed of a network, from its search and what `emc_point` made of it."""
    from capacity.experiments.emc_certificates import read_certificate

    certificates = {trial.seed: read_certificate(study.path, trial.key) for trial in search.failures()}
    rows = []
    for seed in point.seeds:
        known = certificates.get(seed.seed)
        rows.append(
            SeedRow(
                **cell_columns(cell),
                seed=seed.seed,
                emc=seed.emc,
                at_least=seed.at_least,
                largest_fitted=seed.largest_fitted,
                smallest_failed=seed.smallest_failed,
                irregular=seed.non_monotone,
                trainings=seed.runs,
                certificate=known.code if known else None,
                loss=known.loss if known else None,
                gradient_norm=known.gradient_norm if known else None,
                improvement=known.improvement if known else None,
                smallest_eigenvalue=known.smallest if known else None,
                largest_eigenvalue=known.largest if known else None,
                residual=known.residual if known else None,
            )
        )
    return rows
