"""`python -m tests.hostile` counts the cases; with names, runs those cases; with `every`, the whole corpus."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.hostile import worker
from tests.hostile.corpus import corpus


def main(names: list[str]) -> int:
    if not names:
        for name, count in Counter(case.name.split("/")[0] for case in corpus()).items():
            print(f"{name:16}{count:6d}")
        return 0
    chosen = [case for case in corpus(every=True) if case.name in names]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for outcome in worker.run_all(chosen, Path(folder)):
            print(f"{outcome.case}: exit code {outcome.code} after {outcome.seconds:.2f} s\n{outcome.said.rstrip()}")
            faults += bool(outcome.fault)
            print(f"FAULT: {outcome.fault}" if outcome.fault else "as promised")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
