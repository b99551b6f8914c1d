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


def gpu_markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file of bench/gpu.py, with a caption that names GPU, date and versions."""
    ours, *others = results["peers"]
    most = results["ceilings"]
    lines = [
        _line(
            ["D-H-K, batch, replicas", f"{ours}, µs", *(f"{name}, µs (ratio)" for name in others), "TFLOP/s", "TB/s"]
        ),
        _line(["---"] + ["---:"] * (len(others) + 3)),
    ]
    for row in results["rows"]:
        us, flop, traffic = row["us_per_step"], row["flop_per_second"], row["bytes_per_second"]
        ratios = [f"{_time(us[name])} ({row['ratios'][name]:.1f}x)" for name in others]
        achieved = [
            f"{flop / 1e12:.1f} ({flop / most['flop_per_second']:.0%})",
            f"{traffic / 1e12:.2f} ({traffic / most['bytes_per_second']:.0%})",
        ]
        lines.append(_line([row["shape"], _time(us[ours]), *ratios, *achieved]))
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items())
    caption = (
        "Median time of a step of all replicas, quartiles in brackets; how much of its arithmetic and of the least "
        f"traffic of its weights {ours} does in a second, beside what a large float32 product "
        f"({most['flop_per_second'] / 1e12:.1f} TFLOP/s) and a large copy ({most['bytes_per_second'] / 1e12:.2f} TB/s) "
        f"do; {results['name']}, driver {results['gpu']['driver']}, {versions}, {results['date']}."
    )
    return "\n".join([*lines, "", caption])


def gpu_verdicts(results: dict[str, Any]) -> str:
    """Return a line per expected ratio of a results file of bench/gpu.py: whether it was reached."""
    return "\n".join(
        f"{row['shape']}: {row['ratios'][name]:.1f}x {name}, expected {expected:g}x: "
        f"{'met' if row['ratios'][name] >= expected else 'MISSED'}"
        for row in results["rows"]
        for name, expected in row["expected"].items()
    )


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
    measured = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(gpu_markdown(measured) if measured["benchmark"] == "gpu" else markdown(measured))
