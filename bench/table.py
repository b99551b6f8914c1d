"""Results as a table in Markdown: `python bench/table.py RESULTS.json` prints it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """Return the table of one results file, with a caption that names machine, date and versions."""
    names = list(results["peers"])
    compared = len(names) > 1
    head = ["D-H-K, batch", *(f"{name}, µs" for name in names), *(["ratio"] if compared else [])]
    lines = [_line(head), _line(["---"] + ["---:"] * (len(head) - 1))]
    for row in results["rows"]:
        cells = [row["shape"], *(_time(row["us_per_step"][name]) for name in names)]
        if compared:
            cells.append(f"{row['ratio']:.1f}x")
        lines.append(_line(cells))
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items())
    where = f"one core of {results['name']}, {versions}, {results['date']}"
    return "\n".join([*lines, "", f"Median time of a step, quartiles in brackets; {where}."])


def verdicts(results: dict[str, Any]) -> str:
    """Return a line per row: whether its ratio is the one expected, or more."""
    return "\n".join(
        f"{row['shape']}: {row['ratio']:.1f}x, expected {row['expected']:g}x: {'met' if row['met'] else 'MISSED'}"
        for row in results["rows"]
        if "expected" in row
    )


def _time(us: dict[str, float]) -> str:
    digits = 2 if us["median"] < 100 else 0
    return f"{us['median']:.{digits}f} [{us['q1']:.{digits}f}, {us['q3']:.{digits}f}]"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
