"""What a trainer can be asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence

from capacity.data import Dataset
from capacity.errors import InputError


def check_run(rows: int, batch: int, lrs: Sequence[float], seeds: Sequence[int], threads: int | None) -> None:
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= rows:
        raise InputError(f"batch must be a whole number from 1 to the {rows} rows of the data, got {batch!r}.")
    if not seeds or len(seeds) != len(lrs):
        raise InputError(f"lrs and seeds must have the same length, one or more, got {len(lrs)} and {len(seeds)}.")
    for lr in lrs:
        if not (isinstance(lr, (int, float)) and 0 < lr < float("inf")):
            raise InputError(f"lr must be a positive finite number, got {lr!r}.")
    _check_seeds("seed", seeds)
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more (or None for all {os.cpu_count()} cores), got {threads!r}.")


def check_subsets(data: Dataset, replicas: int, samples: Sequence[int], subset_seeds: Sequence[int]) -> None:
    rows = len(data.train.labels)
    if len(samples) != replicas or len(subset_seeds) != replicas:
        raise InputError(
            f"samples and subset_seeds must have one entry for each of the {replicas} seeds, got {len(samples)} and "
            f"{len(subset_seeds)}."
        )
    for n in samples:
        if isinstance(n, bool) or not 1 <= n <= rows:
            raise InputError(f"samples must be from 1 to the {rows} rows of the data, got {n!r}.")
    _check_seeds("subset_seed", subset_seeds)
    if data.windows is not None and any(n != rows for n in samples):
        raise InputError(
            f"samples must be all {rows} rows of '{data.name}', which is read in windows, got {min(samples)}; to train "
            "on a random subset give the data more memory."
        )


def _check_seeds(name: str, seeds: Sequence[int]) -> None:
    for seed in seeds:
        if not 0 <= seed < 2**64:
            raise InputError(f"{name} must be from 0 to 2**64 - 1, got {seed!r}.")
