"""The README says what is so: its Python example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    conclusion, trained, *subsets = done.stdout.splitlines()
    assert "hidden unit" in conclusion
    assert trained.endswith("(64, 64)")
    assert len(re.findall(r"[\d.]+", " ".join(subsets))) == 2 * 8
    assert len(list(tmp_path.glob("studies/*/figures/*.png"))) == 3
