"""`python -m bench bf16`: training errors in bf16 and float32, seed by seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import bf16
from capacity.engine.cpu import BF16_VARIABLE


def test_differences_are_paired_by_seed() -> None:
    # Differences 1, 2 and 3: mean 2, standard error 1 / sqrt(3), and Student's t of 2 degrees at 97.5 % is 4.3027.
    row = bf16.compare(np.array([10.0, 20.0, 30.0]), np.array([11.0, 22.0, 33.0]))
    assert (row["float32_mean"], row["float32_spread"], row["difference_mean"]) == (20, 10, 2)
    np.testing.assert_allclose(row["interval"], [2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5], rtol=1e-4)


def test_it_trains_in_both_precisions_and_writes_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(BF16_VARIABLE, "emulated")
    monkeypatch.setattr(bf16, "WIDTHS", (4,))
    assert bf16.main(["digits", "--epochs", "2", "--seeds", "3", "--out", str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    top1, loss = written["rows"]
    assert (top1["width"], top1["metric"], loss["metric"]) == (4, "top1", "loss")
    assert len(loss["bf16"]) == 3
    assert 0 < np.abs(np.subtract(loss["bf16"], loss["float32"])).max() < 0.05
    assert "width    4, training error: float32 0." in capsys.readouterr().out
