"""Runs cases and says which broke a promise.

`python -m tests.hostile` counts the cases of each format; `python -m tests.hostile NAME...` runs cases by name, or,
where NAME ends in *, all whose names begin so; `--part 3/8` runs the third of eight parts; `--every` takes the whole
corpus instead of the part that tests have time for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.corpus import corpus
from tests.hostile.worker import run_all


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--part", metavar="I/N", help="from 1/N to N/N")
    parser.add_argument("--every", action="store_true")
    asked = parser.parse_args(arguments)
    chosen = _chosen(asked.names, asked.part, every=asked.every)
    if not asked.names and not asked.part:
        for name, count in Counter(case.name.split("/")[0] for case in chosen).items():
            print(f"{name:16}{count:6d}")
        return 0
    faults, seconds, codes = 0, 0.0, Counter[int]()
    with tempfile.TemporaryDirectory() as folder:
        for outcome in run_all(chosen, Path(folder)):
            seconds, faults = max(seconds, outcome.seconds), faults + bool(outcome.fault)
            codes[outcome.code] += 1
            if outcome.fault or len(chosen) < 10:
                verdict = f"FAULT: {outcome.fault}" if outcome.fault else f"as promised {outcome.said}"
                print(f"{outcome.case}: exit code {outcome.code} after {outcome.seconds:.2f} s, {verdict.rstrip()}")
    print(f"{len(chosen)} cases, {faults} faults, exit codes {dict(codes)}, the longest took {seconds:.1f} s")
    return 1 if faults or not chosen else 0


def _chosen(names: Sequence[str], part: str | None, *, every: bool) -> list[Case]:
    whole = tuple(name for name in names if not name.endswith("*"))
    begun = tuple(name[:-1] for name in names if name.endswith("*"))
    cases = [
        case
        for case in corpus(every=every or bool(whole))
        if not names or case.name in whole or (begun and case.name.startswith(begun))
    ]
    if part is None:
        return cases
    number, parts = map(int, part.split("/"))
    return cases[len(cases) * (number - 1) // parts : len(cases) * number // parts]


if __name__ == "__main__":
    sys.exit(main())
