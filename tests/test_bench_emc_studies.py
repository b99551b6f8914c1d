"""bench/emc_studies.py: a whole run on a small scale, and what it says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import emc_studies
from tests.study_cases import tiny_data


def test_a_study_is_run_recorded_and_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_data(tmp_path)
    settings = {
        "widths": [2, 3], "labels": ["semantic", "random"], "lrs": [0.5], "seeds": 2, "first": 4, "steps": 60,
    }  # fmt: skip
    monkeypatch.setattr(emc_studies, "STUDIES", {"tiny": (data.stem, settings)})
    for _ in range(2):  # the second time the study is there
        arguments = [str(data.parent), "--work", str(tmp_path / "work"), "--out", str(tmp_path)]
        assert emc_studies.main(arguments) == 0
    found = json.loads((tmp_path / "emc-tiny.json").read_text())
    assert [(row["labels"], row["width"]) for row in found["emc"]] == [
        ("semantic", 2), ("semantic", 3), ("random", 2), ("random", 3),
    ]  # fmt: skip
    assert found["trainings"] == sum(row["trainings"] for row in found["emc"]) > 0
    assert found["comparisons"][0]["level"] == "random"
    assert found["correlations"] == []
    said = capsys.readouterr().out
    assert f"tiny: 4 networks, {found['trainings']:,} trainings" in said
    assert f"steps {sum(row['steps'] for row in found['emc']):,}, scan_steps" in said


def test_medians_and_totals_by_hand() -> None:
    zero = dict.fromkeys(emc_studies.SUMMED, 1)
    rows = [{"labels": "random", "per_parameter": share, **zero} for share in (0.1, 0.4, 1.2)]
    head, of_kind, totals = emc_studies.lines({"name": "x", "trainings": 1234, "seconds": 5, "emc": rows})
    assert head == "x: 3 networks, 1,234 trainings, 5 s"
    assert of_kind == "  random: 0.4 examples a parameter (median), most 1.2, 1 above 1"
    assert totals.startswith("  steps 3, scan_steps 3, seeds 3")
