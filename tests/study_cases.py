"""Small studies for tests: a data set that trains in milliseconds, and what it means that two studies are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capacity.data import save_dataset
from capacity.experiments import Study

SETTINGS: dict[str, Any] = {"widths": (2, 3), "lrs": (0.5, 0.05), "epochs": 3, "batch": 16, "seeds": 2, "threads": 1}
"""8 trials in 2 groups, 4 steps an epoch."""

WALL_CLOCK = {"seconds", "examples_per_second", "started", "finished"}


def tiny_data(folder: Path, *, classes: int = 7, rows: int = 60, with_test: bool = True) -> Path:
    """Write a data set of `rows` training and 20 test samples with 5 features in `classes` well separated clusters."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(classes, 5))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % classes
        return (centres[labels] + 0.1 * rng.normal(size=(count, 5))).astype(np.float32), labels

    path = folder / "tiny.h5"
    save_dataset(path, *draw(rows), test=draw(20) if with_test else None, name="tiny data", classes=classes)
    return path


def assert_same_numbers(study: Study, other: Study) -> None:
    """See that table, curves and checkpoints of two studies agree bit for bit, in all but wall-clock times."""
    rows, others = study.rows(), other.rows()
    assert len(rows) == len(others) > 0
    for row, twin in zip(rows, others, strict=True):
        timeless, timeless_twin = ({k: v for k, v in r.items() if k not in WALL_CLOCK} for r in (row, twin))
        np.testing.assert_equal(timeless, timeless_twin)
        if not _has_file(row):
            continue
        with trial_file(study, row["key"]) as one, trial_file(other, row["key"]) as two:
            assert set(one["curves"]) == set(two["curves"])
            for name in set(one["curves"]) - WALL_CLOCK:
                assert one["curves"][name][...].tobytes() == two["curves"][name][...].tobytes(), name
            for name in ("parameters", "optimizer"):
                assert one["checkpoint"][name][...].tobytes() == two["checkpoint"][name][...].tobytes(), name
            assert ("trajectory" in one) == ("trajectory" in two)
            for name in one.get("trajectory", ()):
                assert one["trajectory"][name][...].tobytes() == two["trajectory"][name][...].tobytes(), name
            assert one["checkpoint"].attrs["step"] == two["checkpoint"].attrs["step"]


def assert_whole(study: Study) -> None:
    """See that the study is finished, holds each trial once, and that nothing half-written lies about."""
    keys = [row["key"] for row in study.rows()]
    assert study.status().done == len(keys) == len(set(keys))
    files = {path.name for path in (study.path / "trials").iterdir()}
    assert files == {f"{row['key']}.h5" for row in study.rows() if _has_file(row)} | {".writers.lock"}
    further = {"certificates"} if study.config.kind == "emc" else set()
    assert {path.name for path in study.path.iterdir()} == {"study.toml", "study.db", "study.lock", "trials"} | further


def _has_file(row: dict[str, Any]) -> bool:
    return "full" not in row or row["outcome"] != "fitted"  # a search keeps no files of what fitted


def trial_file(study: Study, key: str) -> h5py.File:
    """Open a trial's file."""
    return h5py.File(study.path / "trials" / f"{key}.h5", "r")
