"""Effective model complexity where it is known beforehand: what must come out, and what comes out.

Cover 1965 says how often a linear classifier can fit n random inputs with random labels. Three things are held against
it: single trainings, each beside a linear program that says whether its sample can be separated at all; how many of
them fit at each n; and the threshold that a study finds by itself. Then small sets of which every seed's EMC is known.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import emc_truths_page
from bench.cover import joint_intervals, separable, separable_prefix, separation_probability
from bench.machine import commit, describe_machine
from bench.publish import RESULTS, write
from bench.truth_sets import LINEAR, run_set, study_findings, subset_order, truth_sets

INPUTS = (10, 20, 50)
ROWS = 1 << 16
"""Random rows that samples are drawn from: so many that two samples hardly meet, see docs/emc-truths.md."""
SAMPLES, STUDY_SEEDS, SET_SEEDS, WAY_SAMPLES = 300, 30, 10, 40
STEPS, PATIENCE = 30_000, 10
"""Budget of a training, and how many times as much separable samples get that were not fitted within it."""
LOOK = 100
"""Steps between two looks at whether a sample is fitted."""
LR = LINEAR["lrs"][0]


class Way(NamedTuple):
    """A way to train a linear classifier: optimizer 'sgd' or 'adam', examples per step (None: all), learning rate."""

    name: str
    optimizer: str
    batch: int | None
    lr: float


ADAM = Way("Adam, whole sample", "adam", None, LR)
WAYS = (Way("SGD, one example", "sgd", 1, 1000.0), Way("gradient descent", "sgd", None, 100.0), ADAM)
"""With a learning rate of 1000 and one example, SGD is all but the perceptron."""


def main(arguments: list[str]) -> int:
    """Measure everything and write results, figure and page; or write figure and page of results that are there."""
    parser = argparse.ArgumentParser(prog="python -m bench emc-truths", description="EMC where it is known beforehand.")
    parser.add_argument("--inputs", type=int, nargs="+", default=INPUTS, help="numbers of inputs D")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="random samples for each D and n")
    parser.add_argument("--steps", type=int, default=STEPS, help="budget of a training")
    parser.add_argument("--out", type=Path, help="file for the results, which the page then does not show")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page of the newest results")
    options = parser.parse_args(arguments)
    if not options.page:
        results = {
            "benchmark": "emc", "name": "truths", "date": datetime.date.today().isoformat(), "commit": commit(),
            "machine": describe_machine(), "rows": ROWS, "samples": options.samples, "steps": options.steps,
            "patience": PATIENCE, "lr": LR, **measure(options.inputs, options.samples, options.steps),
        }  # fmt: skip
        write(results, options.out)
    if options.out is None:
        path = newest()
        emc_truths_page.publish(json.loads(path.read_text(encoding="utf-8")), path)
    return 0


def newest() -> Path:
    """Return the newest results."""
    return max(RESULTS.glob("emc-truths-*.json"))


def measure(inputs: Sequence[int], samples: int, steps: int) -> dict[str, Any]:
    """Return the rows of every part, and the seconds that it all took."""
    began = time.perf_counter()
    shares: list[dict[str, Any]] = []
    ways: list[dict[str, Any]] = []
    studies: list[dict[str, Any]] = []
    for D in inputs:
        with tempfile.TemporaryDirectory() as folder:
            data = random_data(Path(folder), D, ROWS)
            for place, n in enumerate(sizes(D)):
                seeds = range(place * samples, (place + 1) * samples)
                shares.append(share(data, n, seeds, steps))
                print(_share_line(shares[-1]), flush=True)
            ways += [budget(data, way, WAY_SAMPLES, steps) for way in WAYS]
            studies.append(study(data, Path(folder), STUDY_SEEDS, steps))
            print(f"D = {D}: EMC {studies[-1]['mean']:.1f}, expected {2 * (D + 1)}", flush=True)
    with_intervals(shares)
    return {
        "shares": shares, "ways": ways, "studies": studies, "sets": sets(SET_SEEDS),
        "seconds": round(time.perf_counter() - began),
    }  # fmt: skip


def sizes(D: int) -> list[int]:
    """Return the samples that are tried: the largest always separable, and up to two deviations round 2 (D + 1)."""
    d = D + 1
    steps = (round(z * math.sqrt(2 * d)) for z in np.arange(-2, 2.5, 0.5))
    return [d, *(2 * d + step for step in steps if 2 * d + step > d)]


def random_data(folder: Path, D: int, rows: int) -> Path:
    """Write a data set of `rows` rows of D inputs, all 0: random inputs and labels are made from it."""
    from capacity.data import save_dataset

    file = folder / f"{D}.h5"
    save_dataset(file, np.zeros((rows, D), np.uint8), np.arange(rows) % 2, name=f"{D} inputs", classes=2)
    return file


def derived(file: Path) -> Any:
    """Return the random inputs with random labels, the same as in a study."""
    from capacity.data import derive_dataset, open_dataset

    return derive_dataset(open_dataset(file), labels="random-inputs", classes=2)


def trainer_of(data: Any, way: Way, n: int, seeds: Sequence[int], threads: int | None) -> Any:
    """Return a trainer of linear classifiers, one for the sample of n of each seed."""
    import capacity

    return capacity.Trainer(
        capacity.MLP((), output_init="glorot_uniform"), data, batch=way.batch or n, lrs=[way.lr] * len(seeds),
        seeds=seeds, samples=[n] * len(seeds), threads=threads,
        optimizer=capacity.Adam() if way.optimizer == "adam" else capacity.SGD(),
    )  # fmt: skip


def train_until(trainer: Any, steps: int) -> NDArray[np.int64]:
    """Train the active replicas until they have fitted, up to a step; return the step of each, -1 where it has not."""
    at = np.full(trainer.replicas, -1, np.int64)
    while trainer.step < steps and trainer.active.any():
        trainer.advance(min(LOOK, steps - trainer.step))
        fitted = trainer.evaluate().top1 == 0  # not a number for replicas that are not active
        at[fitted] = trainer.step
        trainer.active[fitted] = False
    return at


def separable_samples(data: Any, n: int, seeds: Sequence[int]) -> NDArray[np.bool_]:
    """Return for the sample of n of each seed whether it can be separated, by linear programs."""
    x, y = data.train.features, data.train.labels
    samples = (subset_order(seed, len(y))[:n] for seed in seeds)
    return np.array([separable(x[rows], y[rows]) for rows in samples])


def share(file: Path, n: int, seeds: Sequence[int], steps: int, threads: int | None = None) -> dict[str, Any]:
    """Train on the sample of n of each seed, and see which of them can be separated.

    Returns
    -------
    dict
        Numbers of samples: 'samples' in all, 'separable', 'fitted' within the steps; 'impossible', fitted though no
        hyperplane separates them; 'patient', separable and fitted within PATIENCE times the steps.
    """
    data = derived(file)
    possible = separable_samples(data, n, seeds)
    trainer = trainer_of(data, ADAM, n, seeds, threads)
    fitted = train_until(trainer, steps) >= 0
    trainer.active[:] = possible & ~fitted
    later = train_until(trainer, PATIENCE * steps) >= 0
    return {
        "inputs": data.inputs, "n": n, "probability": separation_probability(n, data.inputs + 1),
        "samples": len(seeds), "separable": int(possible.sum()), "fitted": int(fitted.sum()),
        "impossible": int((fitted & ~possible).sum()), "patient": int((possible & (fitted | later)).sum()),
    }  # fmt: skip


def with_intervals(shares: Sequence[dict[str, Any]]) -> None:
    """Give rows 'low' and 'high' for the probability of a fit, and 'inside': whether Cover's function lies there.

    The intervals hold together (`bench.cover.joint_intervals`), so all rows are inside but for one time in a hundred.
    """
    intervals = joint_intervals([row["fitted"] for row in shares], [row["samples"] for row in shares])
    for row, (low, high) in zip(shares, intervals, strict=True):
        row.update(low=low, high=high, inside=low <= row["probability"] <= high)


def budget(file: Path, way: Way, samples: int, steps: int, threads: int | None = None) -> dict[str, Any]:
    """Return how many of the separable samples of 2 (D + 1) a way fits within so many steps, and parts of them."""
    data = derived(file)
    n = 2 * (data.inputs + 1)
    seeds = np.flatnonzero(separable_samples(data, n, range(samples))).tolist()
    at = train_until(trainer_of(data, way, n, seeds, threads), steps)
    within = [[most, int(((at >= 0) & (at <= most)).sum())] for most in (steps // 100, steps // 10, steps)]
    return {"inputs": data.inputs, "n": n, "way": way.name, "lr": way.lr, "separable": len(seeds), "within": within}


def study(file: Path, folder: Path, seeds: int, steps: int, **settings: Any) -> dict[str, Any]:
    """Search for EMC by :func:`capacity.emc`; 'prefix' is the largest sample of each seed that can be separated."""
    import capacity

    data = derived(file)
    D = data.inputs
    found = capacity.emc(
        file, **LINEAR, labels=["random-inputs"], classes=[2], optimizers=["adam"], batch=8 * (D + 1), seeds=seeds,
        first=2, n_max=8 * (D + 1), increment=1, steps=steps, early=False, out=folder / "study", **settings,
    )  # fmt: skip
    samples = (subset_order(seed, len(data.train.labels))[: 8 * (D + 1)] for seed in range(seeds))
    prefix = [separable_prefix(data.train.features[rows], data.train.labels[rows]) for rows in samples]
    return {"inputs": D, "expected": 2 * (D + 1), "prefix": prefix, **study_findings(found)}


def sets(seeds: int) -> list[dict[str, Any]]:
    """Run the study of every small set; 'expected' is what EMC must be, seed by seed."""
    rows = []
    for truth in truth_sets():
        with tempfile.TemporaryDirectory() as folder:
            found = study_findings(run_set(truth, Path(folder), seeds))
        expected = [truth.emc(subset_order(seed, len(truth.labels))) for seed in range(seeds)]
        about = {"name": truth.name, "network": truth.network, "all_fitted": truth.all_fitted, "expected": expected}
        rows.append({**about, **found})
        print(f"{truth.name}, {truth.network}: {'as' if found['emc'] == expected else 'NOT as'} expected", flush=True)
    return rows


def _share_line(row: dict[str, Any]) -> str:
    return (
        f"D = {row['inputs']}, n = {row['n']}: of {row['samples']} samples {row['separable']} separable, "
        f"{row['fitted']} fitted; Cover: {row['samples'] * row['probability']:.1f}"
    )
