"""Floors, tables, verdicts and plot of the benchmarks are right; the README's are those of the newest results."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bench import cost, cpu_table, instructions, readme
from bench.cases import CASES, Case
from bench.cpu import against_floor
from bench.peers import JAX, OURS, OURS_BF16, PYTORCH
from bench.plot import svg
from bench.rounds import summary
from bench.workload import SAMPLES, Shape

FLOORS = {
    "float32_flop_per_second": 112e9,
    "bf16_flop_per_second": 224e9,
    "copy_bytes_per_second": 24e9,
    "cache_copy_bytes_per_second": 200e9,
}


def us(median: float) -> dict[str, float]:
    return {"median": median, "q1": median - 1, "q3": median + 1, "least": median - 2}


def results(**changes: Any) -> dict[str, Any]:
    """Return results of two rows, as bench/cpu.py makes them."""
    step = {
        "measurement": "steps", "shape": "100-32-10, B=128", "replicas": 1, "cores": 1, "action": "run",
        "us": {OURS: us(20.0), JAX: us(44.0), PYTORCH: us(415.0)}, "same_work": True, "left_out": {},
        "ratios": {JAX: 2.2, PYTORCH: 20.75}, "expected": {JAX: 1.8, PYTORCH: 21.0}, "flop": 1_884_160,
        "floor_us": {OURS: 16.823}, "of_floor": {OURS: 1.189}, "wanted_of_floor": {OURS: 1.412},
    }  # fmt: skip
    many = step | {
        "measurement": "replicas", "shape": "100-32-10, B=128, R=16", "replicas": 16, "cores": 2,
        "us": {OURS: us(160.0), JAX: us(320.0)}, "ratios": {JAX: 2.0}, "expected": {}, "floor_us": {OURS: 134.6},
        "of_floor": {OURS: 1.189}, "wanted_of_floor": {},
    }  # fmt: skip
    made = {
        "benchmark": "cpu", "date": "2026-11-20", "name": "Zen", "floors": FLOORS, "floors_missing": "", "sweep": None,
        "peers": {name: {"version": version} for name, version in ((OURS, "1"), (PYTORCH, "2"), (JAX, "3"))},
        "rows": [step, many], "left_out": {"steps, 100-32-10, B=128": {OURS_BF16: "no vdpbf16ps"}},
    }  # fmt: skip
    return made | changes


class TestFloors:
    @pytest.mark.parametrize(
        ("shape", "least"),
        # The microseconds for 112 GFLOP/s that the expectations in bench/cases.py were set down with.
        [
            (Shape(20, 16, 2, 32), 0.4),
            (Shape(64, 32, 10, 32), 2.9),
            (Shape(100, 32, 10, 128), 17),
            (Shape(784, 100, 10, 128), 366),
            (Shape(1000, 1000, 1000, 128), 11430),
        ],
    )
    def test_of_the_table(self, shape: Shape, least: float) -> None:
        floor = cost.floor_us(cost.flop_of_a_step(shape), cost.bytes_of_a_step(shape), FLOORS, "float32", 1)
        assert floor == pytest.approx(least, rel=0.06)

    def test_arithmetic_by_hand(self) -> None:
        """D=2, H=3, K=5, B=4: forward 6 + 15 multiply-adds a row; backward twice that, less the 6 of the inputs."""
        assert cost.flop_of_a_step(Shape(2, 3, 5, 4)) == 2 * 4 * (21 + 42 - 6)
        assert cost.flop_of_a_step(Shape(2, 3, 5, 4, replicas=7)) == 7 * 2 * 4 * (21 + 42 - 6)
        assert cost.flop_of_a_step(Shape(2, 3, 5, 4, depth=3)) == 2 * 4 * (3 * (6 + 9 + 9 + 15) - 6)
        assert cost.flop_of_an_evaluation(Shape(2, 3, 5, 4)) == 2 * SAMPLES * 21

    def test_traffic_by_hand(self) -> None:
        """The 8 inputs of a batch and 9 + 20 parameters, read and written; Adam has two more numbers for each."""
        assert cost.bytes_of_a_step(Shape(2, 3, 5, 4)) == 4 * (8 + 2 * 29)
        assert cost.bytes_of_a_step(Shape(2, 3, 5, 4, optimizer="adam")) == 4 * (8 + 2 * 3 * 29)
        assert cost.bytes_of_an_evaluation(Shape(2, 3, 5, 4, replicas=2)) == 2 * 4 * SAMPLES * 2

    def test_the_larger_of_arithmetic_and_traffic(self) -> None:
        assert cost.floor_us(112_000, 0, FLOORS, "float32", 1) == pytest.approx(1.0)
        assert cost.floor_us(112_000, 0, FLOORS, "bf16", 1) == pytest.approx(0.5)
        assert cost.floor_us(112_000, 0, FLOORS, "float32", 2) == pytest.approx(0.5)
        assert cost.floor_us(112_000, 400_000, FLOORS, "float32", 1) == pytest.approx(2.0)

    def test_what_was_not_measured_is_left_out(self) -> None:
        floors = {name: value for name, value in FLOORS.items() if name != "bf16_flop_per_second"}
        assert cost.floor_us(1, 1, floors, "bf16", 1) is None
        row = {"cores": 1, "us": {OURS: us(20.0), OURS_BF16: us(10.0), JAX: us(44.0)}}
        case = Case("steps", Shape(100, 32, 10, 128), 1, {}, {OURS: 1.4, OURS_BF16: 1.2})
        against = against_floor(case, row, floors)
        assert against["floor_us"].keys() == against["of_floor"].keys() == against["wanted_of_floor"].keys() == {OURS}
        assert against["of_floor"][OURS] == pytest.approx(20 / (1e6 * against["flop"] / 112e9), abs=1e-3)
        assert against_floor(case, row, FLOORS)["of_floor"].keys() == {OURS, OURS_BF16}
        assert against_floor(case, row, {})["floor_us"] == {}


class TestTables:
    def test_steps(self) -> None:
        assert cpu_table.steps_table(results()).splitlines() == [
            "| D-H-K, batch | capacity, µs | PyTorch eager, µs | JAX jit + scan, µs | floor, µs |",
            "| --- | ---: | ---: | ---: | ---: |",
            "| 100-32-10, B=128 | 20.00 [19.00, 21.00] | 415 [414, 416] (20.8x) | 44.00 [43.00, 45.00] (2.2x) "
            "| 16.82 (1.2x) |",
        ]

    def test_many_networks_are_in_steps_a_second(self) -> None:
        """16 steps in 160 microseconds are 100 thousand a second."""
        row = cpu_table.further_table(results()).splitlines()[-1]
        assert row.startswith(
            "| steps of many networks, 100-32-10, B=128, R=16, thousand steps/s | 100.0 | 50.0 (2.0x) |"
        )

    def test_evaluations_are_in_rows_a_second(self) -> None:
        row = results()["rows"][1] | {
            "measurement": "evaluation",
            "action": "evaluate",
            "us": {OURS: us(SAMPLES * 2.0)},
        }
        assert "million rows/s | 0.50 |" in cpu_table.further_table(results(rows=[row]))

    def test_nothing_measured_makes_no_table(self) -> None:
        only = results(rows=results()["rows"][1:], sweep=None)
        assert cpu_table.steps_table(only) == ""
        assert cpu_table.sweep_sentence(only) == ""
        assert cpu_table.tables(only).startswith("| measured |")

    def test_the_sweep_in_words(self) -> None:
        seconds = {"process_seconds": us(3.0), "call_seconds": us(2.5), "outside": us(0.25)}
        said = cpu_table.sweep_sentence(results(sweep={"trials": 30, "epochs": 50, "cores": 2, **seconds}))
        assert "30 small networks over 50 epochs of `digits`, on 2 cores: 3.0 s" in said
        assert "2.5 s of it in `capacity.sweep`, of which 25% were spent outside" in said

    def test_the_caption_names_machine_versions_and_floors(self) -> None:
        said = cpu_table.caption(results())
        assert "112 GFLOP/s (bf16: 224)" in said
        assert "one core of Zen, many networks on 2 cores; capacity 1, PyTorch eager 2, JAX jit + scan 3;" in said
        assert "no floors: no g++" in cpu_table.caption(results(floors={}, floors_missing="no floors: no g++"))

    def test_verdicts(self) -> None:
        assert cpu_table.verdicts(results()).splitlines() == [
            "100-32-10, B=128: 2.20x JAX jit + scan, expected 1.8x: met",
            "100-32-10, B=128: 20.75x PyTorch eager, expected 21x: MISSED",
            "100-32-10, B=128: capacity takes 1.19 times the floor, wanted at most 1.41: met",
            "steps, 100-32-10, B=128: capacity bf16 left out: no vdpbf16ps",
        ]

    def test_every_measurement_has_words(self) -> None:
        assert {case.measurement for case in CASES} - {"steps"} == cpu_table.WHAT.keys()

    def test_the_plot_has_every_peer_the_floor_and_the_sizes(self) -> None:
        drawn = svg(results()).decode()
        for text in (OURS, PYTORCH, JAX, "floor: float32 arithmetic at its peak", "100-32-10", "on one core of Zen"):
            assert f"<!-- {text} -->" in drawn or text in re.sub(r"<!-- (.*?) -->", r"\1", drawn)
        assert svg(results()) == svg(results())

    def test_quartiles(self) -> None:
        assert summary([4.0, 1.0, 3.0, 2.0, 5.0]) == {"median": 3.0, "q1": 2.0, "q3": 4.0, "least": 1.0}


class TestReadme:
    def test_it_is_what_the_newest_results_say(self) -> None:
        path, text = readme.newest(), readme.README.read_text(encoding="utf-8")
        assert readme.rewritten(text, readme.section(json.loads(path.read_text(encoding="utf-8")), path)) == text
        assert readme.plot_of(path).exists()

    def test_only_what_is_between_the_comments_is_written(self) -> None:
        text = f"before\n{readme.BEGIN}\n\nold\n\n{readme.END}\nafter\n"
        assert (
            readme.rewritten(text, "a \\1\n| b |") == f"before\n{readme.BEGIN}\n\na \\1\n| b |\n\n{readme.END}\nafter\n"
        )

    @pytest.mark.parametrize(
        "text", ["nothing", f"{readme.END}\n{readme.BEGIN}\n", f"{readme.BEGIN}\n{readme.END}\n" * 2]
    )
    def test_comments_that_are_not_there_are_said_to_be(self, text: str) -> None:
        with pytest.raises(SystemExit, match="each once and in this order"):
            readme.rewritten(text, "new")


class TestInstructions:
    def test_ten_percent_either_way_is_met(self) -> None:
        said = instructions.verdicts(
            {"a": 109, "b": 112, "c": 88, "d": 100_000}, {"a": 100, "b": 100, "c": 100, "d": 100_000}
        )
        assert [line.rsplit(" ", 1)[1] for line in said] == ["met", "MISSED", "MISSED", "met"]
        assert said[3] == "d: 100,000 instructions a step, +0.0% from the record: met"

    def test_the_start_is_not_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(instructions, "_instructions", lambda name, path, steps: 10**9 + 777 * steps)
        assert instructions.count("any", "portable") == 777

    def test_without_valgrind_it_says_so(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(instructions.shutil, "which", lambda _: None)
        assert instructions.main([]) == 0
        assert "valgrind is not installed" in capsys.readouterr().out

    def test_the_record_has_every_training(self) -> None:
        recorded = json.loads(instructions.RECORD.read_text(encoding="utf-8"))
        assert recorded.keys() == {f"{name}, {path}" for path in instructions.PATHS for name in instructions.SHAPES}
        assert all(
            count > cost.flop_of_a_step(instructions.SHAPES[name.rsplit(", ", 1)[0]]) / 16
            for name, count in recorded.items()
        )
