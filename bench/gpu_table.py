"""Results of the benchmark on a GPU as a table in Markdown."""

from __future__ import annotations

from typing import Any

from bench.table import line, rule, time


def markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file of `python -m bench gpu`, with a caption that names GPU, date and versions."""
    ours, *others = results["peers"]
    most = results["ceilings"]
    lines = [
        line(["D-H-K, batch, replicas", f"{ours}, µs", *(f"{name}, µs (ratio)" for name in others), "TFLOP/s", "TB/s"]),
        rule(len(others) + 4),
    ]
    for row in results["rows"]:
        us, flop, traffic = row["us_per_step"], row["flop_per_second"], row["bytes_per_second"]
        ratios = [f"{time(us[name])} ({row['ratios'][name]:.1f}x)" for name in others]
        achieved = [
            f"{flop / 1e12:.1f} ({flop / most['flop_per_second']:.0%})",
            f"{traffic / 1e12:.2f} ({traffic / most['bytes_per_second']:.0%})",
        ]
        lines.append(line([row["shape"], time(us[ours]), *ratios, *achieved]))
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items())
    caption = (
        "Median time of a step of all replicas, quartiles in brackets; how much of its arithmetic and of the least "
        f"traffic of its weights {ours} does in a second, beside what a large float32 product "
        f"({most['flop_per_second'] / 1e12:.1f} TFLOP/s) and a large copy ({most['bytes_per_second'] / 1e12:.2f} TB/s) "
        f"do; {results['name']}, driver {results['gpu']['driver']}, {versions}, {results['date']}."
    )
    return "\n".join([*lines, "", caption])


def verdicts(results: dict[str, Any]) -> str:
    """Return a line per expected ratio of a results file of `python -m bench gpu`: whether it was reached."""
    return "\n".join(
        f"{row['shape']}: {row['ratios'][name]:.1f}x {name}, expected {expected:g}x: "
        f"{'met' if row['ratios'][name] >= expected else 'MISSED'}"
        for row in results["rows"]
        for name, expected in row["expected"].items()
    )
