"""A program: the flat list of op calls for one batch, over arenas. Compiled once per model shape, run by executors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capacity.engine import fuse
from capacity.engine.ops import ROWS, Shape
from capacity.engine.tape import Attribute, Call, Parameter, Tape, Value

ARENAS = ("parameters", "gradients", "optimizer", "activations", "labels")

MICRO_BATCH = 512
"""Most rows that are in flight at once. A larger batch is run in pieces whose gradients are accumulated."""

_ALIGN = 16  # elements; activations start on a cache line in float32 and float64 alike

Model = Callable[[Tape, Value, int], Value]
"""A model maps (tape, inputs of shape (B, D), classes K) to logits of shape (B, K), recording ops on the tape."""


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: v <- momentum v + g + weight_decay w, then w <- w - lr v.

    Weight decay acts on every parameter, biases included. With both at 0 the update is w <- w - lr g and is folded
    into the weight-gradient product.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Segment:
    """A named parameter in the parameters arena (and, at the same offset, in gradients and optimizer state)."""

    layer: str
    role: str
    offset: int
    shape: Shape
    init: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Operand:
    """Where a call finds a value: an arena, an offset in elements, a shape (ROWS first for batch values)."""

    arena: str
    offset: int
    shape: Shape


@dataclass(frozen=True)
class BoundCall:
    """A call whose operands (outputs first, then inputs; None when absent) have their places."""

    op: str
    operands: tuple[Operand | None, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Program:
    """What an executor runs.

    Attributes
    ----------
    body : tuple of BoundCall
        Run for every micro-batch.
    update : tuple of BoundCall
        Run once per step, after the last micro-batch; empty when the update is folded into the body.
    segments : tuple of Segment
        The parameters, in their order in the arena.
    sizes : dict
        Elements of each arena for one replica. Activations and labels are sized for `micro_batch` rows.
    batch, micro_batch : int
        Rows per step, and most rows per run of the body.
    statistics : tuple of str
        Names of the float64 sums that `tally` calls add to.
    """

    body: tuple[BoundCall, ...]
    update: tuple[BoundCall, ...]
    segments: tuple[Segment, ...]
    sizes: dict[str, int]
    batch: int
    micro_batch: int
    statistics: tuple[str, ...] = ()


def compile_training(
    model: Model, inputs: int, classes: int, batch: int, optimizer: SGD, *, fused: bool = True
) -> Program:
    """Compile one training step. `fused=False` leaves every fusion out; tests hold the two to the same result."""
    tape = Tape()
    x, y = tape.record("gather", inputs=inputs, shuffled=True)
    loss = tape.record("softmax_xent", model(tape, x, classes), y)[0]
    tape.backward(loss)

    micro_batch = min(batch, MICRO_BATCH)
    plain = optimizer == SGD() and micro_batch == batch
    calls: Sequence[Call] = tape.calls
    update: list[Call] = []
    if fused:
        calls = fuse.fuse_activation_grad(fuse.fuse_activation(calls))
    if fused and plain:
        calls = fuse.fold_sgd(calls, {p.gradient: p.value for p in tape.parameters})
    else:
        update.append(_sgd_call(tape.parameters, optimizer))
    return _place(fuse.drop_unread(calls), update, tape.parameters, batch, micro_batch)


def compile_evaluation(model: Model, inputs: int, classes: int, topk: Sequence[int]) -> Program:
    """Compile a pass over a data set in stored order: sums of the loss and of top-k errors, as statistics."""
    tape = Tape()
    x, y = tape.record("gather", inputs=inputs, shuffled=False)
    z = model(tape, x, classes)
    loss = tape.record("softmax_xent", z, y)[0]
    tape.record("tally", loss, slot=0)
    for slot, k in enumerate(topk, start=1):
        tape.record("tally", tape.record("topk_errors", z, y, k=k)[0], slot=slot)
    calls = fuse.drop_unread(fuse.fuse_activation(tape.calls))
    names = ("loss", *(f"top{k}" for k in topk))
    return _place(calls, [], tape.parameters, MICRO_BATCH, MICRO_BATCH, names)


def _sgd_call(parameters: Sequence[Parameter], optimizer: SGD) -> Call:
    size = sum(math.prod(p.value.shape) for p in parameters)
    w, g, v = (Value(arena, (size,), arena) for arena in ("parameters", "gradients", "optimizer"))
    attributes: dict[str, Attribute] = {"momentum": optimizer.momentum, "weight_decay": optimizer.weight_decay}
    return Call("sgd", (w, v if optimizer.momentum else None), (g,), attributes)


def _place(
    body: Sequence[Call],
    update: Sequence[Call],
    parameters: Sequence[Parameter],
    batch: int,
    micro_batch: int,
    statistics: tuple[str, ...] = (),
) -> Program:
    """Give every value its place. Parameters and gradients have the same layout; activations are never shared."""
    places: dict[Value, Operand] = {}
    sizes = dict.fromkeys(ARENAS, 0)
    segments = []
    for p in parameters:
        offset = sizes["parameters"]
        segments.append(Segment(p.layer, p.role, offset, p.value.shape, p.init))
        places[p.value] = Operand("parameters", offset, p.value.shape)
        places[p.gradient] = Operand("gradients", offset, p.value.shape)
        sizes["parameters"] += math.prod(p.value.shape)

    def place(value: Value | None) -> Operand | None:
        if value is None:
            return None
        if value not in places:
            whole = value.shape[0] != ROWS  # an arena as a whole, as the optimizers take it
            places[value] = Operand(value.arena, 0 if whole else sizes[value.arena], value.shape)
            rows = math.prod(micro_batch if n == ROWS else n for n in value.shape)
            sizes[value.arena] = rows if whole else sizes[value.arena] + -(-rows // _ALIGN) * _ALIGN
        if value.arena == "gradients":
            sizes["gradients"] = sizes["parameters"]
        return places[value]

    def bind(call: Call) -> BoundCall:
        return BoundCall(call.op, tuple(place(v) for v in (*call.outputs, *call.inputs)), call.attributes)

    bound_body, bound_update = tuple(bind(c) for c in body), tuple(bind(c) for c in update)
    return Program(bound_body, bound_update, tuple(segments), sizes, batch, micro_batch, statistics)
