"""Runs cases and says which broke a promise.

`python -m tests.hostile` counts the cases of each format; `python -m tests.hostile NAME...` runs cases by name, or,
where NAME ends in *, all whose names begin so; `--part 3/8` runs every eighth case from the third on; `--every` takes
the whole corpus instead of the part that tests have time for.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.case import MEGABYTE, Case
from tests.hostile.corpus import corpus
from tests.hostile.worker import Outcome, run_all

_IN_MEMORY, _ROOM = Path("/dev/shm"), 512 * MEGABYTE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--part", metavar="I/N", help="from 1/N to N/N")
    parser.add_argument("--every", action="store_true")
    asked = parser.parse_args(arguments)
    chosen = _chosen(asked.names, asked.part, every=asked.every)
    if not asked.names and not asked.part:
        counts = Counter(_format(case.name) for case in chosen)
        print(*(f"{name:24}{count:6d}" for name, count in counts.items()), sep="\n")
        print(f"{'in all':24}{counts.total():6d}")
        return 0
    outcomes = []
    with tempfile.TemporaryDirectory(dir=_quick_folder()) as folder:
        for outcome in run_all(chosen, Path(folder)):
            outcomes.append(outcome)
            if outcome.fault or len(chosen) < 10:
                verdict = f"FAULT: {outcome.fault}" if outcome.fault else f"as promised {outcome.said}"
                print(f"{outcome.case}: exit code {outcome.code} after {outcome.seconds:.2f} s, {verdict.rstrip()}")
    _report(outcomes)
    return 1 if not outcomes or any(outcome.fault for outcome in outcomes) else 0


def _report(outcomes: Sequence[Outcome]) -> None:
    """Say what the cases of each format took, and in one line how all ended."""
    for name in dict.fromkeys(_format(outcome.case) for outcome in outcomes):
        found = [outcome for outcome in outcomes if _format(outcome.case) == name]
        cpu = sum(outcome.cpu for outcome in found)
        print(f"{name:24}{len(found):6d} cases {cpu:7.2f} s of CPU {1000 * cpu / len(found):7.1f} ms each")
    codes = dict(Counter(outcome.code for outcome in outcomes))
    faults = sum(bool(outcome.fault) for outcome in outcomes)
    longest = max((outcome.seconds for outcome in outcomes), default=0.0)
    cpu = sum(outcome.cpu for outcome in outcomes)
    print(
        f"{len(outcomes)} cases, {faults} faults, exit codes {codes}, the longest took {longest:.1f} s; {cpu:.1f} s of "
        "CPU in all"
    )


def _format(case: str) -> str:
    return case.partition("/")[0]


def _quick_folder() -> Path | None:
    """Return a folder in memory, where one is large enough: on disks, making and removing files takes the most time."""
    if os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
        return _IN_MEMORY
    return None


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
    return cases[number - 1 :: parts]


if __name__ == "__main__":
    sys.exit(main())
