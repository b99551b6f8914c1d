"""Derivatives along a direction: a tangent rule for every op of a training program, and exact Hessian products.

Forward mode: every value x that depends on the parameters w has a tangent x_dot beside it, the derivative of x along a
direction v, d x(w + e v) / d e at e = 0. A training program ends with the gradient of the mean loss, so its tangents
end with the Hessian times v: exact up to rounding, for about the price of two gradients (Pearlmutter 1994, "Fast exact
multiplication by the Hessian", Neural Computation 6(1); his R{x} is x_dot here).

Each rule below is named like its op and takes the call's operands as arrays (outputs first; None when absent), all
computed; their tangents in the same order, where None also stands for a value that does not depend on the parameters;
the :class:`Frame` of the micro-batch; and the call's attributes. It works out what depends on the values alone, and
returns what writes the tangents of the outputs from those of the inputs, as often as there are directions. The rules
are those of programs without fusions. `gather` has none: what it reads does not depend on the parameters.

At their kink, ReLU and leaky ReLU have the derivative that the kernels give them, the one from the left (0 counts as
negative), and no second derivative there or anywhere. So the Hessian is that of the smooth piece on which the point
lies, and exact wherever no unit's input is exactly 0: almost everywhere. It says nothing of how the gradient jumps
where pieces meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from capacity.engine.executor import Source, check_whole
from capacity.engine.ops import SAVED
from capacity.engine.program import BoundCall, Operand, Program
from capacity.engine.reference import ACTIVATIONS, KERNELS, Array, Frame, view

KEPT_BYTES = 1 << 28
"""Most memory for values that are kept from one product to the next; those of further rows are computed each time."""

Arrays = Sequence[Any]
"""The operands of a call: an array each, or None."""

Run = Callable[[], object]
"""Writes the tangents of a call's outputs."""

_NO_TRACE = np.empty((0, 4))


def dense(values: Arrays, tangents: Arrays, f: Frame) -> Run:
    """y_dot = x W_dot + b_dot + x_dot W."""
    _, _, x, w, _ = values
    y_dot, _, x_dot, w_dot, b_dot = tangents

    def run() -> None:
        np.matmul(x, w_dot, out=y_dot)
        np.add(y_dot, b_dot, out=y_dot)
        if x_dot is not None:
            np.add(y_dot, x_dot @ w, out=y_dot)

    return run


def dense_grad_input(values: Arrays, tangents: Arrays, f: Frame) -> Run:
    """dx_dot = dy_dot W' + dy W_dot'."""
    _, dy, w, _ = values
    dx_dot, dy_dot, w_dot, _ = tangents

    def run() -> None:
        np.matmul(dy_dot, w.T, out=dx_dot)
        np.add(dx_dot, dy @ w_dot.T, out=dx_dot)

    return run


def dense_grad_weight(values: Arrays, tangents: Arrays, f: Frame) -> Run:
    """dW_dot = x' dy_dot + x_dot' dy, db_dot = column sums of dy_dot, added to what earlier micro-batches gave."""
    _, _, x, dy = values
    dw_dot, db_dot, x_dot, dy_dot = tangents

    def run() -> None:
        if not f.accumulate:
            dw_dot[:], db_dot[:] = 0, 0
        np.add(dw_dot, x.T @ dy_dot, out=dw_dot)
        if x_dot is not None:
            np.add(dw_dot, x_dot.T @ dy, out=dw_dot)
        np.add(db_dot, dy_dot.sum(axis=0), out=db_dot)

    return run


def activation(values: Arrays, tangents: Arrays, f: Frame, *, activation: str) -> Run:
    """y_dot = z_dot times the derivative, taken from the activation's output or input (see ops.SAVED)."""
    y, z = values
    y_dot, z_dot = tangents
    derivative = ACTIVATIONS[activation][1](y if SAVED[activation] == "output" else z)
    return lambda: np.multiply(derivative, z_dot, out=y_dot)


def activation_grad(values: Arrays, tangents: Arrays, f: Frame, *, activation: str) -> Run:
    """dz_dot = dy_dot times the derivative + dy times the derivative's own change, both taken from what is saved."""
    _, dy, saved = values
    dz_dot, dy_dot, saved_dot = tangents
    derivative, slope = ACTIVATIONS[activation][1](saved), SLOPES[activation]
    bend = None if slope is None else dy * slope(saved)

    def run() -> None:
        np.multiply(derivative, dy_dot, out=dz_dot)
        if bend is not None:
            np.add(dz_dot, bend * saved_dot, out=dz_dot)

    return run


def softmax_xent(values: Arrays, tangents: Arrays, f: Frame) -> Run:
    """dz_dot = p (z_dot - <p, z_dot>) / batch rows, with p = softmax(z); loss_dot = <p, z_dot> - z_dot of the label.

    The top-1 error does not change where it has a derivative.
    """
    *_, z, y = values
    loss_dot, dz_dot, wrong_dot, z_dot, _ = tangents
    rows, largest = np.arange(len(y)), z.argmax(axis=1)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)

    def run() -> None:
        # A row's loss does not notice when all its logits move alike. With the largest logit held still, nothing
        # cancels in rows that are all but certain, where p is 1 and a sum of tiny numbers.
        moved = z_dot - z_dot[rows, largest][:, None]
        mean = (p * moved).sum(axis=1)
        if loss_dot is not None:
            loss_dot[:] = mean - moved[rows, y]
        if dz_dot is not None:
            np.multiply(p / f.batch_rows, moved - mean[:, None], out=dz_dot)
        if wrong_dot is not None:
            wrong_dot[:] = 0

    return run


def _gelu_slope(z: Array) -> Array:
    slope: Array = (2.0 - z * z) * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return slope


SLOPES: dict[str, Callable[[Array], Array] | None] = {
    "identity": None,
    "sigmoid": lambda y: 1.0 - 2.0 * y,
    "tanh": lambda y: -2.0 * y,
    "relu": None,
    "leaky_relu": None,
    "gelu": _gelu_slope,
}
"""Activation -> the slope, in the saved value, of the function that takes the derivative from it (see ACTIVATIONS).

None is a slope of 0.
"""

TANGENTS: dict[str, Callable[..., Run]] = {
    f.__name__: f
    for f in (dense, dense_grad_input, dense_grad_weight, activation, activation_grad, softmax_xent)
}  # fmt: skip


@dataclass(frozen=True)
class _Step:
    """A call and its operands as arrays; no tangents where nothing it reads depends on the parameters."""

    call: BoundCall
    values: tuple[Any, ...]
    tangents: tuple[Any, ...] | None


@dataclass(frozen=True)
class _Piece:
    """A micro-batch."""

    frame: Frame
    steps: tuple[_Step, ...]

    def run(self) -> list[Run]:
        """Compute the values, and return what computes the tangents from them."""
        for step in self.steps:
            KERNELS[step.call.op](*step.values, self.frame, **step.call.attributes)
        return [
            TANGENTS[step.call.op](step.values, step.tangents, self.frame, **step.call.attributes)
            for step in self.steps
            if step.tangents is not None
        ]


class TangentExecutor:
    """Runs a training program at one point, over all rows at once, in values and tangents: gradient and Hessian.

    The values of as many micro-batches as fit into `KEPT_BYTES` are computed once, those of the others for every
    product. Sums are taken in a fixed order by one thread, so that results do not depend on the number of cores.

    Parameters
    ----------
    program : Program
        Of a training, compiled without fusions for batches of `samples` rows. Its update is not run.
    source : Source
        Of all rows.
    parameters : ndarray (P,)
        The point w; copied.
    samples, subset : int
        Which rows, as in :class:`capacity.engine.executor.Replicas`.

    Attributes
    ----------
    gradient : ndarray (P,), float64
        Of the mean loss over the rows, at w.
    """

    def __init__(self, program: Program, source: Source, parameters: NDArray[Any], samples: int, subset: int) -> None:
        check_whole(source)
        self._sizes, self._parameters = program.sizes, np.array(parameters, np.float64)
        self._sum = np.zeros(program.sizes["gradients"])
        self._dots = {name: np.zeros(program.sizes[name]) for name in ("parameters", "gradients", "activations")}
        self._blas = ThreadpoolController().select(user_api="blas")  # a handle on its threads
        shared, varying = self._arenas(), _varying(program.body)
        # The rules keep no more than twice as much beside the values.
        kept = KEPT_BYTES // (3 * shared["activations"].nbytes + shared["labels"].nbytes)
        self._pieces: list[_Piece] = []
        self._kept: list[list[Run]] = []  # what computes the tangents of the first pieces
        with self._one_thread():
            for number, start in enumerate(range(0, samples, program.micro_batch)):
                rows = min(program.micro_batch, samples - start)
                frame = Frame(
                    source, np.empty(0), 0, 0.0, samples, subset, 0, start, rows, samples, start > 0, 0, _NO_TRACE
                )
                arenas = self._arenas() if number < kept else shared
                steps = tuple(self._bind(call, arenas, rows, varying) for call in program.body)
                self._pieces.append(_Piece(frame, steps))
                runs = self._pieces[-1].run()
                if number < kept:
                    self._kept.append(runs)
        self.gradient: Array = self._sum.copy()

    def gradient_along(self, direction: NDArray[Any]) -> Array:
        """Return the derivative of the gradient along a direction v (P,): the Hessian times v, (P,) float64."""
        np.copyto(self._dots["parameters"], direction, casting="same_kind")
        with self._one_thread():
            for number, piece in enumerate(self._pieces):
                for run in self._kept[number] if number < len(self._kept) else piece.run():
                    run()
        product: Array = self._dots["gradients"].copy()
        return product

    def _arenas(self) -> dict[str, NDArray[Any]]:
        """Return arenas for the values of a micro-batch; parameters and sums of gradients are those of all."""
        activations, labels = np.empty(self._sizes["activations"]), np.empty(self._sizes["labels"], np.int32)
        return {"parameters": self._parameters, "gradients": self._sum, "activations": activations, "labels": labels}

    def _bind(self, call: BoundCall, arenas: dict[str, NDArray[Any]], rows: int, varying: set[Operand]) -> _Step:
        values = tuple(None if o is None else view(arenas, o, rows) for o in call.operands)
        tangents = tuple(view(self._dots, o, rows) if o in varying else None for o in call.operands)
        return _Step(call, values, tangents if any(t is not None for t in tangents) else None)

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Let BLAS use one thread, and NaN and infinity be results, as in the reference."""
        with self._blas.limit(limits=1), np.errstate(all="ignore"):
            yield


def _varying(calls: Sequence[BoundCall]) -> set[Operand]:
    """Return the operands whose values depend on the parameters."""
    varying: set[Operand] = set()
    for call in calls:
        inputs = [o for o in call.operands[call.outputs :] if o]
        varying.update(o for o in inputs if o.arena == "parameters")
        if varying.intersection(inputs):
            varying.update(o for o in call.operands[: call.outputs] if o)
    return varying
