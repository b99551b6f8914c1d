"""The README says what is so: its Python example runs, and its table of speeds is the newest that bench/ measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    conclusion, trained = done.stdout.splitlines()
    assert "hidden unit" in conclusion
    assert trained.endswith("(64, 64)")
    assert len(list(tmp_path.glob("studies/*/figures/*.png"))) == 3


def test_speeds_are_the_newest_measured() -> None:
    results = (ROOT / "bench" / "results").glob("train_step-*.json")
    newest = max(results, key=lambda path: json.loads(path.read_text(encoding="utf-8"))["date"])
    table = [sys.executable, str(ROOT / "bench" / "table.py"), str(newest)]
    assert subprocess.run(table, capture_output=True, text=True, check=True).stdout in README
