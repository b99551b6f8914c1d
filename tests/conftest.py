"""What the command line of pytest can say of the tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.executors import Target


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m gpu` select what is parametrised by a target that is a GPU."""
    callspec = getattr(item, "callspec", None)
    target = callspec.params.get("target") if callspec else None
    if isinstance(target, Target) and target.device == "cuda":
        item.add_marker("gpu")


@pytest.fixture(autouse=True, scope="session")
def interrupts() -> Iterator[None]:
    """Let Ctrl-C be heard here and in children: a background job of a shell ignores it, as do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
