"""`python -m bench emc-truths`: a whole run on a small scale, its page and its figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__, emc_truths, emc_truths_page
from bench.publish import RESULTS
from bench.truth_sets import truth_sets

SHARE = {"inputs": 2, "samples": 10, "separable": 9, "fitted": 8, "patient": 9, "impossible": 0, "inside": True}
RESULT: dict[str, Any] = {
    "samples": 10, "steps": 100, "patience": 10, "date": "2026-11-21", "seconds": 90,
    "machine": {"processor": "a processor", "cores": 2},
    "shares": [
        {**SHARE, "n": 3, "probability": 1.0, "low": 0.4, "high": 1.0},
        {**SHARE, "n": 6, "probability": 0.5, "low": 0.4, "high": 0.9, "fitted": 5, "inside": False},
    ],
    "studies": [
        {
            "inputs": 2, "expected": 6, "prefix": [5, 9], "emc": [5, 7], "n50": 6.2, "n50_low": 4.0, "n50_high": 9.0,
            "mean": 6.0, "error": 1.0, "certificates": ["not_fitted_at_minimum", "out_of_budget"],
        }
    ],
    "ways": [
        {"inputs": 2, "n": 6, "way": "a way", "lr": 0.3, "separable": 7, "within": [[1, 2], [10, 3], [100, 6]]}
    ],
    "sets": [
        {
            "name": "a set", "network": "a network", "all_fitted": False, "expected": [3, 4], "emc": [3, 3],
            "failed": [4, 4], "at_least": 0, "mean": 3.0, "n50": 3.5, "n50_low": 3.0, "n50_high": 4.0,
        },
        {
            "name": "all", "network": "a network", "all_fitted": True, "expected": [4, 4], "emc": [4, 4],
            "failed": [None, None], "at_least": 2, "mean": 4.0, "n50": None, "n50_low": None, "n50_high": None,
        },
    ],
}  # fmt: skip


def test_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROWS": 1 << 12, "STUDY_SEEDS": 2, "SET_SEEDS": 1, "WAY_SAMPLES": 6}.items():
        monkeypatch.setattr(emc_truths, name, value)
    xor = truth_sets()[:2]
    monkeypatch.setattr(emc_truths, "truth_sets", lambda: xor)
    out = tmp_path / "out.json"
    assert __main__.main(["emc-truths", "--inputs", "2", "--samples", "10", "--steps", "1000", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [row["n"] for row in found["shares"]] == emc_truths.sizes(2)
    assert all(row["fitted"] <= row["patient"] <= row["separable"] for row in found["shares"])
    assert [row["way"] for row in found["ways"]] == [way.name for way in emc_truths.WAYS]
    assert found["studies"][0]["expected"] == 6
    assert "expected 6" in capsys.readouterr().out
    assert emc_truths_page.section(found, RESULTS / "a.json").count("| XOR, 4 points |") == 2


def test_sizes_are_the_largest_certain_one_and_those_round_the_threshold() -> None:
    assert emc_truths.sizes(50) == [51, 82, 87, 92, 97, 102, 107, 112, 117, 122]
    assert emc_truths.sizes(1) == [2, 3, 4, 5, 6, 7, 8]


def test_the_page_says_what_was_found() -> None:
    text = emc_truths_page.section(RESULT, RESULTS / "emc-truths-2026-11-21.json")
    assert "| 2 | 3 to 6 | 20 | 18 | 13 | 18 | 0 | 1 of 2 |" in text
    assert "| 2 | 6 | 6.2 (4.0 to 9.0) | 6.0 ± 1.0 | 1.7 | 1 of 2 | 1 | 1 | 1 |" in text
    assert "| a way | 2 | 6 | 0.3 | 7 | 2 | 3 | 6 |" in text
    assert "| a set | a network | 3.5 | 3 | 1 of 2 | 3.5 (3.0 to 4.0) |" in text
    assert "| all | a network | at least 4 | at least 4 | 2 of 2 | none |" in text
    assert "../bench/results/emc-truths-2026-11-21.json" in text


def test_the_figure_has_covers_function_and_every_size() -> None:
    (ax,) = emc_truths_page.figure(RESULT).axes
    drawn = {line.get_gid(): line for line in ax.lines if line.get_gid()}
    x, y = drawn["cover"].get_data()
    assert dict(zip(x, y, strict=True))[6] == 0.5
    assert list(drawn["separable"].get_xdata()) == [3, 6]
    assert list(drawn["separable"].get_ydata()) == [0.9, 0.9]


def test_the_page_is_what_the_newest_results_say() -> None:
    path = emc_truths.newest()
    text = emc_truths_page.PAGE.read_text(encoding="utf-8")
    section = emc_truths_page.section(json.loads(path.read_text(encoding="utf-8")), path)
    assert emc_truths_page.rewritten(text, section) == text
    assert emc_truths_page.FIGURE.exists()
