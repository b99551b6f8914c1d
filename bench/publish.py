"""The end of a benchmark: its results in a file, and whether they are of the same work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.machine import ROOT, slug

RESULTS = ROOT / "bench" / "results"


def write(results: dict[str, Any], out: Path | None) -> Path:
    """Write the results and say where: to `out`, by default to bench/results/BENCHMARK-NAME-DATE.json."""
    out = out or RESULTS / f"{results['benchmark']}-{slug(results['name'])}-{results['date']}.json"
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {out}")
    return out


def differing(results: dict[str, Any]) -> int:
    """Return 1, the exit status, when the peers of a row did not all do the same work, and say which; otherwise 0."""
    rows = [row for row in results["rows"] if not row["same_work"]]
    for row in rows:
        print(f"{row['shape']}: the final losses differ: {row['losses']}", file=sys.stderr)
    return 1 if rows else 0
