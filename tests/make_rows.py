"""Rows as `Study.rows()` gives them, made by hand for the tests of analysis, plots and report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Errors = Mapping[tuple[int, int, float], Sequence[float | None]]
"""From (depth, width, lr) to the training error of each seed: infinite for diverged, None for unfinished."""


def make_rows(errors: Errors, *, test_offset: float | None = None) -> list[dict[str, Any]]:
    """Return one row per seed; top-5 errors are half the top-1 errors, test errors lie `test_offset` higher."""
    return [
        _row(depth, width, lr, seed, error, test_offset)
        for (depth, width, lr), found in errors.items()
        for seed, error in enumerate(found)
    ]


def _row(
    depth: int, width: int, lr: float, seed: int, error: float | None, test_offset: float | None
) -> dict[str, Any]:
    done, diverged = error is not None, error == math.inf
    top1 = error if done and not diverged else math.nan
    test = math.nan if test_offset is None else top1 + test_offset
    return {
        "key": f"d{depth}w{width}lr{lr}s{seed}",
        "depth": depth,
        "width": width,
        "lr": lr,
        "seed": seed,
        "state": "done" if done else "pending",
        "outcome": "diverged" if diverged else ("fitted" if error == 0 else "step_limit") if done else None,
        "epochs_done": 100 if done else 0,
        "train_loss": math.nan if diverged else top1,
        "train_top1": top1,
        "train_top5": top1 / 2,
        "test_loss": test,
        "test_top1": test,
        "test_top5": test / 2,
        "seconds": 1.5,
        "examples_per_second": 1e5,
    }
