"""A stand-in for cuda.pathfinder. FAKE_MISSING names what it does not find; FAKE_CUBLAS is the library it does."""

from __future__ import annotations

import os
from types import SimpleNamespace


def _missing(name: str) -> bool:
    return name in os.environ.get("FAKE_MISSING", "").split(",")


def load_nvidia_dynamic_lib(name: str) -> SimpleNamespace:
    if _missing(name):
        raise RuntimeError(f'Failure finding "lib{name}.so"')
    return SimpleNamespace(abs_path=os.environ.get(f"FAKE_{name.upper()}", ""))


def find_nvidia_header_directory(name: str) -> str | None:
    return None if _missing(f"{name} headers") else "/usr/include"
