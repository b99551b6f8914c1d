"""The studies behind docs/emc-results.md: runs them, records what their reports say, and prints the page's totals."""

from __future__ import annotations

import argparse
import csv
import datetime
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import commit, describe_machine
from bench.publish import write

GRID: dict[str, Any] = {
    "labels": ["semantic", "random", "random-inputs"], "optimizers": ["sgd", "gd", "adam"],
    "activations": ["relu", "tanh", "sigmoid", "identity"], "steps": 3000, "generalise": True,
}  # fmt: skip
STUDIES: dict[str, tuple[str, dict[str, Any]]] = {
    "adult": ("adult", {**GRID, "widths": [2, 4, 8, 16], "n_max": 4096}),
    "covtype": ("covtype", {**GRID, "widths": [2, 4, 8, 16], "n_max": 4096}),
    "fashion-mnist": ("fashion-mnist", {**GRID, "widths": [2, 4, 8], "n_max": 2048}),
    "mnist": ("mnist", {**GRID, "widths": [2, 4, 8], "n_max": 2048}),
    "mnist-classes": ("mnist", {
        "labels": ["semantic", "random"], "widths": [4, 8], "classes": [2, 5, 10], "steps": 3000, "n_max": 2048,
    }),
    "covtype-epochs": ("covtype", {
        "labels": ["semantic", "random"], "widths": [4, 8, 16], "optimizers": ["sgd", "gd"],
        "activations": ["relu", "tanh"], "epochs": 300, "n_max": 4096,
    }),
    "covtype-wide": ("covtype", {
        "labels": ["semantic", "random"], "widths": [32, 64], "activations": ["relu", "tanh", "sigmoid", "identity"],
        "steps": 3000, "n_max": 8192,
    }),
}  # fmt: skip
"""Name -> the data set, a file NAME.h5, and what is asked of it."""
TABLES = ("emc", "comparisons", "per_parameter", "correlations")


def main(arguments: list[str]) -> int:
    """Run the studies asked for, and write a file of results for each."""
    parser = argparse.ArgumentParser(prog="python -m bench emc-studies", description="The studies of EMC on real data.")
    parser.add_argument("data", type=Path, help="folder with adult.h5, covtype.h5, fashion-mnist.h5 and mnist.h5")
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=list(STUDIES), help="which of them")
    parser.add_argument("--work", type=Path, default=Path("studies/emc"), help="folder for the studies themselves")
    parser.add_argument("--out", type=Path, help="folder for the results, bench/results by default")
    options = parser.parse_args(arguments)
    for name in options.studies:
        source, settings = STUDIES[name]
        results = measure(name, options.data / f"{source}.h5", options.work / name, settings)
        write(results, options.out and options.out / f"emc-{name}.json")
        print("\n".join(lines(results)), flush=True)
    return 0


def measure(name: str, data: Path, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Run a study and its report; `seconds` is for both, little where the study was there already."""
    import capacity

    began = time.perf_counter()
    study = capacity.emc(data, **settings, workers=2, out=folder)
    report = capacity.report(study)
    seconds = time.perf_counter() - began
    return {
        "benchmark": "emc", "name": name, "date": datetime.date.today().isoformat(), "commit": commit(),
        "machine": describe_machine(), "data": study.data_name, "settings": dict(settings), "seconds": round(seconds),
        "trainings": len(study.rows()), "conclusion": report.conclusion,
        **{table: read_table(study.path / "figures" / f"{table}.csv") for table in TABLES},
    }  # fmt: skip


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table of a report, none where it has no such table; empty fields are None."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def lines(results: Mapping[str, Any]) -> list[str]:
    """Return what is printed of a study: EMC over parameters by kind of labels, and its totals."""
    rows: Sequence[Mapping[str, Any]] = results["emc"]
    said = [f"{results['name']}: {len(rows)} networks, {results['trainings']:,} trainings, {results['seconds']} s"]
    for kind in dict.fromkeys(row["labels"] for row in rows):
        shares = [row["per_parameter"] for row in rows if row["labels"] == kind]
        over = sum(share > 1 for share in shares)
        said.append(
            f"  {kind}: {median(shares):.2g} examples a parameter (median), most {max(shares):.2g}, {over} above 1"
        )
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update({name: value for name, value in row.items() if name in SUMMED})
    return [*said, "  " + ", ".join(f"{name} {totals[name]:,.0f}" for name in SUMMED)]


SUMMED = (
    "steps", "scan_steps", "seeds", "at_least", "unfitted", "irregular", "carried", "false_stops", "verified",
    "corrected", "at_minimum", "at_saddle", "out_of_budget", "diverged",
)  # fmt: skip
"""Columns of the table of networks that add up over a study."""


def _value(text: str) -> Any:
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
