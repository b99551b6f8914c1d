"""bench/gpu.py refuses where there is no GPU, its peers do the same work (here on the CPU), and its sums are right."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capacity.engine.cuda.availability import why_not
from tests import fake_cuda

BENCH = Path(__file__).parent.parent / "bench"
STEPS = 12


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import modules of bench/ by name, with small data."""
    monkeypatch.syspath_prepend(BENCH)
    before = set(sys.modules)
    monkeypatch.setattr(importlib.import_module("workload"), "SAMPLES", 64)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCH)):
            del sys.modules[name]


@pytest.mark.skipif(why_not() is None, reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_sentence() -> None:
    done = subprocess.run([sys.executable, str(BENCH / "gpu.py")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench/gpu.py needs a GPU: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("module", ["torch_cuda_eager", "torch_cuda_graphs", "jax_scan"])
def test_peers_do_the_same_work(bench: Any, module: str, replicas: int) -> None:
    library = module.split("_", maxsplit=1)[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    workload, trainer = made(bench, replicas)
    peer = bench(f"peers.{module}").Peer(workload, *(["cpu"] if library == "torch" else []))
    before = peer.loss()
    assert before == pytest.approx(float(trainer.evaluate().loss.mean()), rel=1e-5)
    for steps in (5, STEPS - 5):
        peer.run(steps)
        trainer.advance(steps)
    assert peer.loss() == pytest.approx(float(trainer.evaluate().loss.mean()), rel=1e-5)
    assert peer.loss() < 0.99 * before
    assert peer.describe()["version"]


class TestOnAMadeUpGpu:
    pytestmark = fake_cuda.possible

    @pytest.mark.parametrize("replicas", [1, 3])
    def test_our_own_peer_too(self, bench: Any, tmp_path: Path, replicas: int) -> None:
        workload, trainer = made(bench, replicas)
        with fake_cuda.gpu(tmp_path):
            peer = bench("peers.capacity_cuda").Peer(workload)
            peer.run(STEPS)
            loss, description = peer.loss(), peer.describe()
        trainer.advance(STEPS)
        assert loss == pytest.approx(float(trainer.evaluate().loss.mean()), rel=1e-5)
        assert description["gpu"] == "NVIDIA H200"


def made(bench: Any, replicas: int) -> tuple[Any, Any]:
    """Return a small workload, and a trainer of it on the CPU."""
    shape = bench("workload").Shape(6, 5, 4, 16, replicas=replicas)
    workload = bench("workload").make_workload(shape, STEPS)
    return workload, bench("workload").make_trainer(shape, workload.features, workload.labels, "cpu")


def test_a_whole_run_with_our_peer_on_the_cpu(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu, out = bench("gpu"), tmp_path / "results.json"
    ceilings = {"bytes_per_second": 4e12, "flop_per_second": 5e13}
    said = {
        "nvidia-smi": "NVIDIA H200, 580.1, 143771 MiB, 700.00 W, 345 MHz, 1980 MHz, 3201 MHz\n",
        sys.executable: json.dumps(ceilings),
    }
    monkeypatch.setattr(gpu, "_output", lambda program, *_: said[program])
    monkeypatch.setattr(gpu, "why_not", lambda: None)
    monkeypatch.setattr(gpu, "LIBRARIES", {})
    monkeypatch.setattr(gpu, "MOST_STEPS", 100)
    monkeypatch.setattr(gpu, "EXPECTED", {bench("workload").Shape(6, 5, 4, 16): {gpu.PYTORCH: 3.0}})
    monkeypatch.setitem(gpu.ON_GPU, gpu.OURS, "capacity_cpu")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--quick", "--out", str(out)])
    assert gpu.main() == 0
    assert "| 6-5-4, B=16 |" in capsys.readouterr().out
    results = json.loads(out.read_text())
    assert results["ceilings"] == ceilings
    assert results["gpu"]["driver"] == "580.1"
    assert results["gpu"]["clocks"] == results["clocks_after"] == "345 MHz of 1980 MHz, memory 3201 MHz"
    assert {"date", "commit", "machine", "peers"} < set(results)
    (row,) = results["rows"]
    assert (row["steps_per_round"], row["ratios"], row["expected"]) == (100, {}, {})
    us = row["us_per_step"][gpu.OURS]["median"]
    assert row["flop_per_second"] == pytest.approx(gpu.flop_of_a_step(bench("workload").Shape(6, 5, 4, 16)) / us * 1e6)


def test_arithmetic_and_traffic_of_a_step(bench: Any) -> None:
    """As in the floors of a step at D = K = 1000, B = 128: 1.28e6 H FLOP, 14 bytes a parameter of 2000 H."""
    gpu, shape = bench("gpu"), bench("workload").Shape(1000, 500, 1000, 128)
    many = bench("workload").Shape(1000, 500, 1000, 128, replicas=3)
    assert gpu.flop_of_a_step(shape) == 1_280_000 * 500
    assert gpu.bytes_of_a_step(shape) == 14 * 2000 * 500
    assert gpu.flop_of_a_step(many) == 3 * gpu.flop_of_a_step(shape)
    assert gpu.bytes_of_a_step(many) == 3 * gpu.bytes_of_a_step(shape)


def test_the_table(bench: Any) -> None:
    us = {
        name: {"median": t, "q1": t, "q3": t, "least": t} for name, t in (("capacity", 50.0), ("PyTorch eager", 200.0))
    }
    results = {
        "name": "NVIDIA H200", "date": "2026-11-20", "gpu": {"driver": "580.1"},
        "ceilings": {"flop_per_second": 5e13, "bytes_per_second": 4e12},
        "peers": {"capacity": {"version": "1"}, "PyTorch eager": {"version": "2"}},
        "rows": [
            {
                "shape": "1000-1000-1000, B=128", "us_per_step": us, "ratios": {"PyTorch eager": 4.0},
                "expected": {"PyTorch eager": 5.0}, "flop_per_second": 2.5e13, "bytes_per_second": 1e12,
            }
        ],
    }  # fmt: skip
    head, rule, row, blank, caption = bench("table").gpu_markdown(results).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 6
    assert row == ("| 1000-1000-1000, B=128 | 50.00 [50.00, 50.00] | 200 [200, 200] (4.0x) | 25.0 (50%) | 1.00 (25%) |")
    assert blank == ""
    assert caption.endswith("NVIDIA H200, driver 580.1, capacity 1, PyTorch eager 2, 2026-11-20.")
    assert bench("table").gpu_verdicts(results) == ("1000-1000-1000, B=128: 4.0x PyTorch eager, expected 5x: MISSED")
