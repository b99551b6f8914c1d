"""The part of an EMC study's report that sets test accuracy against EMC, over its networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from capacity.reporting.emc_lines import line_name, varying
from capacity.reporting.files import csv_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from capacity.analysis.correlation import Coefficient
    from capacity.analysis.generalisation import Correlation, Network
    from capacity.analysis.threshold import SeedThreshold
    from capacity.experiments.emc_plan import Cell, CellSearch
    from capacity.reporting.emc_figures import Titles


_Ends = tuple[float | None, float | None]


class NetworkRow(TypedDict):
    """One network, trained on the largest sample and tested, beside its EMC.

    `test_accuracy` is the mean over the seeds, `test_error` its standard error; `fitted` seeds fitted the sample of
    `samples` in the budget. `semantic` and `random` are geometric means of EMC over the seeds, with the standard error
    of their logarithm; lower bounds where `semantic_at_least` or `random_at_least`, the seeds that fitted all there is,
    is not 0. `difference` is of the means over the seeds, `ratio` that of the geometric means. Empty is what is
    not known, even as a bound.
    """

    classes: int
    optimizer: str
    activation: str
    depth: int
    width: int
    parameters: int
    samples: int
    lr: float
    seeds: int
    fitted: int
    test_accuracy: float
    test_error: float | None
    semantic: float | None
    semantic_log_error: float | None
    semantic_at_least: int
    random: float | None
    random_log_error: float | None
    random_at_least: int
    difference: float | None
    difference_error: float | None
    ratio: float | None
    ratio_log_error: float | None


class CorrelationRow(TypedDict):
    """Test accuracy against one quantity, over the networks of one number of classes; see `Correlation`.

    `low` and `high` are the 95 % interval over networks, `seeds_low` and `seeds_high` that over the seeds of these.
    """

    classes: int
    quantity: str
    networks: int
    left_out: int
    pearson: float | None
    pearson_low: float | None
    pearson_high: float | None
    pearson_seeds_low: float | None
    pearson_seeds_high: float | None
    kendall: float | None
    kendall_low: float | None
    kendall_high: float | None
    kendall_seeds_low: float | None
    kendall_seeds_high: float | None
    reason: str


@dataclass(frozen=True)
class Generalisation:
    """What is added to a report: figures by name, tables by the names of their files, and what to conclude."""

    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Sequence[tuple[str, bytes]] = ()
    conclusion: str = ""


def report_generalisation(searches: Mapping[Cell, CellSearch], titles: Titles) -> Generalisation:
    """Set test accuracy against EMC, for each number of classes, from the searches of a whole study.

    There is nothing where no training was tested.
    """
    from capacity.analysis.generalisation import QUANTITIES, correlate
    from capacity.plots.generalisation import generalisation_figure

    tested = {cell: search for cell, search in searches.items() if search.tests}
    if not tested:
        return Generalisation()
    aspects = varying(tested)
    networks = {cell: _network(cell, searches, line_name(cell, aspects)) for cell in tested}
    quantities = [
        name for name in QUANTITIES if name == "semantic" or any(cell.labels == "random" for cell in searches)
    ]
    trained = next(trial.samples for search in tested.values() for trial in search.tests)
    what, how = titles.captions()
    captions = (f"{what}; accuracy after training on {trained:,}", how)
    figures, rows, said = {}, [], []
    tasks = sorted({cell.classes for cell in tested})
    for classes in tasks:
        alike = [network for cell, network in networks.items() if cell.classes == classes]
        found = [correlate(quantity, alike) for quantity in quantities]
        rows += [_correlation_row(classes, one) for one in found]
        of_task = f" of {classes} classes" if len(tasks) > 1 else ""
        said.append(f"Test accuracy{of_task} {_relations(found)}.")
        if any(network.tested for network in alike):
            name = f"generalisation_{classes}" if len(tasks) > 1 else "generalisation"
            headline = f"Test accuracy{of_task} against effective model complexity on {titles.data}"
            figures[name] = generalisation_figure(alike, found, headline, captions)
    said += _remarks(list(networks.values()), rows)
    tables = [
        ("generalisation.csv", csv_bytes(NetworkRow, [_network_row(c, tested[c], n) for c, n in networks.items()])),
        ("correlations.csv", csv_bytes(CorrelationRow, rows)),
    ]
    return Generalisation(figures, tables, "".join(f" {sentence}" for sentence in said))


def _network(cell: Cell, searches: Mapping[Cell, CellSearch], name: str) -> Network:
    """Return a tested network with its EMC by either kind of labels, as far as the searches have come to their end."""
    from capacity.analysis.generalisation import Network
    from capacity.analysis.threshold import seed_thresholds

    def thresholds(labels: str) -> tuple[SeedThreshold, ...]:
        search = searches.get(replace(cell, labels=labels))
        if search is None or not search.ended:
            return ()
        return seed_thresholds((n, seed, fitted) for (n, seed), fitted in search.answers().items())

    search = searches[cell]
    accuracy = dict.fromkeys(range(search.seeds), math.nan)
    accuracy |= {
        trial.seed: 1 - row["test_top1"] for trial, row in search.tests.items() if row["test_top1"] is not None
    }
    parameters = next(iter(search.tests.values()))["parameters"]
    return Network(name, cell.width, parameters, accuracy, thresholds("semantic"), thresholds("random"))


def _relations(found: Sequence[Correlation]) -> str:
    from capacity.analysis.generalisation import QUANTITIES

    said: dict[tuple[str, str], list[str]] = {}  # quantities of which there is the same to say
    for one in found:
        how = "cannot be set against"
        if one.kendall is not None:
            how = {1: "rises with", -1: "falls with", 0: "has no sure relation to"}[one.kendall.sign]
        said.setdefault((how, one.reason), []).append(QUANTITIES[one.quantity])
    return "; ".join(f"{how} {', '.join(names)}: {reason}" for (how, reason), names in said.items())


def _remarks(networks: Sequence[Network], rows: Sequence[CorrelationRow]) -> list[str]:
    """Return what else there is to say."""
    said = []
    if any(row["left_out"] for row in rows):
        said.append("Networks are left out where an EMC is known as a bound only.")
    if untested := sum(not network.tested for network in networks):
        said.append(f"{untested} networks have no test accuracy, since a training diverged or has not ended.")
    if not any(row["quantity"] == "random" for row in rows):
        said.append("Without random labels in the study there is no gap to set it against.")
    return said


def _network_row(cell: Cell, search: CellSearch, network: Network) -> NetworkRow:
    from capacity.analysis.generalisation import QUANTITIES, mean_and_error

    trial = next(iter(search.tests))
    accuracy, error = mean_and_error(list(network.accuracy.values()))
    means = {quantity: _mean(network, quantity) for quantity in QUANTITIES}
    return NetworkRow(
        classes=cell.classes,
        optimizer=cell.optimizer,
        activation=cell.activation,
        depth=cell.depth,
        width=cell.width,
        parameters=network.parameters,
        samples=trial.samples,
        lr=trial.lr,
        seeds=len(network.accuracy),
        fitted=sum(row["outcome"] == "fitted" for row in search.tests.values()),
        test_accuracy=accuracy,
        test_error=error,
        semantic=means["semantic"][0],
        semantic_log_error=means["semantic"][1],
        semantic_at_least=sum(found.at_least for found in network.semantic),
        random=means["random"][0],
        random_log_error=means["random"][1],
        random_at_least=sum(found.at_least for found in network.random),
        difference=means["difference"][0],
        difference_error=means["difference"][1],
        ratio=means["ratio"][0],
        ratio_log_error=means["ratio"][1],
    )


def _mean(network: Network, quantity: str) -> tuple[float | None, float | None]:
    """Return a quantity over the seeds, a geometric mean where its logarithm is averaged, and the standard error."""
    from capacity.analysis.generalisation import LOGARITHMIC, look_at, mean_and_error

    seen = look_at(network, quantity)
    if seen is None:
        return None, None
    value, error = mean_and_error(seen.values)
    return math.exp(value) if quantity in LOGARITHMIC else value, error


def _correlation_row(classes: int, found: Correlation) -> CorrelationRow:
    (r, r_ends, r_seeds), (tau, tau_ends, tau_seeds) = _numbers(found.pearson), _numbers(found.kendall)
    return CorrelationRow(
        classes=classes,
        quantity=found.quantity,
        networks=found.networks,
        left_out=found.left_out,
        pearson=r,
        pearson_low=r_ends[0],
        pearson_high=r_ends[1],
        pearson_seeds_low=r_seeds[0],
        pearson_seeds_high=r_seeds[1],
        kendall=tau,
        kendall_low=tau_ends[0],
        kendall_high=tau_ends[1],
        kendall_seeds_low=tau_seeds[0],
        kendall_seeds_high=tau_seeds[1],
        reason=found.reason,
    )


def _numbers(found: Coefficient | None) -> tuple[float | None, _Ends, _Ends]:
    """Return a coefficient and the ends of its intervals, over networks and over seeds."""
    if found is None:
        return None, (None, None), (None, None)
    ends = [(None, None) if span is None else (span.low, span.high) for span in (found.interval, found.over_runs)]
    return found.value, ends[0], ends[1]
