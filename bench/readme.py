"""The README's tables, made from results: `python -m bench readme [RESULTS.json]`, by default from the newest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.cpu_table import caption, further_table, steps_table, sweep_sentence
from bench.machine import ROOT
from bench.plot import svg
from bench.publish import RESULTS

README = ROOT / "README.md"
BEGIN, END = "<!-- Written by `python -m bench`: -->", "<!-- until here. -->"


def main(arguments: list[str]) -> int:
    """Write the README's tables and the plot of a results file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench readme", description="Write the README's tables, and the plot."
    )
    parser.add_argument("results", type=Path, nargs="?", help="in bench/results; the newest when not given")
    path = parser.parse_args(arguments).results
    path = path.resolve() if path else newest()
    if path.parent != RESULTS:
        parser.error(
            f"results must lie in {RESULTS.relative_to(ROOT)}, where the README finds their plot, got '{path}'"
        )
    publish(path)
    return 0


def publish(path: Path) -> None:
    """Draw the plot of a results file beside it, and put its tables into the README."""
    results = json.loads(path.read_text(encoding="utf-8"))
    plot_of(path).write_bytes(svg(results))
    README.write_text(rewritten(README.read_text(encoding="utf-8"), section(results, path)), encoding="utf-8")
    print(f"written: {plot_of(path)}, {README}")


def newest() -> Path:
    """Return the newest results of the benchmark on the CPU."""
    return max(RESULTS.glob("cpu-*.json"), key=lambda path: str(json.loads(path.read_text(encoding="utf-8"))["date"]))


def plot_of(path: Path) -> Path:
    """Return where the plot of a results file is."""
    return path.with_suffix(".svg")


def section(results: dict[str, Any], path: Path) -> str:
    """Return what the README says of a results file."""
    plot = f"![Time of a training step against its arithmetic]({plot_of(path).relative_to(ROOT).as_posix()})"
    parts = [steps_table(results), caption(results), plot, further_table(results), sweep_sentence(results)]
    return "\n\n".join(part for part in parts if part)


def rewritten(text: str, content: str) -> str:
    """Return the text of a page with `content` between the two comments."""
    before, _, rest = text.partition(BEGIN)
    if text.count(BEGIN) != 1 or text.count(END) != 1 or END not in rest:
        raise SystemExit(f"the page must have the lines '{BEGIN}' and '{END}', each once and in this order.")
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{rest.partition(END)[2]}"
