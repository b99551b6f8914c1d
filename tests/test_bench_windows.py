"""`python -m bench windows` runs from end to end. How fast anything is is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__
from capacity.data import write_visual_words


@pytest.mark.slow
def test_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_visual_words(tmp_path / "counts.h5", 40_000)
    arguments = ["--data", tmp_path / "counts.h5", "--memory", "36MB", "--rounds", 2, "--steps", 5]
    assert __main__.main(["windows", *map(str, arguments), "--out", str(tmp_path / "out.json")]) == 0
    results = json.loads((tmp_path / "out.json").read_text())
    assert set(results["training"]) == {"memory", "slice", "36MB"}
    assert all(way["us"]["median"] > 0 and way["peak_bytes"] > 2**24 for way in results["training"].values())
    assert set(results["commands"]) == {"check", "one network", "six networks"}
    assert all(run["seconds"] > 0 and run["peak_bytes"] > 2**24 for run in results["commands"].values())
    printed = capsys.readouterr().out
    assert "of the speed of a slice in memory, 95% wanted:" in printed
    assert "the whole file, 0.04 GB; a sweep of one epoch with --memory 36MB:" in printed
