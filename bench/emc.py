"""Effective model complexity end to end: a study of ours against loops one would write with PyTorch and JAX.

All look for the same thing on the same grid of sizes: the largest n that an MLP fits, over the same seeds, budget,
batch, learning rate and looks at the whole sample. The loops scan (every size until one fails, as in Shwartz-Ziv et al.
2024) or bisect (doubling, then bisection, seed by seed). Ours bisects without early ends and re-tests, as the loops do;
and, in a row of its own, as `capacity emc` does by default. Each runs in a process of its own on the same cores, and is
timed from the data in memory to the answers, imports and compilation of kernels left out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cost import PEAK, flop_of_a_step
from bench.floors import Floors
from bench.machine import ROOT, commit, describe_machine
from bench.publish import write
from bench.workload import Shape
from capacity.engine.machine import usable_cores

CASES = ((20, 2), (64, 10))
"""Inputs and classes of the networks."""
WIDTHS = (8, 16, 32, 64)
SAMPLES, FIRST, RESOLUTION, SEEDS = 4096, 16, 0.05, 5
BATCH, LR, BUDGET, CHECK_STEPS = 32, 0.1, 4000, 20
PEERS = ("PyTorch, scan", "PyTorch, bisection", "JAX jit + scan, bisection")
OURS = ("capacity, bisection", "capacity emc")
STORE, STORE_SEEDS = "store", 1000

Fits = Callable[[int], tuple[bool, int]]
"""Whether a training on n rows fits, and the steps that it took."""


def main(arguments: list[str]) -> int:
    """Measure every network and way, print a table, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench emc", description="A search for EMC, end to end.")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--ways", nargs="+", default=[*OURS, *PEERS], help="which of the ways to measure")
    parser.add_argument("--budget", type=int, default=BUDGET, help="steps that a training may take")
    parser.add_argument("--out", type=Path, help="file for the results; bench/results/emc-search-DATE.json by default")
    options = parser.parse_args(arguments)
    store = _in_a_process({"way": STORE})
    print(f"{store['trainings'] / store['seconds']:,.0f} short trainings a second through a study's store", flush=True)
    rows = []
    with Floors() as floors:
        floors.measure()
    for inputs, classes in CASES:
        for width in options.widths:
            order = {"inputs": inputs, "classes": classes, "width": width, "budget": options.budget}
            found = {way: _in_a_process({**order, "way": way}) for way in options.ways}
            most = steps_at_most(Shape(inputs, width, classes, BATCH), floors)
            rows.append({**order, "ways": found, "steps_per_second_at_most": most})
            print("\n".join(lines(rows[-1])), flush=True)
    results = {
        "benchmark": "emc", "name": "search", "date": datetime.date.today().isoformat(), "commit": commit(),
        "machine": describe_machine(), "samples": SAMPLES, "seeds": SEEDS, "batch": BATCH, "lr": LR, "store": store,
        "rows": rows,
    }  # fmt: skip
    write(results, options.out)
    return 0


def lines(row: dict[str, Any]) -> list[str]:
    """Return what is printed for a network: a line for each way, with how many times longer than ours it took."""
    head = f"{row['inputs']}-{row['width']}-{row['classes']}"
    least = row["ways"].get(OURS[1], next(iter(row["ways"].values())))["seconds"]
    most = row["steps_per_second_at_most"]
    return [
        head,
        *(
            f"  {way:28}{found['seconds']:10.3f} s {found['seconds'] / least:9.1f}x  EMC {found['emc']:8.1f}  "
            f"{found['steps']:>10,} steps {found['steps'] / found['seconds']:>12,.0f} a second"
            for way, found in row["ways"].items()
        ),
        *([f"  {'arithmetic of the products':63}{most:>12,.0f} a second at most"] if most else []),
    ]


def steps_at_most(shape: Shape, floors: Floors) -> float | None:
    """Return the steps a second that the cores' multiply-adds allow; None where they cannot be measured.

    Ours use all cores, as whole networks on each, the loops one.
    """
    speed = floors.best.get(PEAK["float32"])
    return usable_cores() * speed / flop_of_a_step(shape) if speed else None


def grid() -> list[int]:
    """Return the sizes that all go through."""
    from capacity.experiments.emc_search import candidate_sizes

    return candidate_sizes(FIRST, SAMPLES, resolution=RESOLUTION)


def scan(fits: Fits, sizes: Sequence[int]) -> tuple[int, int]:
    """Return the largest size of one seed's `fits` that fits before the first that does not, and all steps."""
    emc = steps = 0
    for n in sizes:
        fitted, taken = fits(n)
        steps += taken
        if not fitted:
            break
        emc = n
    return emc, steps


def bisect(fits: Fits, sizes: Sequence[int]) -> tuple[int, int]:
    """Double the size until it does not fit, then bisect on the grid; return the largest that fits, and all steps."""
    low, high, steps, at = -1, len(sizes), 0, 0
    while low + 1 < high:
        fitted, taken = fits(sizes[at])
        steps += taken
        low, high = (at, high) if fitted else (low, at)
        double = next((i for i, n in enumerate(sizes) if n >= 2 * sizes[max(low, 0)]), len(sizes) - 1)
        at = (low + high) // 2 if high < len(sizes) else max(double, low + 1)
        at = min(at, high - 1)
    return sizes[low] if low >= 0 else 0, steps


def data(inputs: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features in general position with random labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((SAMPLES, inputs)).astype(np.float32), rng.integers(0, classes, SAMPLES)


def every(n: int) -> int:
    """Return the steps between two looks at a sample of n, as in our study: an epoch of the octave's end."""
    return max(CHECK_STEPS, -(-(1 << n.bit_length()) // BATCH))


def ours(inputs: int, classes: int, width: int, budget: int, way: str) -> dict[str, Any]:
    """Run our study, with its folder and everything it writes."""
    import capacity

    features, labels = data(inputs, classes)
    plain: dict[str, Any] = {"early": False, "retests": 0} if way == OURS[0] else {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.h5"
        capacity.save_dataset(file, features, labels, name="random", classes=classes)
        capacity.emc("digits", widths=[1], labels=["random"], seeds=1, steps=100, out=Path(folder) / "warm-up")
        began = time.perf_counter()
        study = capacity.emc(
            file, widths=[width], labels=["semantic"], lrs=[LR], batch=BATCH, seeds=SEEDS, first=FIRST,
            resolution=RESOLUTION, steps=budget, out=Path(folder) / "study", **plain,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        row = capacity.report(study).tables()["emc"][0]
    return {"seconds": seconds, "emc": row["emc"], "steps": row["steps"]}


def through_the_store() -> dict[str, Any]:
    """Return how many short trainings a study makes in how many seconds, each a durable row of its table."""
    import capacity

    features, labels = data(20, 2)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.h5"
        capacity.save_dataset(file, features[:512], labels[:512], name="random", classes=2)
        settings: dict[str, Any] = {"widths": [32], "labels": ["random"], "lrs": [LR], "n_max": 64, "steps": 2000}
        capacity.emc(file, **settings, seeds=1, out=Path(folder) / "warm-up")
        began = time.perf_counter()
        study = capacity.emc(file, **settings, seeds=STORE_SEEDS, out=Path(folder) / "study")
        seconds = time.perf_counter() - began
        rows = study.rows()
    return {"seconds": seconds, "trainings": len(rows), "steps": sum(row["step"] for row in rows)}


def torch_fits(features: Any, labels: Any, classes: int, width: int, budget: int, seed: int) -> Fits:
    """Return the loop one would write with PyTorch."""
    import torch

    torch.set_num_threads(1)  # with two, networks of this size are slower
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))

    def fits(n: int) -> tuple[bool, int]:
        torch.manual_seed(seed)
        model = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, classes)
        )
        for layer in (model[0], model[2]):
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)
        mine, step = order[:n], 0
        while True:
            for rows in torch.randperm(n).split(BATCH):
                if step % every(n) == 0:
                    with torch.no_grad():
                        if bool((model(x[mine]).argmax(dim=1) == y[mine]).all()):
                            return True, step
                    if step >= budget:
                        return False, step
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[mine[rows]]), y[mine[rows]]).backward()
                optimizer.step()
                step += 1

    return fits


def jax_fits(features: Any, labels: Any, classes: int, width: int, budget: int, seed: int) -> Fits:
    """Return the loop one would write with JAX: steps between two looks are one scan; batches drawn with replacement.

    So n is no part of a shape, and nothing is compiled anew for another n.
    """
    import jax
    import jax.numpy as jnp

    x, y = jnp.asarray(features), jnp.asarray(labels)
    order = jax.random.permutation(jax.random.key(seed), len(x))
    initial = jax.nn.initializers.glorot_uniform()

    def logits(params: Any, rows: Any) -> Any:
        w1, b1, w2, b2 = params
        return jax.nn.relu(x[rows] @ w1 + b1) @ w2 + b2

    def loss(params: Any, rows: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits(params, rows)), y[rows][:, None], axis=1).mean()

    def run(params: Any, key: Any, n: Any, steps: int) -> Any:
        def step(params: Any, key: Any) -> Any:
            rows = order[jax.random.randint(key, (BATCH,), 0, n)]
            return jax.tree.map(lambda p, g: p - LR * g, params, jax.grad(loss)(params, rows)), None

        return jax.lax.scan(step, params, jax.random.split(key, steps))[0]

    def all_right(params: Any, n: Any) -> Any:
        right = logits(params, order).argmax(axis=1) == y[order]
        return jnp.where(jnp.arange(len(x)) < n, right, True).all()

    advance: Any = jax.jit(run, static_argnames="steps")
    fitted: Any = jax.jit(all_right)

    def fits(n: int) -> tuple[bool, int]:
        one, two, key = jax.random.split(jax.random.key(seed), 3)
        params = (
            initial(one, (x.shape[1], width)), jnp.zeros(width), initial(two, (width, classes)), jnp.zeros(classes)
        )  # fmt: skip
        for step in range(0, budget, every(n)):
            if fitted(params, n):
                return True, step
            params = advance(params, jax.random.fold_in(key, step), n, every(n))
        return bool(fitted(params, n)), budget

    return fits


def measure(way: str, inputs: int = 0, classes: int = 0, width: int = 0, budget: int = 0) -> dict[str, Any]:
    """Run one way and return seconds, mean EMC over the seeds, and training steps."""
    if way == STORE:
        return through_the_store()
    if way in OURS:
        return ours(inputs, classes, width, budget, way)
    features, labels = data(inputs, classes)
    make = torch_fits if way.startswith("PyTorch") else jax_fits
    search = scan if way.endswith(", scan") else bisect
    make(features, labels, classes, width, 10 * CHECK_STEPS, 0)(grid()[-1])  # warms up
    began = time.perf_counter()
    found = [search(make(features, labels, classes, width, budget, seed), grid()) for seed in range(SEEDS)]
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "emc": float(np.mean([emc for emc, _ in found])), "steps": sum(s for _, s in found)}


def _in_a_process(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.emc", json.dumps(order)]
    child = subprocess.run(command, env=os.environ, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(child.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
