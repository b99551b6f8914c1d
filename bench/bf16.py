"""What bfloat16 factors do to the training error: the same trainings in float32 and in bf16, compared seed by seed.

Both begin with the same weights and see the same batches, so the difference of a pair is the precision's doing. It is
held against the spread over seeds, which any conclusion from such trainings must outweigh anyhow.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.machine import commit, describe_machine
from bench.publish import write

WIDTHS, SEEDS, EPOCHS, BATCH, LR = (16, 64, 256), 8, 20, 32, 0.1
METRICS = {"top1": "training error", "loss": "training loss, nats"}
CONFIDENCE = 0.95


def main(arguments: list[str]) -> int:
    """Train, print a line for each width and metric, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench bf16", description="Training error in bf16 and float32.")
    parser.add_argument("data", help="a built-in data set or a file made by capacity data import")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="file for the results; bench/results/bf16-DATA-DATE.json by default")
    options = parser.parse_args(arguments)
    from capacity.data import open_dataset

    dataset = open_dataset(options.data)
    rows = []
    for width in WIDTHS:
        trained = {p: final(dataset, width, p, options) for p in ("float32", "bf16")}
        for metric, name in METRICS.items():
            row = {"width": width, "metric": metric, **compare(trained["float32"][metric], trained["bf16"][metric])}
            rows.append(row)
            low, high = row["interval"]
            print(
                f"width {width:4}, {name}: float32 {row['float32_mean']:.5f} (over seeds +-{row['float32_spread']:.5f})"
                f", bf16 - float32 {row['difference_mean']:+.5f} [{low:+.5f}, {high:+.5f}]"
            )
    settings = {"epochs": options.epochs, "seeds": options.seeds, "batch": BATCH, "lr": LR, "activation": "sigmoid"}
    results = {
        "benchmark": "bf16", "name": dataset.name, "date": datetime.date.today().isoformat(), "commit": commit(),
        "machine": describe_machine(), "device": options.device, "settings": settings, "confidence": CONFIDENCE,
        "rows": rows,
    }  # fmt: skip
    write(results, options.out)
    return 0


def final(dataset: Any, width: int, precision: str, options: argparse.Namespace) -> dict[str, NDArray[np.float64]]:
    """Train a network of one hidden layer for every seed; return the metrics of the whole training set, (seeds,)."""
    import capacity

    trainer = capacity.Trainer(
        capacity.MLP((width,), activation="sigmoid"), dataset, batch=BATCH, lrs=[LR] * options.seeds,
        seeds=range(options.seeds), precision=precision, device=options.device,
    )  # fmt: skip
    trainer.advance(options.epochs * -(-len(dataset.train.labels) // BATCH))
    metrics = trainer.evaluate()
    return {name: np.asarray(getattr(metrics, name), np.float64) for name in METRICS}


def compare(float32: NDArray[np.float64], bf16: NDArray[np.float64]) -> dict[str, Any]:
    """Compare values (seeds,) in both precisions, paired by seed.

    Returns
    -------
    dict
        'float32', 'bf16': the values; 'float32_mean' and 'float32_spread', the standard deviation over seeds;
        'difference_mean' of bf16 - float32, and its 'interval' by Student's t.
    """
    from scipy.stats import t

    difference = bf16 - float32
    mean, error = difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
    margin = t.ppf((1 + CONFIDENCE) / 2, len(difference) - 1) * error
    return {
        "float32": float32.tolist(), "bf16": bf16.tolist(), "float32_mean": float32.mean(),
        "float32_spread": float32.std(ddof=1), "difference_mean": mean, "interval": [mean - margin, mean + margin],
    }  # fmt: skip
