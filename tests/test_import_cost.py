"""Importing the package and asking for help stay fast: heavy libraries are loaded by what needs them, when it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"h5py", "matplotlib", "numpy", "pyarrow", "pydantic", "rich", "scipy", "threadpoolctl"}


def loaded_by(statement: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint('loaded:', *(m for m in {sorted(HEAVY)} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"h5py", "numpy"} <= loaded_by("import capacity\ncapacity.open_dataset('digits')")


def test_import() -> None:
    assert loaded_by("import capacity") == set()


@pytest.mark.parametrize("command", ["", "sweep", "status", "resume", "export", "report", "data", "data import csv"])
def test_help(command: str) -> None:
    """The sweep's options come from its settings, which pydantic holds; nothing else may load it."""
    run = f"from capacity.cli import main\ntry:\n    main({[*command.split(), '--help']})\nexcept SystemExit:\n    pass"
    assert loaded_by(run) <= ({"pydantic"} if command == "sweep" else set())
