"""A program: the flat list of op calls for one batch, over arenas. Compiled once per model shape, run by executors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from capacity.engine import fuse
from capacity.engine.ops import ROWS, Shape
from capacity.engine.optimizers import SGD, Adam, Optimizer, Shampoo
from capacity.engine.tape import Attribute, Call, Parameter, Tape, Value
from capacity.engine.trajectory import Sums, blocks

ELEMENT_ARENAS = ("parameters", "gradients", "optimizer", "anchor", "activations")
"""Those that hold elements of the program's type."""

ARENAS = (*ELEMENT_ARENAS, "labels", "sums")
"""All, in the order of csrc/common/call.h: labels are int32, sums float64."""

MICRO_BATCH = 512
"""Most rows that are in flight at once. A larger batch is run in pieces whose gradients are accumulated."""

_ALIGN = 16  # elements; activations start on a cache line in float32 and float64 alike

Model = Callable[[Tape, Value, int], Value]
"""A model maps (tape, inputs of shape (B, D), classes K) to logits of shape (B, K), recording ops on the tape."""


@dataclass(frozen=True)
class Segment:
    """A named parameter in the parameters arena (and, at the same offset, in gradients)."""

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


States = tuple[Operand | None, ...]
"""The places of an optimizer's states, by kind; None where one is not kept."""


@dataclass(frozen=True)
class BoundCall:
    """A call whose operands have their places: `outputs` outputs first, then inputs; None when absent."""

    op: str
    operands: tuple[Operand | None, ...]
    attributes: dict[str, Attribute]
    outputs: int


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

    @property
    def traced_segments(self) -> int:
        """How many segments' sums a step writes to the trace; 0 where there is no trajectory."""
        calls = (*self.body, *self.update)
        return 1 + max((int(call.attributes["slot"]) for call in calls if call.op == "trace"), default=-1)


def compile_training(
    model: Model, inputs: int, classes: int, batch: int, optimizer: Optimizer, *, fused: bool = True,
    trajectory: bool = False,
) -> Program:  # fmt: skip
    """Compile one training step.

    `trajectory` adds the sums of :class:`capacity.engine.trajectory.Sums` for every segment, which the update takes as
    it goes. `fused=False` leaves every fusion out; tests hold the two to the same result.
    """
    tape = Tape()
    x, y = tape.record("gather", inputs=inputs, shuffled=True)
    loss = tape.record("softmax_xent", model(tape, x, classes), y)[0]
    tape.backward(loss)

    micro_batch = min(batch, MICRO_BATCH)
    plain = optimizer == SGD() and micro_batch == batch
    calls: Sequence[Call] = tape.calls
    if fused:
        calls = fuse.fuse_activation_grad(fuse.fuse_activation(calls))
    if fused and plain and not trajectory:
        calls = fuse.fold_sgd(calls, {p.gradient: p.value for p in tape.parameters})
    program = _place(fuse.drop_unread(calls), tape.parameters, batch, micro_batch)
    if program.sizes["gradients"] == 0:
        return program  # the update is folded into the body
    if isinstance(optimizer, Shampoo):
        program, optimizer = _with_directions(program, optimizer), optimizer.descent
    return _with_update(program, optimizer, trajectory=trajectory)


def compile_evaluation(model: Model, inputs: int, classes: int, topk: Sequence[int]) -> Program:
    """Compile a pass over a data set in stored order: sums of the loss and of top-k errors, as statistics."""
    tape = Tape()
    x, y = tape.record("gather", inputs=inputs, shuffled=False)
    z = model(tape, x, classes)
    loss, _, wrong = tape.record("softmax_xent", z, y)
    tape.record("tally", loss, slot=0)
    for slot, k in enumerate(topk, start=1):
        tape.record("tally", wrong if k == 1 else tape.record("topk_errors", z, y, k=k)[0], slot=slot)
    calls = fuse.drop_unread(fuse.fuse_activation(tape.calls))
    names = ("loss", *(f"top{k}" for k in topk))
    return _place(calls, tape.parameters, MICRO_BATCH, MICRO_BATCH, names)


def _with_directions(program: Program, optimizer: Shampoo) -> Program:
    """Add a call for every segment that makes the direction of its step; directions lie behind the gradients."""
    size = program.sizes["parameters"]
    segments = [(s.offset, s.shape) for s in program.segments]
    states, end = _states(optimizer, segments, 0)
    calls = []
    for (offset, shape), kept in zip(segments, states, strict=True):
        direction, gradient = (Operand("gradients", start, shape) for start in (size + offset, offset))
        calls.append(BoundCall(optimizer.op, (direction, *kept, gradient), optimizer.attributes, 1 + len(kept)))
    return replace(program, update=tuple(calls), sizes={**program.sizes, "gradients": 2 * size, "optimizer": end})


def _with_update(program: Program, optimizer: SGD | Adam, *, trajectory: bool) -> Program:
    """Add a call of the optimizer for all parameters; or for every segment, and then what adds its sums up.

    Where calls before it make a direction, it steps along that.
    """
    size, sizes = program.sizes["parameters"], dict(program.sizes)
    pieces = [(s.offset, s.shape) for s in program.segments] if trajectory else [(0, (size,))]
    states, sizes["optimizer"] = _states(optimizer, pieces, sizes["optimizer"])
    updates, traces = [], []
    for slot, ((offset, shape), kept) in enumerate(zip(pieces, states, strict=True)):
        w, g, anchor = (Operand(arena, offset, shape) for arena in ("parameters", "gradients", "anchor"))
        sums = None
        if trajectory:
            sums = Operand("sums", sizes["sums"], (blocks(math.prod(shape)), len(Sums)))
            sizes["sums"] += math.prod(sums.shape)
            traces.append(BoundCall("trace", (sums,), {"slot": slot}, 0))
        inputs = [g, anchor if sums else None]
        if isinstance(optimizer, SGD):
            inputs.append(Operand("gradients", size + offset, shape) if program.update else None)
        updates.append(BoundCall(optimizer.op, (w, *kept, sums, *inputs), optimizer.attributes, 2 + len(kept)))
    sizes["anchor"] = size if trajectory else 0
    return replace(program, update=(*program.update, *updates, *traces), sizes=sizes)


def _states(optimizer: Optimizer, pieces: Sequence[tuple[int, Shape]], start: int) -> tuple[list[States], int]:
    """Return the places of every piece's states, one kind after the other from `start` on, and where they end."""
    kinds, end = [], start
    for shapes in zip(*(optimizer.states(shape) for _, shape in pieces), strict=True):
        places = []
        for shape in shapes:
            places.append(None if shape is None else Operand("optimizer", end, shape))
            end += 0 if shape is None else math.prod(shape)
        kinds.append(places)
    return list(zip(*kinds, strict=True)), end


def _place(
    body: Sequence[Call],
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
            places[value] = Operand(value.arena, sizes[value.arena], value.shape)
            size = math.prod(micro_batch if n == ROWS else n for n in value.shape)
            sizes[value.arena] += -(-size // _ALIGN) * _ALIGN
        if value.arena == "gradients":
            sizes["gradients"] = sizes["parameters"]
        return places[value]

    def bind(call: Call) -> BoundCall:
        operands = tuple(place(v) for v in (*call.outputs, *call.inputs))
        return BoundCall(call.op, operands, call.attributes, len(call.outputs))

    return Program(tuple(bind(c) for c in body), (), tuple(segments), sizes, batch, micro_batch, statistics)
