"""Hostile and broken files: success or one sentence, in bounded time and memory, and nothing beside the target."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.hostile.corpus import FORMATS, corpus
from tests.hostile.judge import fault_of
from tests.hostile.lookup3 import lookup3

PARTS = 4


@pytest.mark.skipif(sys.platform != "linux", reason="the bound of memory is that of Linux")
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_every_case_ends_as_promised(part: int) -> None:
    command = [sys.executable, "-m", "tests.hostile", "--part", f"{part}/{PARTS}"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [case.name for case in corpus()]
    assert len(names) >= 5000
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert set(names) <= {case.name for case in corpus(every=True)}
    assert {f"{row.name}/whole" for row in FORMATS} <= set(names)


def test_the_corpus_is_the_same_at_every_run() -> None:
    # The seeds are written twice: without the cache, by another process's luck of times and addresses.
    for row in FORMATS:
        again = getattr(row.seed, "__wrapped__", row.seed)
        assert again() == row.seed(), row.name


def test_lookup3_is_that_of_its_author() -> None:
    # Jenkins' own values, from driver5() in lookup3.c.
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_sealing_a_whole_file_changes_nothing() -> None:
    sealed = [row for row in FORMATS if row.seal]
    for row in sealed:
        whole = row.seed()[row.spoiled]
        assert row.seal(whole, whole) == whole, row.name
    assert len(sealed) > 10


def test_what_may_be_said_and_shown() -> None:
    report = "name  d\n\nNot usable: 1 error and no warnings; correct the errors before training.\n"
    assert fault_of(0, "", "wrote x") == ""
    assert fault_of(2, "capacity: error: x not found: check the path\n", "") == ""
    assert fault_of(2, "capacity: warning: slow\ncapacity: error: x not found: check the path\n", "") == ""
    assert fault_of(2, "", report) == ""
    assert "not one line" in fault_of(2, "", "Usable.")
    assert "not one line" in fault_of(2, "libtiff: no\ncapacity: error: x not found: check the path\n", "")
    assert "exit code 1" in fault_of(1, "Traceback (most recent call last):\n", "")
    for said, shown in (("capacity: warning: \x07\n", ""), ("", "\x1b[2J")):
        assert "cannot be shown" in fault_of(0, said, shown)
    assert "not quiet" in fault_of(0, "DeprecationWarning: x\n", "")
    assert "not a sentence" in fault_of(2, f"capacity: error: {'x' * 700}\n", "")
