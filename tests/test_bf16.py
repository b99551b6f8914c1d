"""Precision bf16 on the CPU: factors of products rounded to bfloat16, all else float32."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import capacity
from capacity.engine import _cpu, cpu
from capacity.engine.cpu import BF16_VARIABLE, CpuExecutor
from capacity.errors import DeviceError
from tests.cases import CASES
from tests.cudasim_backend import rounded
from tests.executors import BF16, CPU, REFERENCE, In, OpCase, Out, Target, forced_path, run_op
from tests.study_cases import tiny_data
from tests.test_replicas import LARGE, SMALL

FACTORS = {"dense": (2, 3), "dense_grad_input": (1, 2), "dense_grad_weight": (2, 3)}
"""Which operands of an op are multiplied with each other."""
PRODUCTS = [case for case in CASES if case.op in FACTORS]

VALUES = {
    0.0: 0.0, 1.0: 1.0, -1.0: -1.0,
    1 + 2**-8: 1.0, 1 + 3 * 2**-8: 1 + 2**-6, -1 - 3 * 2**-8: -1 - 2**-6,  # halfway: to the even one
    1 + 2**-8 + 2**-23: 1 + 2**-7, 1 + 3 * 2**-8 - 2**-23: 1 + 2**-7,  # and just beside it
    (2 - 2**-7) * 2.0**127: (2 - 2**-7) * 2.0**127, float(np.finfo(np.float32).max): np.inf,
    -float(np.finfo(np.float32).max): -np.inf, np.inf: np.inf, -np.inf: -np.inf, np.nan: np.nan,
    2.0**-126: 2.0**-126, 2.0**-126 * (1 - 2**-20): 0.0, -(2.0**-149): 0.0,  # denormal numbers are 0
}  # fmt: skip
"""float32 numbers, and what they are as bfloat16."""


def _with_rounded_factors(case: OpCase) -> OpCase:
    operands = list(case.operands)
    for i in FACTORS[case.op]:
        operand = operands[i]
        assert isinstance(operand, In)
        operands[i] = replace(operand, array=rounded(operand.array, 16))
    return replace(case, operands=tuple(operands))


@pytest.mark.parametrize("target", BF16, ids=str)
@pytest.mark.parametrize("case", PRODUCTS, ids=str)
def test_a_product_is_that_of_the_rounded_factors(case: OpCase, target: Target) -> None:
    expected, got = run_op(_with_rounded_factors(case), REFERENCE), run_op(case, target)
    if case.op == "dense_grad_weight":
        expected[1] = run_op(case, REFERENCE)[1]  # the gradient of the bias is a sum, not a product
    magnitude = max(1.0, *(np.nanmax(np.abs(o.array)) for o in case.operands if isinstance(o, In)))
    for want, have in zip(expected, got, strict=True):
        tolerance = 8 * target.epsilon * np.sqrt(case.depth) * max(magnitude, np.abs(np.nan_to_num(want)).max())
        np.testing.assert_allclose(have, want, rtol=8 * target.epsilon, atol=tolerance)


@pytest.mark.parametrize("target", BF16, ids=str)
def test_values_are_rounded_as_by_hand(target: Target) -> None:
    values, expected = (np.array(list(v), np.float64) for v in (VALUES.keys(), VALUES.values()))
    one, zero = np.ones((1, 1)), In(np.zeros(1), "parameters", batch=False)
    row, column, n = values[None], values[:, None], len(values)
    left = OpCase("dense", "left", (Out((n, 1)), None, In(column), _weight(one), zero), {}, n)
    zeros = In(np.zeros(n), "parameters", batch=False)
    right = OpCase("dense", "right", (Out((1, n)), None, In(one), _weight(row), zeros), {}, 1)
    across = OpCase("dense_grad_input", "across", (Out((1, n)), In(one), _weight(column), None), {}, 1)
    gradients = (Out((n, 1), "gradients", batch=False), Out((1,), "gradients", batch=False))
    down = OpCase("dense_grad_weight", "down", (*gradients, In(row), In(one)), {"update": False}, 1)
    for case in (left, right, across, down):
        np.testing.assert_array_equal(run_op(case, target)[0].ravel(), expected, err_msg=case.name)


def _weight(array: NDArray[np.float64]) -> In:
    return In(array, "parameters", batch=False)


@pytest.mark.skipif(_cpu.why_no_bf16() is not None, reason=f"{_cpu.why_no_bf16()}")
@pytest.mark.parametrize("case", PRODUCTS, ids=str)
def test_the_processor_and_the_emulation_agree(case: OpCase) -> None:
    # Bit for bit: the instruction adds the products one after the other, each rounded once, as the emulation does.
    native, emulated = (run_op(case, Target("cpu", "avx512", "float32", f)) for f in ("bf16", "bf16_emulated"))
    for want, have in zip(emulated, native, strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("target", BF16, ids=str)
@pytest.mark.parametrize("run", [SMALL, LARGE], ids=["small", "large"])
def test_a_training_differs_from_float32_and_little(target: Target, run: object) -> None:
    assert isinstance(run, type(SMALL))
    exact = run.on(CPU[0], 5).parameters
    difference = np.abs(run.on(target, 5).parameters - exact).max()
    assert 0 < difference < 2**-8 * np.abs(exact).max()


def test_float64_is_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SMALL.on(Target("cpu", CPU[0].path, "float64"), 5).parameters
    monkeypatch.setenv(BF16_VARIABLE, "emulated")
    replicas = SMALL.start("float64")
    CpuExecutor(SMALL.program(), "float64", 1).run(replicas, SMALL.source, 0, 5)
    np.testing.assert_array_equal(replicas.parameters, expected)


def _trainer(folder: Path, precision: str) -> capacity.Trainer:
    data = capacity.data.open_dataset(tiny_data(folder))
    return capacity.Trainer(
        capacity.MLP((8,)), data, batch=16, lrs=[0.1, 0.2], seeds=[0, 1], precision=precision, device="cpu"
    )


@pytest.mark.parametrize("path", _cpu.supported_paths())
def test_a_trainer_goes_on_from_float32_and_back(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BF16_VARIABLE, "emulated")
    with forced_path(path):
        single, half = _trainer(tmp_path, "float32"), _trainer(tmp_path, "bf16")
        single.advance(4)
        half.restore(single.states())
        half.advance(4)
        assert (half.precision, half.step) == ("bf16", 8)
        assert half.states()[0].parameters.dtype == np.float32
        single.restore(half.states())
        np.testing.assert_array_equal(single.states()[1].parameters, half.states()[1].parameters)


def test_without_the_instructions_it_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu._cpu, "why_no_bf16", lambda: "this processor lacks AVX512_BF16")
    with pytest.raises(DeviceError) as caught:
        _trainer(tmp_path, "bf16")
    assert str(caught.value) == (
        "precision 'bf16' cannot be had on device 'cpu': this processor lacks AVX512_BF16; use precision 'float32', or "
        "device 'cuda'."
    )


def test_a_path_without_the_instructions_refuses_it_on_the_command_line(tmp_path: Path) -> None:
    code = "import sys; from capacity.cli import main; main(sys.argv[1:])"
    options = ["sweep", "--device", "cpu", "--precision", "bf16", "--out", str(tmp_path / "study")]
    env = {k: v for k, v in os.environ.items() if k != BF16_VARIABLE} | {cpu.PATH_VARIABLE: CPU[-1].path}
    done = subprocess.run([sys.executable, "-c", code, *options], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "precision 'bf16' cannot be had on device 'cpu': " in done.stderr
    assert "Traceback" not in done.stderr
