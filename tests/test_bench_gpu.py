"""`python -m bench gpu` refuses where there is no GPU, runs to its end where there is one, and its sums are right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import gpu, workload
from bench.cost import flop_of_a_step
from bench.gpu_table import markdown, verdicts
from bench.peers import OURS, PYTORCH, Spec
from bench.workload import Shape
from capacity.engine.cuda.availability import why_not

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(why_not() is None, reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_sentence() -> None:
    command = [sys.executable, "-m", "bench", "gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("python -m bench gpu needs a GPU: ")
    assert done.stderr.count("\n") == 1


def test_a_whole_run_with_our_peer_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, shape = tmp_path / "results.json", Shape(6, 5, 4, 16)
    monkeypatch.setattr(workload, "SAMPLES", 64)
    ceilings = {"bytes_per_second": 4e12, "flop_per_second": 5e13}
    said = {
        "nvidia-smi": "NVIDIA H200, 580.1, 143771 MiB, 700.00 W, 345 MHz, 1980 MHz, 3201 MHz\n",
        sys.executable: json.dumps(ceilings),
    }
    monkeypatch.setattr(gpu, "_output", lambda program, *_: said[program])
    monkeypatch.setattr(gpu, "why_not", lambda: None)
    monkeypatch.setattr(gpu, "_can_use", lambda _: False)
    monkeypatch.setattr(gpu, "MOST_STEPS", 100)
    monkeypatch.setattr(gpu, "EXPECTED", {shape: {PYTORCH: 3.0}})
    monkeypatch.setitem(gpu.ON_GPU, OURS, Spec("ours", "capacity"))
    assert gpu.main(["--quick", "--out", str(out)]) == 0
    assert "| 6-5-4, B=16 |" in capsys.readouterr().out
    results = json.loads(out.read_text())
    assert results["ceilings"] == ceilings
    assert results["gpu"]["driver"] == "580.1"
    assert results["gpu"]["clocks"] == results["clocks_after"] == "345 MHz of 1980 MHz, memory 3201 MHz"
    assert {"date", "commit", "machine", "peers"} < set(results)
    (row,) = results["rows"]
    assert (row["steps_per_round"], row["ratios"], row["expected"]) == (100, {}, {})
    us = row["us_per_step"][OURS]["median"]
    assert row["flop_per_second"] == pytest.approx(flop_of_a_step(shape) / us * 1e6)


def test_arithmetic_and_traffic_of_a_step() -> None:
    """As in the floors of a step at D = K = 1000, B = 128: 1.28e6 H FLOP, 14 bytes a parameter of 2000 H."""
    shape, many = Shape(1000, 500, 1000, 128), Shape(1000, 500, 1000, 128, replicas=3)
    assert flop_of_a_step(shape) == 1_280_000 * 500
    assert gpu.bytes_of_a_step(shape) == 14 * 2000 * 500
    assert flop_of_a_step(many) == 3 * flop_of_a_step(shape)
    assert gpu.bytes_of_a_step(many) == 3 * gpu.bytes_of_a_step(shape)


def test_the_table() -> None:
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
    head, rule, row, blank, caption = markdown(results).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 6
    assert row == ("| 1000-1000-1000, B=128 | 50.00 [50.00, 50.00] | 200 [200, 200] (4.0x) | 25.0 (50%) | 1.00 (25%) |")
    assert blank == ""
    assert caption.endswith("NVIDIA H200, driver 580.1, capacity 1, PyTorch eager 2, 2026-11-20.")
    assert verdicts(results) == ("1000-1000-1000, B=128: 4.0x PyTorch eager, expected 5x: MISSED")
