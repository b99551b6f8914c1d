"""bench/emc.py: that the loops look for the same thing, and a whole run on a small scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import emc


@pytest.mark.parametrize("threshold", [0, 1, 15, 16, 17, 60, 1000, 4095, 4096, 9999])
def test_scan_and_bisection_find_the_same(threshold: int) -> None:
    def fits(n: int) -> tuple[bool, int]:
        return n <= threshold, n

    sizes = emc.grid()
    found = max((n for n in sizes if n <= threshold), default=0)
    assert emc.scan(fits, sizes)[0] == emc.bisect(fits, sizes)[0] == found
    assert emc.bisect(fits, [16])[0] == (16 if threshold >= 16 else 0)


def test_steps_are_those_of_all_trainings() -> None:
    assert emc.scan(lambda n: (n < 30, n), [10, 20, 30, 40]) == (20, 60)
    assert emc.bisect(lambda n: (n < 30, n), [10, 20, 30, 40]) == (20, 10 + 20 + 40 + 30)


def test_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emc, "CASES", ((4, 2),))
    status = emc.main(["--widths", "2", "--budget", "100", "--ways", *emc.OURS, "--out", str(tmp_path / "found.json")])
    assert status == 0
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert set(row["ways"]) == set(emc.OURS)
    assert all(found["seconds"] > 0 and found["steps"] > 0 for found in row["ways"].values())
    out = capsys.readouterr().out
    assert "4-2-2" in out
    assert "short trainings a second" in out


@pytest.mark.parametrize(("library", "make"), [("torch", emc.torch_fits), ("jax", emc.jax_fits)])
def test_the_loops_of_the_peers_fit_what_can_be_fitted(library: str, make: object) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    assert callable(make)
    features, labels = emc.data(8, 2)
    assert make(features, labels, 2, 8, 600, 0)(16)[0]
    fitted, steps = make(features, labels, 2, 8, 40, 0)(4096)
    assert (fitted, steps >= 40) == (False, True)
