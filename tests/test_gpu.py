"""Device 'cuda' on a real GPU. `pytest -m gpu` runs this and, on the GPU, the tables of all other tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import capacity
from capacity.cli import main
from capacity.data import Dataset, Split
from capacity.engine.cuda.availability import why_not
from capacity.engine.cuda.cupy_backend import shared_backend
from capacity.engine.cuda.errors import FullError
from capacity.models import MLP
from capacity.training import SGD, Trainer
from tests.executors import make_source

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]
PRECISIONS = {"float32": 2e-4, "float64": 1e-11}


def trainer(device: str, precision: str = "float32", hidden: tuple[int, ...] = (33,), replicas: int = 3) -> Trainer:
    """Return a trainer of a few replicas on data whose last batch is partial."""
    source, test = make_source(1000, 40, 7), make_source(130, 40, 7, seed=1)
    names = tuple(str(k) for k in range(7))
    splits = Split(source.features, source.labels), Split(test.features, test.labels)
    data = Dataset("made up", 7, names, (), source.scale, *splits, "", {})
    lrs = [0.3 / (r + 1) for r in range(replicas)]
    return Trainer(
        MLP(hidden), data, batch=64, lrs=lrs, seeds=range(replicas), optimizer=SGD(momentum=0.9),
        precision=precision, device=device,
    )  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
def test_cuda_gives_what_cpu_gives(precision: str) -> None:
    cuda, cpu = trainer("cuda", precision), trainer("cpu", precision)
    for a, b in zip(cuda.states(), cpu.states(), strict=True):
        np.testing.assert_array_equal(a.parameters, b.parameters)
    for _ in range(3):
        cuda.advance(25)
        cpu.advance(25)
        for split in ("train", "test"):
            a, b = cuda.evaluate(split), cpu.evaluate(split)
            np.testing.assert_allclose(a.loss, b.loss, rtol=PRECISIONS[precision])
            np.testing.assert_allclose(a.top1, b.top1, atol=2e-3)


def test_a_run_is_the_same_bit_for_bit_every_time_and_in_pieces() -> None:
    whole, pieces = trainer("cuda"), trainer("cuda")
    whole.advance(40)
    for steps in (1, 15, 24):
        pieces.advance(steps)
    for a, b in zip(whole.states(), pieces.states(), strict=True):
        np.testing.assert_array_equal(a.parameters, b.parameters)


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_checkpoints_move_between_devices(first: str, second: str) -> None:
    begun, ended = trainer(first, "float64"), trainer(second, "float64")
    begun.advance(20)
    ended.restore(begun.states())
    begun.advance(20)
    ended.advance(20)
    for a, b in zip(begun.states(), ended.states(), strict=True):
        np.testing.assert_allclose(a.parameters, b.parameters, rtol=1e-9, atol=1e-12)


def test_many_replicas_of_a_wide_network() -> None:
    """More blocks and more rows than one of anything: a replica among many is the replica alone, up to rounding."""
    many, alone = trainer("cuda", hidden=(1000,), replicas=40), trainer("cuda", hidden=(1000,), replicas=1)
    many.advance(30)
    alone.advance(30)
    np.testing.assert_allclose(many.evaluate().loss[0], alone.evaluate().loss[0], rtol=1e-4)


def test_more_memory_than_there_is() -> None:
    with pytest.raises(FullError, match=r"GiB more are needed on the GPU .* lower width, batch"):
        shared_backend().empty(1 << 44)


def test_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """'auto' is the GPU, and the command line says so."""
    out = tmp_path / "study"
    with pytest.raises(SystemExit) as end:
        main(["sweep", "--widths", "1,4", "--epochs", "2", "--seeds", "2", "--out", str(out)])
    assert not end.value.code
    assert "device cuda" in capsys.readouterr().err
    rows = capacity.open_study(out).rows()
    assert {row["outcome"] for row in rows} <= {"fitted", "step_limit"}
    assert all(np.isfinite(row["train_loss"]) for row in rows)
