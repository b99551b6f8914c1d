"""Importing the package and asking for help stay fast: heavy libraries are loaded by what needs them, when it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"PIL", "cv2", "h5py", "matplotlib", "numpy", "pyarrow", "pydantic", "rich", "scipy", "threadpoolctl"}


def loaded_by(statement: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint('loaded:', *(m for m in {sorted(HEAVY)} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"h5py", "numpy"} <= loaded_by("import capacity\ncapacity.open_dataset('digits')")


def test_import() -> None:
    assert loaded_by("import capacity") == set()


@pytest.mark.parametrize("command", ["", "status", "export", "report", "data", "data import csv", "data import images"])
def test_help(command: str) -> None:
    assert loaded_by(help_on(command)) == set()


@pytest.mark.parametrize("command", ["sweep", "converge", "resume"])
def test_help_with_options_from_the_settings(command: str) -> None:
    assert loaded_by(help_on(command)) == {"pydantic"}


def help_on(command: str) -> str:
    """Return a statement that runs `capacity COMMAND --help`."""
    arguments = [*command.split(), "--help"]
    call = f"try:\n    main({arguments})\nexcept SystemExit as end:\n    assert not end.code"
    return f"from capacity.cli import main\n{call}"
