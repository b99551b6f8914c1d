"""Results of `python -m bench` as tables in Markdown, and what was expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.cases import STEPS
from bench.peers import JAX, JAX_APART, OURS, OURS_BF16, PYTORCH, SKLEARN
from bench.table import line, rule, time
from bench.workload import SAMPLES

ORDER = (OURS, OURS_BF16, PYTORCH, JAX, JAX_APART, SKLEARN)
ALSO = (OURS_BF16, JAX_APART)  # other ways to use a library whose version is named already
WHAT = {
    "depth": "a step",
    "relu": "a step",
    "adam": "a step",
    "replicas": "steps of many networks",
    "evaluation": "loss and errors",
}
Results = Mapping[str, Any]
Row = Mapping[str, Any]


def tables(results: Results) -> str:
    """Return everything that was measured, for people: two tables and their captions, of what there is."""
    parts = [steps_table(results), further_table(results), sweep_sentence(results), caption(results)]
    return "\n\n".join(part for part in parts if part)


def steps_table(results: Results) -> str:
    """Return the table of a training step at five sizes."""
    rows = [row for row in results["rows"] if row["measurement"] == STEPS]
    if not rows:
        return ""
    names = _names(rows)
    head = ["D-H-K, batch", *(f"{name}, µs" for name in names), "floor, µs"]
    body = [line([row["shape"], *(_cell(row, name) for name in names), _floor(row)]) for row in rows]
    return "\n".join([line(head), rule(len(head)), *body])


def further_table(results: Results) -> str:
    """Return the table of what else was measured, in units that suit each row."""
    rows = [row for row in results["rows"] if row["measurement"] != STEPS]
    if not rows:
        return ""
    names = _names(rows)
    head = ["measured", *names, "floor"]
    lines = [line(head), rule(len(head))]
    for row in rows:
        unit, of = _unit(row)
        cells = [of(us) if (us := row["us"].get(name, {}).get("median")) else "" for name in names]
        cells = [
            f"{cell} ({row['ratios'][name]:.1f}x)" if cell and name in row["ratios"] else cell
            for name, cell in zip(names, cells, strict=True)
        ]
        floor = of(row["floor_us"][OURS]) if OURS in row["floor_us"] else ""
        lines.append(line([f"{WHAT[row['measurement']]}, {row['shape']}, {unit}", *cells, floor]))
    return "\n".join(lines)


def sweep_sentence(results: Results) -> str:
    """Return what was measured of a small sweep from end to end, in words."""
    found = results["sweep"]
    if not found:
        return ""
    process, call, outside = (found[name]["median"] for name in ("process_seconds", "call_seconds", "outside"))
    return (
        f"A sweep of {found['trials']} small networks over {found['epochs']} epochs of `digits`, on {found['cores']} "
        f"cores: {process:.1f} s from the start of Python to its end, {call:.1f} s of it in `capacity.sweep`, of which "
        f"{outside:.0%} were spent outside training and evaluation: on set-up, files and Python."
    )


def caption(results: Results) -> str:
    """Return how the numbers were made: machine, versions, floors."""
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items() if name not in ALSO)
    floors = results["floors"]
    least = (
        "The floor is the arithmetic of the products at what one core does at most in float32, "
        f"{floors['float32_flop_per_second'] / 1e9:.0f} GFLOP/s"
        + (f" (bf16: {floors['bf16_flop_per_second'] / 1e9:.0f})" if "bf16_flop_per_second" in floors else "")
        + ", measured in the same run; how many times that we take is in brackets."
        if floors
        else f"There are {results['floors_missing']}."
    )
    many = next((row["cores"] for row in results["rows"] if row["cores"] > 1), 1)
    where = f"Measured on one core of {results['name']}" + (f", many networks on {many} cores" if many > 1 else "")
    return (
        f"Medians, quartiles in square brackets; in brackets, how many times longer than {OURS}. {least} "
        f"{where}; {versions}; {results['date']}."
    )


def verdicts(results: Results) -> str:
    """Return a line for every expectation: whether it was met."""
    lines = []
    for row in results["rows"]:
        for name, expected in row["expected"].items():
            ratio = row["ratios"][name]
            lines.append(f"{row['shape']}: {ratio:.2f}x {name}, expected {expected:g}x: {_met(ratio >= expected)}")
        for name, most in row["wanted_of_floor"].items():
            times = row["of_floor"][name]
            lines.append(
                f"{row['shape']}: {name} takes {times:.2f} times the floor, wanted at most {most:.2f}: "
                f"{_met(times <= most)}"
            )
    lines += [
        f"{where}: {name} left out: {why}"
        for where, why_of in results["left_out"].items()
        for name, why in why_of.items()
    ]
    return "\n".join(lines)


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def _names(rows: list[Row]) -> list[str]:
    """Return who was timed in any of the rows."""
    return [name for name in ORDER if any(name in row["us"] for row in rows)]


def _cell(row: Row, name: str) -> str:
    if name not in row["us"]:
        return ""
    times = f" ({row['ratios'][name]:.1f}x)" if name in row["ratios"] else ""
    return time(row["us"][name]) + times


def _floor(row: Row) -> str:
    if OURS not in row["floor_us"]:
        return ""
    return f"{row['floor_us'][OURS]:.2f} ({row['of_floor'][OURS]:.1f}x)"


def _unit(row: Row) -> tuple[str, Any]:
    """Return a row's unit, and what makes a cell in it of microseconds."""
    if row["action"] == "evaluate":
        return "million rows/s", lambda us: f"{SAMPLES / us:.2f}"
    if row["replicas"] > 1:
        return "thousand steps/s", lambda us: f"{row['replicas'] / us * 1e3:.1f}"
    return "µs", lambda us: f"{us:.1f}" if us < 1000 else f"{us:.0f}"
