"""The tangent rule of every op against finite differences of its reference kernel, and the executor that runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from capacity.engine import program as program_module
from capacity.engine import tangent
from capacity.engine.executor import Source
from capacity.engine.ops import SAVED
from capacity.engine.optimizers import SGD
from capacity.engine.program import Program, compile_training
from capacity.engine.reference import KERNELS, Frame
from capacity.engine.tangent import TANGENTS, TangentExecutor
from capacity.models import MLP
from tests.executors import Run, make_source

B, D, H = 6, 4, 3
LABELS = np.array([0, 2, 1, 1, 0, 2], np.int32)
STEP = 1e-6


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


@dataclass(frozen=True)
class Case:
    """A call: shapes of its outputs and arrays of its inputs (None: absent); inputs by number that do not vary."""

    op: str
    name: str
    outputs: tuple[tuple[int, ...] | None, ...]
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    constant: tuple[int, ...] = ()
    accumulate: bool = False

    def __str__(self) -> str:
        return f"{self.op}-{self.name}"


def cases() -> Iterator[Case]:
    x, w, b, dy = normal(1, B, D), normal(2, D, H), normal(3, H), normal(4, B, H)
    for name, constant in (("hidden", ()), ("first layer", (0,))):
        yield Case("dense", name, ((B, H), None), (x, w, b), constant=constant)
        for accumulate in (False, True):
            piece = "later" if accumulate else "first"
            yield Case("dense_grad_weight", f"{name}, {piece} micro-batch", ((D, H), (H,)), (x, dy),
                       constant=constant, accumulate=accumulate)  # fmt: skip
    yield Case("dense_grad_input", "plain", ((B, D),), (dy, w, None))
    for kind in SAVED:
        attributes = {"activation": kind}
        yield Case("activation", kind, ((B, H),), (normal(5, B, H),), attributes)
        yield Case("activation_grad", kind, ((B, H),), (dy, normal(6, B, H)), attributes)
    shapes = ((B,), (B, H), (B,))
    for absent in ((), (0,), (0, 2), (1,)):
        outputs = tuple(None if i in absent else shape for i, shape in enumerate(shapes))
        yield Case("softmax_xent", f"without {absent}", outputs, (normal(7, B, H), LABELS))


def make_frame(accumulate: bool = False, batch_rows: int = B + 2) -> Frame:
    source = Source(np.zeros((B, 1), np.float32), LABELS, 1.0)
    return Frame(source, np.empty(0), 0, 0.0, B, 0, 0, 0, B, batch_rows, accumulate, 0, np.empty((0, 4)))


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_rule_is_the_finite_difference_of_the_kernel(case: Case) -> None:
    frame = make_frame(case.accumulate)
    varying = [x is not None and x.dtype == np.float64 and i not in case.constant for i, x in enumerate(case.inputs)]
    inputs_dot = [normal(8, *x.shape) if v else None for x, v in zip(case.inputs, varying, strict=True)]
    before = [None if shape is None else normal(9, *shape) for shape in case.outputs]
    before_dot = [None if shape is None else normal(10, *shape) for shape in case.outputs]

    def moved(values: Any, dots: Any, h: float) -> list[Any]:
        return [v if v is None or d is None else v + h * d for v, d in zip(values, dots, strict=True)]

    def outputs(h: float) -> list[np.ndarray]:
        made = moved(before, before_dot, h)
        KERNELS[case.op](*made, *moved(case.inputs, inputs_dot, h), frame, **case.attributes)
        return made

    got = [None if dot is None else dot.copy() for dot in before_dot]
    TANGENTS[case.op]((*outputs(0.0), *case.inputs), (*got, *inputs_dot), frame, **case.attributes)()
    for up, down, dot in zip(outputs(STEP), outputs(-STEP), got, strict=True):
        if dot is not None:
            np.testing.assert_allclose(dot, (up - down) / (2 * STEP), rtol=1e-8, atol=1e-8)


def training(model: MLP, source: Source, rows: int, classes: int = 3) -> Program:
    inputs = source.features.shape[1]
    return replace(compile_training(model, inputs, classes, rows, SGD(), fused=False), update=())


def test_every_op_that_reads_parameters_has_a_rule() -> None:
    models = [MLP(hidden, kind) for hidden in ((), (2,), (2, 2)) for kind in SAVED]
    ops = {call.op for model in models for call in training(model, make_source(5, 2, 3), 5).body}
    assert ops - {"gather"} == TANGENTS.keys()


@pytest.mark.parametrize("kind", ["relu", "leaky_relu"])
def test_at_the_kink_zero_counts_as_negative(kind: str) -> None:
    z, z_dot = np.array([[-1.0, 0.0, 2.0]]), np.array([[1.0, 1.0, 1.0]])
    slope = 0.01 if kind == "leaky_relu" else 0.0
    y, y_dot = np.empty_like(z), np.empty_like(z)
    KERNELS["activation"](y, z, make_frame(), activation=kind)
    TANGENTS["activation"]((y, z), (y_dot, z_dot), make_frame(), activation=kind)()
    np.testing.assert_array_equal(y_dot, [[slope, slope, 1.0]])
    dz_dot, dy, dy_dot = np.empty_like(z), np.full_like(z, 5.0), np.full_like(z, 3.0)
    TANGENTS["activation_grad"]((None, dy, y), (dz_dot, dy_dot, y_dot), make_frame(), activation=kind)()
    np.testing.assert_array_equal(dz_dot, 3.0 * y_dot)  # no second derivative, at the kink or beside it


def test_rows_that_are_all_but_certain_keep_their_relative_precision() -> None:
    # With p = (1, e^-49, e^-50) to 21 digits, dz_dot = p (z_dot - <p, z_dot>) with z_dot less that of the first class.
    z, z_dot = np.array([[51.0, 2.0, 1.0]]), np.array([[0.7, 3.7, 1.7]])
    p1, p2 = np.exp(-49.0), np.exp(-50.0)
    mean = 3 * p1 + p2
    dz_dot, loss_dot = np.empty((1, 3)), np.empty(1)
    values, tangents = (None, None, None, z, np.array([0], np.int32)), (loss_dot, dz_dot, None, z_dot, None)
    TANGENTS["softmax_xent"](values, tangents, make_frame(batch_rows=1))()
    np.testing.assert_allclose(dz_dot, [[-mean, 3 * p1, p2]], rtol=1e-14)
    np.testing.assert_allclose(loss_dot, [mean], rtol=1e-14)


RUN = Run(MLP((5, 4), "tanh", output_init="glorot_uniform"), make_source(300, 6, 3), classes=3)


def executor(rows: int = 300) -> TangentExecutor:
    w = RUN.start("float64").parameters[0]
    return TangentExecutor(training(RUN.model, RUN.source, rows), RUN.source, w + 0.1 * normal(1, len(w)), rows, 7)


@pytest.mark.parametrize("kept_bytes", [0, 80_000])
def test_values_that_are_computed_again_give_the_same_products(
    monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr(program_module, "MICRO_BATCH", 64)  # 300 rows: five pieces, the last one of 44 rows
    expected = executor()
    monkeypatch.setattr(tangent, "KEPT_BYTES", kept_bytes)
    forgetful = executor()
    assert len(expected._kept) == len(expected._pieces) == len(forgetful._pieces) == 5
    assert len(forgetful._kept) == (0 if kept_bytes == 0 else 1)
    np.testing.assert_array_equal(forgetful.gradient, expected.gradient)
    for seed in (1, 2):
        v = normal(seed, len(expected.gradient))
        np.testing.assert_array_equal(forgetful.gradient_along(v), expected.gradient_along(v))


@pytest.mark.parametrize("rows", [300, 131])
def test_micro_batches_add_up(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    whole = executor(rows)
    monkeypatch.setattr(program_module, "MICRO_BATCH", 64)
    pieces = executor(rows)
    v = normal(1, len(whole.gradient))
    np.testing.assert_allclose(pieces.gradient, whole.gradient, atol=1e-15)
    np.testing.assert_allclose(pieces.gradient_along(v), whole.gradient_along(v), atol=1e-14)


def test_results_do_not_depend_on_threads() -> None:
    model, source = MLP((150,), "tanh", output_init="glorot_uniform"), make_source(600, 200, 3)
    w = Run(model, source, classes=3).start("float64").parameters[0]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            runner = TangentExecutor(training(model, source, 600), source, w, 600, 0)
            found.append((runner.gradient, runner.gradient_along(w)))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_direction_that_is_not_real_is_refused() -> None:
    with pytest.raises(TypeError, match="Cannot cast"):
        executor().gradient_along(1j * executor().gradient)
