"""The benchmarks run from end to end, and take what they are told. How fast anything is is not tested."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import __main__, cpu, micro, sweep, trajectory, workload
from bench.cases import CASES, MEASUREMENTS, Case
from bench.floors import Floors
from bench.peers import ON_CPU, OURS, SKLEARN, Spec
from bench.rounds import Team, Timed, _cores_kept, same_work, time_peers
from bench.workload import Shape, make_trainer, make_workload

ROOT = Path(__file__).parent.parent
on_linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be kept to one core here")
TINY = Shape(6, 5, 4, 16)


def test_a_benchmark_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["nonsense"]) == 2
    assert capsys.readouterr().err.startswith(
        "python -m bench knows cpu, gpu, micro, bf16, trajectory, emc, emc-truths, emc-studies, instructions, reader, "
        "windows, readme, got 'nonsense'"
    )


def test_a_measurement_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        __main__.main(["--only", "nonsense"])
    assert end.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_where_no_process_can_be_pinned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert __main__.main([]) == 2
    assert "needs Linux" in capsys.readouterr().err


def test_the_measurements() -> None:
    assert MEASUREMENTS == ("steps", "depth", "relu", "adam", "replicas", "evaluation", "sweep")
    assert len([case for case in CASES if case.measurement == "steps"]) == 5


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three small cases of all there are, for our own peer and one that trains its replicas alone."""
    cases = (
        Case("steps", TINY, 50, {SKLEARN: 2.0}, {OURS: 3.0}),
        Case("replicas", Shape(6, 5, 4, 16, replicas=4), 20, cores=None),
        Case("evaluation", TINY, 5, action="evaluate"),
    )
    peers = {name: ON_CPU[name] for name in (OURS, SKLEARN)}
    monkeypatch.setattr(cpu, "CASES", cases)
    monkeypatch.setattr(cpu, "ON_CPU", peers)
    monkeypatch.setattr(Case, "peers", property(lambda _: list(peers)))


@on_linux
@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    assert (
        cpu.main(["--quick", "--only", "steps", "--only", "replicas", "--only", "evaluation", "--out", str(out)]) == 0
    )
    printed = capsys.readouterr().out
    results = json.loads(out.read_text(encoding="utf-8"))
    assert {"date", "commit", "machine", "name"} < set(results)
    assert results["sweep"] is None
    assert [row["measurement"] for row in results["rows"]] == ["steps", "replicas", "evaluation"]
    assert "| 6-5-4, B=16 |" in printed
    for row in results["rows"]:
        assert row["same_work"]
        assert row["us"].keys() == row["losses"].keys() == results["peers"].keys()
        assert all(0 < us["least"] <= us["q1"] <= us["median"] <= us["q3"] for us in row["us"].values())
        assert (OURS in row["floor_us"]) == bool(results["floors"])
    step, many, evaluation = results["rows"]
    assert (step["times_per_round"], step["rounds"], step["cores"]) == (10, 3, 1)
    assert many["cores"] == len(os.sched_getaffinity(0))
    trainer = make_trainer(make_workload(TINY, 0), "cpu")
    trainer.advance(cpu.STEPS_BEFORE)
    assert evaluation["losses"][OURS] == trainer.evaluate().loss[0], "evaluations train nothing"
    if SKLEARN in results["peers"]:
        ratio = step["us"][SKLEARN]["median"] / step["us"][OURS]["median"]
        assert step["ratios"][SKLEARN] == pytest.approx(ratio, abs=0.01)


def test_different_work_fails_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"shape": "6-5-4, B=16", "losses": {OURS: 1.0, SKLEARN: 2.0}, "same_work": False}
    monkeypatch.setattr(cpu, "measure", lambda *_, **__: {"rows": [row]})
    monkeypatch.setattr(cpu, "tables", lambda _: "")
    monkeypatch.setattr(cpu, "verdicts", lambda _: "")
    assert cpu.main(["--quick"]) == 1
    assert "6-5-4, B=16: the final losses differ: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loss", "other", "same"),
    [(1.0, 1.0009, True), (1.0, 1.002, False), (1e-4, 1.05e-4, True), (1e-4, 1.2e-4, False), (1.0, math.nan, False)],
)
def test_the_same_work_ends_with_the_same_loss(loss: float, other: float, same: bool) -> None:
    timed = {OURS: Timed({}, loss, 0.0, {}), SKLEARN: Timed({}, other, 0.0, {})}
    assert same_work(timed, ON_CPU) == same


@pytest.mark.parametrize(
    ("cores", "alone", "kept"),
    [(1, 16, [-1]), (None, 16, [None]), (2, None, [None]), (2, 16, [0, 1]), (12, 16, list(range(8))), (3, 4, [0, 1])],
)
def test_the_cores_of_a_peer(cores: int | None, alone: int | None, kept: list[int | None]) -> None:
    """Sixteen replicas are shared equally by 8 processes, not by 12."""
    assert _cores_kept(cores, alone) == kept


@on_linux
@pytest.mark.slow
class TestRounds:
    def test_processes_of_a_peer_share_its_replicas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workload, "SAMPLES", 64)
        given = make_workload(Shape(6, 5, 4, 16, replicas=4), 8)
        peers = {"together": Spec("ours", "capacity"), "apart": Spec("ours", "capacity", alone=True)}
        timed, refused = time_peers(given, 3, peers, cores=2, times=2)
        assert refused == {}
        assert timed["apart"].description["processes"] == "2"
        assert "processes" not in timed["together"].description
        assert timed["apart"].loss == pytest.approx(timed["together"].loss)

    def test_a_peer_that_refuses_is_left_out_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workload, "SAMPLES", 64)
        given = make_workload(TINY, 8)
        peers = {OURS: Spec("ours", "capacity"), "odd": Spec("ours", "capacity", {"precision": "bf61"})}
        timed, refused = time_peers(given, 3, peers, cores=1, times=2)
        assert timed.keys() == {OURS}
        assert refused["odd"].startswith("precision must be a known precision, got 'bf61'")

    def test_without_ourselves_there_is_nothing_to_compare(self) -> None:
        peers = {OURS: Spec("ours", "capacity", {"precision": "bf61"})}
        with pytest.raises(SystemExit, match="nothing to compare with: precision must be"):
            time_peers(make_workload(TINY, 8), 3, peers, cores=1, times=2)

    def test_a_peer_that_breaks_ends_the_run(self, tmp_path: Path) -> None:
        make_workload(TINY, 1).save(tmp_path / "workload.npz")
        with pytest.raises(SystemExit, match="a peer ended early, with status 1"):
            Team(Spec("nonsense", "capacity"), tmp_path / "workload.npz", [-1])


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is installed")
@on_linux
class TestFloors:
    def test_they_only_rise(self) -> None:
        with Floors() as floors:
            assert (floors.missing, floors.best) == ("", {})
            floors.best["float32_flop_per_second"] = 1e18
            floors.measure()
        assert floors.best["float32_flop_per_second"] == 1e18
        assert floors.best.keys() - {"bf16_flop_per_second"} == {
            "float32_flop_per_second", "copy_bytes_per_second", "cache_copy_bytes_per_second",
        }  # fmt: skip
        assert min(floors.best.values()) > 0

    def test_without_a_compiler_there_is_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CXX", "no-such-compiler")
        with Floors() as floors:
            floors.measure()
        assert floors.best == {}
        assert floors.missing.startswith("no floors: there is no g++")


class TestMicro:
    def test_products_and_traffic_of_every_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """D=6, H=5, K=4, B=16: products forward, backward to the hidden layer, and of two weights."""
        monkeypatch.setattr(workload, "SAMPLES", 64)
        listed = [
            (call.op, micro.product_of(call, 16), micro.bytes_of(call, 16))
            for *_, call in micro.calls(make_workload(TINY, 0))
        ]
        products = [(op, product) for op, product, _ in listed if product]
        assert sorted(products) == [
            ("dense", (16, 4, 5)), ("dense", (16, 5, 6)), ("dense_grad_input", (16, 5, 4)),
            ("dense_grad_weight", (5, 4, 16)), ("dense_grad_weight", (6, 5, 16)),
        ]  # fmt: skip
        traffic = {op: size for op, _, size in listed}
        assert traffic["gather"] == 2 * 4 * (16 * 6 + 16)
        assert "adam" in traffic
        assert "tally" in traffic

    def test_a_whole_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workload, "SAMPLES", 64)
        monkeypatch.setattr(micro, "SECONDS", 1e-5)
        rows = micro.measure(TINY)
        assert all(row["us"] > 0 for row in rows)
        text = micro.table(
            {"avx2": rows, "portable": rows}, {"float32_flop_per_second": 1e9, "cache_copy_bytes_per_second": 1e9}
        )
        head, *lines = text.splitlines()
        assert head.split() == ["op", "avx2", "portable", "BLAS", "product"]
        assert len(lines) == len(rows)
        assert lines[0].startswith("gather ")

    def test_rates_and_shares(self) -> None:
        """4000 operations in 2 microseconds are 2 GFLOP/s, half of a peak of 4."""
        row = {"op": "dense 6x5", "us": 2.0, "flop": 4000, "bytes": 1, "blas_us": 4.0}
        floors = {"float32_flop_per_second": 4e9, "cache_copy_bytes_per_second": 1e9}
        line = micro.table({"avx2": [row]}, floors).splitlines()[1]
        assert line.split() == ["dense", "6x5", "2.00", "(2,", "50%)", "4.00", "(1,", "25%)"]
        copied = {"op": "gather", "us": 2.0, "flop": 0, "bytes": 1000}
        assert micro.table({"avx2": [copied]}, floors).splitlines()[1].strip().endswith("2.00 (0, 50%)")


@on_linux
@pytest.mark.slow
def test_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = sweep.measure(2, 1)
    assert found["trials"] == len(sweep.WIDTHS) * len(sweep.LRS) * sweep.SEEDS
    assert found["call_seconds"]["median"] < found["process_seconds"]["median"]
    assert 0 < found["outside"]["least"] < 1
    assert 0 < found["busy"]["median"] <= 1.05


def test_from_the_shell() -> None:
    command = [sys.executable, "-m", "bench", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout


def test_what_a_trajectory_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Every way is measured with both numbers of threads, and the floor is 16/12 of plain SGD.
    out = tmp_path / "results.json"
    assert __main__.main(["trajectory", "--sizes", "6", "5", "4", "--rounds", "1", "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert [row["threads"] for row in results["rows"]] == [1, 2]
    for row in results["rows"]:
        assert row["parameters"] == 6 * 5 + 5 + 5 * 4 + 4
        assert row["floor_ms"] == pytest.approx(row["ms"]["plain SGD"] * 16 / 12)
        assert {"plain SGD", "trajectory"} <= row["ms"].keys()
    assert len(re.findall(r"floor of the sums .+ (met|MISSED)", capsys.readouterr().out)) == 2


def test_every_way_to_measure_a_trajectory_gives_the_same_sums() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layers = trajectory.shapes([6, 5, 4])
    straightforward, foreach, metered = (
        trajectory.straightforward(layers), trajectory.foreach(layers), trajectory.metered(layers, 1)
    )  # fmt: skip
    for _ in range(3):
        rows, flat, sums = straightforward(), foreach(), metered()
    norms = np.reshape(flat, (4, -1))
    ordered = np.stack([norms[0] ** 2, norms[1] ** 2, norms[3], norms[2] ** 2], axis=1)
    np.testing.assert_allclose(rows, sums, rtol=1e-3)
    np.testing.assert_allclose(ordered, sums, rtol=1e-3)
    assert torch.is_grad_enabled()
