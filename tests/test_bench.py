"""The benchmark runs, and its peers do the same work. How fast they are is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.mark.slow
def test_train_step(tmp_path: Path) -> None:
    """The exit status says whether the final losses of all peers agree."""
    out = tmp_path / "results.json"
    subprocess.run([sys.executable, str(BENCH / "train_step.py"), "--quick", "--out", str(out)], check=True)
    results = json.loads(out.read_text())
    assert len(results["rows"]) == 4
    for row in results["rows"]:
        assert row["same_work"]
        assert row["us_per_step"].keys() == row["losses"].keys() == results["peers"].keys()
        assert all(0 < us["least"] <= us["median"] for us in row["us_per_step"].values())
