"""The op table: one row per op, with its shape rule and its gradient rule.

What an op computes is defined by the function of the same name in :mod:`capacity.engine.reference`;
the kernels are ``csrc/cpu/<name>.cpp`` and, on the GPU, ``csrc/cuda/<name>.cu``. Operands are listed outputs
first, then inputs. Letters (csrc/README.md): B batch rows, D inputs, H width, K classes, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capacity.engine.trajectory import Sums
from capacity.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from capacity.engine.tape import Call, Tape, Value

ROWS = -1
"""The batch axis of a shape; its length is known at run time (a partial last batch has fewer rows)."""

Shape = tuple[int, ...]

SAVED = {
    "identity": "output",
    "sigmoid": "output",
    "tanh": "output",
    "relu": "output",
    "leaky_relu": "output",
    "gelu": "input",
}
"""The activations, and whether the derivative is taken from the activation's output or from its input."""

LEAKY_SLOPE = 0.01
"""Slope of leaky ReLU for negative inputs."""


@dataclass(frozen=True)
class Op:
    """One row of the table.

    Attributes
    ----------
    name : str
        The one name of the op, here, in the kernels and in the tests.
    shapes : callable
        Maps the input shapes and the attributes to the output shapes; raises InputError when they do not fit.
    gradient : callable or None
        Records the backward calls of one forward call: ``gradient(tape, call, dy)`` with ``dy`` the gradient with
        respect to the call's first output. Returns one value (or None) per input.
    """

    name: str
    shapes: Callable[..., tuple[Shape, ...]]
    gradient: Callable[[Tape, Call, Value | None], Sequence[Value | None]] | None = None


def check_activation(kind: str) -> str:
    """Return `kind` when it names an activation, or raise InputError."""
    if kind not in SAVED:
        raise InputError(f"activation must be one of the known activations, got '{kind}'{did_you_mean(kind, SAVED)}.")
    return kind


def _require(fits: bool, op: str, shapes: object) -> None:
    if not fits:
        raise InputError(f"op '{op}' cannot take operands of shapes {shapes}; check the layer sizes of the model.")


def _gather_shapes(*, inputs: int, shuffled: bool) -> tuple[Shape, ...]:
    return (ROWS, inputs), (ROWS,)


def _dense_shapes(x: Shape, w: Shape, b: Shape, *, activation: str = "identity") -> tuple[Shape, ...]:
    _require(x[1:] == w[:1] and w[1:] == b, "dense", (x, w, b))
    return (ROWS, w[1]), (ROWS, w[1])


def _dense_gradient(tape: Tape, call: Call, dy: Value | None) -> Sequence[Value | None]:
    x, w, b = (call.present_input(i) for i in range(3))
    dx = tape.record("dense_grad_input", dy, w, None)[0] if x.needs_gradient else None
    tape.record("dense_grad_weight", x, dy, outputs=(tape.gradient_of(w), tape.gradient_of(b)))
    return dx, None, None


def _dense_grad_input_shapes(dy: Shape, w: Shape, saved: Shape | None, *, activation: str = "identity") -> tuple[Shape]:
    _require(dy[1:] == w[1:] and saved in (None, (ROWS, w[0])), "dense_grad_input", (dy, w, saved))
    return ((ROWS, w[0]),)


def _dense_grad_weight_shapes(x: Shape, dy: Shape, *, update: bool = False) -> tuple[Shape, ...]:
    _require(len(x) == len(dy) == 2, "dense_grad_weight", (x, dy))
    return (x[1], dy[1]), (dy[1],)


def _activation_shapes(z: Shape, *, activation: str) -> tuple[Shape]:
    return (z,)


def _activation_gradient(tape: Tape, call: Call, dy: Value | None) -> Sequence[Value | None]:
    kind = call.attributes["activation"]
    saved = call.outputs[0] if SAVED[str(kind)] == "output" else call.inputs[0]
    return tape.record("activation_grad", dy, saved, activation=kind)[:1]


def _activation_grad_shapes(dy: Shape, saved: Shape, *, activation: str) -> tuple[Shape]:
    _require(dy == saved, "activation_grad", (dy, saved))
    return (dy,)


def _softmax_xent_shapes(z: Shape, y: Shape) -> tuple[Shape, ...]:
    _require(len(z) == 2 and y == (ROWS,), "softmax_xent", (z, y))
    return (ROWS,), z, (ROWS,)


def _softmax_xent_gradient(tape: Tape, call: Call, dy: Value | None) -> Sequence[Value | None]:
    # The forward call already wrote the gradient of the mean loss (its second output).
    return call.outputs[1], None


def _topk_errors_shapes(z: Shape, y: Shape, *, k: int) -> tuple[Shape]:
    _require(len(z) == 2 and y == (ROWS,), "topk_errors", (z, y))
    return ((ROWS,),)


def _tally_shapes(v: Shape, *, slot: int) -> tuple[Shape, ...]:
    _require(v == (ROWS,), "tally", (v,))
    return ()


def _sgd_shapes(*operands: Shape | None, momentum: float, weight_decay: float) -> tuple[Shape, ...]:
    return ()


def _adam_shapes(
    *operands: Shape | None, beta1: float, beta2: float, epsilon: float, weight_decay: float, decoupled: bool
) -> tuple[Shape, ...]:
    return ()


def _shampoo_shapes(*operands: Shape | None, epsilon: float, every: int) -> tuple[Shape, ...]:
    return ()


def _trace_shapes(sums: Shape, *, slot: int) -> tuple[Shape, ...]:
    _require(sums[1:] == (len(Sums),), "trace", (sums,))
    return ()


OPS: dict[str, Op] = {
    op.name: op
    for op in (
        Op("gather", _gather_shapes),
        Op("dense", _dense_shapes, _dense_gradient),
        Op("dense_grad_input", _dense_grad_input_shapes),
        Op("dense_grad_weight", _dense_grad_weight_shapes),
        Op("activation", _activation_shapes, _activation_gradient),
        Op("activation_grad", _activation_grad_shapes),
        Op("softmax_xent", _softmax_xent_shapes, _softmax_xent_gradient),
        Op("topk_errors", _topk_errors_shapes),
        Op("tally", _tally_shapes),
        Op("sgd", _sgd_shapes),
        Op("adam", _adam_shapes),
        Op("shampoo", _shampoo_shapes),
        Op("trace", _trace_shapes),
    )
}
