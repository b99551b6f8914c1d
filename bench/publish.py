"""The end of a benchmark: its table on the terminal, its results in a file, its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from machine import slug

RESULTS = Path(__file__).parent / "results"


def publish(results: dict[str, Any], table: str, out: Path | None, *, quick: bool) -> int:
    """Print the table and write the results; return 1 when the peers did not all do the same work.

    They are written to `out`, by default to bench/results/BENCHMARK-NAME-DATE.json; a quick run writes only with `out`.
    """
    print(table)
    if out or not quick:
        out = out or RESULTS / f"{results['benchmark']}-{slug(results['name'])}-{results['date']}.json"
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {out}")
    differing = [row for row in results["rows"] if not row["same_work"]]
    for row in differing:
        print(f"{row['shape']}: the final losses differ: {row['losses']}", file=sys.stderr)
    return 1 if differing else 0
