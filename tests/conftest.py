"""What the command line of pytest can say of the tests."""

from __future__ import annotations

import pytest

from tests.executors import Target


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m gpu` select what is parametrised by a target that is a GPU."""
    callspec = getattr(item, "callspec", None)
    target = callspec.params.get("target") if callspec else None
    if isinstance(target, Target) and target.device == "cuda":
        item.add_marker("gpu")
