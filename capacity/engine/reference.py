"""The reference executor: what every op means, in NumPy and float64. Slow, and the definition.

Each function below is named like its op and takes the call's operands as arrays (outputs first; None when absent),
the :class:`Frame` of the current micro-batch, and the call's attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from capacity.engine import random
from capacity.engine.executor import Executor, Looks, Replicas, Source, check_run, steps_per_epoch
from capacity.engine.fitting import fit_by_turns
from capacity.engine.ops import LEAKY_SLOPE, OPS, ROWS
from capacity.engine.program import BoundCall, Operand, Program
from capacity.engine.rows import rows_at
from capacity.engine.tiles import tiles
from capacity.engine.trajectory import BLOCK, Sums

Array = NDArray[np.float64]


@dataclass
class Frame:
    """The current micro-batch of one replica."""

    source: Source
    statistics: Array
    seed: int
    lr: float
    samples: int  # n, of the N rows of the source
    subset: int  # the seed that says which
    epoch: int
    start: int  # position in the epoch's order of the first row
    rows: int  # rows of this micro-batch
    batch_rows: int  # rows of the whole batch: the denominator of the mean
    accumulate: bool  # whether gradients of earlier micro-batches of this batch are there to add to
    step: int  # steps of this replica before this one
    trace: Array  # (segments, 4): the row of this step; (0, 4) where nothing is traced


def gather(x: Array, y: NDArray[np.int32], f: Frame, *, inputs: int, shuffled: bool) -> None:
    """x (B, D), y (B,): the next rows of the subset in the epoch's order (in its own unless shuffled), scaled.

    A source with a window has rows of that window, in the window's order.
    """
    source = f.source
    rows = rows_at(
        source, np.arange(f.start, f.start + f.rows), shuffled=shuffled, seed=f.seed, epoch=f.epoch, samples=f.samples,
        subset=f.subset, permutation=random.permutation,
    )  # fmt: skip
    factors: Any = source.scale
    if source.row_scale.size:
        factors = factors * source.row_scale[rows, None].astype(np.float64)
    x[:] = source.features[rows].astype(np.float64) * factors
    y[:] = source.labels[rows]


def dense(y: Array, z: Array | None, x: Array, w: Array, b: Array, f: Frame, *, activation: str = "identity") -> None:
    """z = x W + b, y = activation(z): x (B, D), W (D, H), b (H,)."""
    pre = x @ w + b
    if z is not None:
        z[:] = pre
    y[:] = ACTIVATIONS[activation][0](pre)


def dense_grad_input(
    dx: Array, dy: Array, w: Array, saved: Array | None, f: Frame, *, activation: str = "identity"
) -> None:
    """dx = dy W', times the derivative of the activation that made this layer's input, if one is fused."""
    dx[:] = dy @ w.T
    if saved is not None:
        dx *= ACTIVATIONS[activation][1](saved)


def dense_grad_weight(dw: Array, db: Array, x: Array, dy: Array, f: Frame, *, update: bool = False) -> None:
    """dW = x' dy, db = column sums of dy, added to what earlier micro-batches gave; or, folded, W -= lr dW, b -= lr db.

    Read the other way: with `update` the outputs are the parameters themselves.
    """
    if not update and not f.accumulate:
        dw[:], db[:] = 0, 0
    factor = -f.lr if update else 1.0
    dw += factor * (x.T @ dy)
    db += factor * dy.sum(axis=0)


def activation(y: Array, z: Array, f: Frame, *, activation: str) -> None:
    """y = activation(z)."""
    y[:] = ACTIVATIONS[activation][0](z)


def activation_grad(dz: Array, dy: Array, saved: Array, f: Frame, *, activation: str) -> None:
    """dz = dy times the derivative, taken from the activation's output or input (see ops.SAVED)."""
    dz[:] = dy * ACTIVATIONS[activation][1](saved)


def softmax_xent(
    loss: Array | None, dz: Array | None, wrong: Array | None, z: Array, y: NDArray[np.int32], f: Frame
) -> None:
    """Cross-entropy of softmax(z) with label y, in nats, per row; dz: gradient of its mean over the whole batch.

    wrong: the top-1 error, 1 or 0 a row, as `topk_errors` has it.

    softmax(z)_j = e^{z_j} / sum_i e^{z_i}, shifted by the row's maximum. (The formula in Dauphin & Bengio 2013,
    section 2, has e^{-x}: a slip of the sign.)
    """
    rows = np.arange(len(y))
    shifted = z - z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1)
    if loss is not None:
        loss[:] = np.log(total) - shifted[rows, y]
    if dz is not None:
        dz[:] = e / total[:, None]
        dz[rows, y] -= 1.0
        dz /= f.batch_rows
    if wrong is not None:
        topk_errors(wrong, z, y, f, k=1)


def topk_errors(wrong: Array, z: Array, y: NDArray[np.int32], f: Frame, *, k: int) -> None:
    """1 where k or more classes come before the label when classes are sorted by falling logit, else 0.

    Of equal logits the lower class comes first; NaN comes before everything, so that a NaN is an error (if k < K).
    """
    own = z[np.arange(len(y)), y][:, None]
    earlier = np.arange(z.shape[1]) < y[:, None]
    other = np.arange(z.shape[1]) != y[:, None]
    before = np.where(earlier, ~(z < own), ~(z <= own)) & other
    wrong[:] = before.sum(axis=1) >= k


def tally(v: Array, f: Frame, *, slot: int) -> None:
    """statistics[slot] += sum of v."""
    f.statistics[slot] += v.sum()


def sgd(
    w: Array, v: Array | None, sums: Array | None, g: Array, anchor: Array | None, direction: Array | None, f: Frame,
    *, momentum: float, weight_decay: float,
) -> None:  # fmt: skip
    """v <- momentum v + d + weight_decay w; w <- w - lr v. And, where they are asked for, the sums of the step.

    d is the direction, or the gradient where that is None.
    """
    before = w.copy()
    step = (g if direction is None else direction) + weight_decay * w
    if v is not None:
        v[:] = momentum * v + step
        step = v
    w -= f.lr * step
    _add_up(sums, before, w, g, anchor)


def adam(
    w: Array, m: Array, v: Array, sums: Array | None, g: Array, anchor: Array | None, f: Frame,
    *, beta1: float, beta2: float, epsilon: float, weight_decay: float, decoupled: bool,
) -> None:  # fmt: skip
    """One step of Adam (Kingma & Ba 2015, algorithm 1) or AdamW. And, where they are asked for, the sums of the step.

    m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; w <- w - lr m^ / (sqrt(v^) + epsilon), where m^ and v^
    are m and v divided by 1 - beta1^t and 1 - beta2^t, t = 1, 2, ... the number of the step. Weight decay is added to
    g; or, decoupled, taken from w (Loshchilov & Hutter 2019, algorithm 2).
    """
    # 1 - beta^t; the difference itself would lose digits while beta^t is near 1.
    correction1, correction2 = -np.expm1((f.step + 1) * np.log([beta1, beta2]))
    before, decay = w.copy(), weight_decay * w
    used = g if decoupled else g + decay
    m[:] = beta1 * m + (1 - beta1) * used
    v[:] = beta2 * v + (1 - beta2) * used**2
    w -= f.lr * (m / correction1) / (np.sqrt(v / correction2) + epsilon)
    if decoupled:
        w -= f.lr * decay
    _add_up(sums, before, w, g, anchor)


def shampoo(
    direction: Array, statistics: Array, roots: Array | None, g: Array, f: Frame, *, epsilon: float, every: int
) -> None:
    """direction <- (L + epsilon)^(-1/4) g (R + epsilon)^(-1/4) of every tile of a matrix, L <- L + g g', R <- R + g' g.

    Gupta, Koren & Singer 2018, algorithm 1. Statistics are L and R of one tile after the other; roots, laid out alike,
    are computed at every step whose number, counted from 0, `every` divides. Without roots, for a vector, it is
    their diagonal variant: h <- h + g^2, direction <- g / sqrt(h + epsilon).
    """
    if roots is None:
        statistics += g**2
        direction[:] = g / np.sqrt(statistics + epsilon)
        return
    end = 0
    for rows, columns in tiles(*g.shape):
        tile, factors = g[rows, columns], []
        for product in (tile @ tile.T, tile.T @ tile):
            start, end = end, end + product.size
            factor = statistics[start:end].reshape(product.shape)
            root = roots[start:end].reshape(product.shape)
            factor += product
            if f.step % every == 0:
                root[:] = _inverse_fourth_root(factor, epsilon)
            factors.append(root)
        direction[rows, columns] = factors[0] @ tile @ factors[1]


def _inverse_fourth_root(matrix: Array, epsilon: float) -> Array:
    """(matrix + epsilon I)^(-1/4); eigenvalues below 0 are rounding and count as 0. NaN where it is not finite."""
    if not np.isfinite(matrix).all():
        return np.full_like(matrix, np.nan)
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * (np.maximum(values, 0) + epsilon) ** -0.25) @ vectors.T
    return root


def _add_up(sums: Array | None, before: Array, after: Array, g: Array, anchor: Array | None) -> None:
    """sums (blocks, 4): of every BLOCK parameters; see :class:`capacity.engine.trajectory.Sums`."""
    if sums is None or anchor is None:
        return
    step, distance = after - before, before - anchor
    products = {Sums.GRADIENT: g * g, Sums.STEP: step**2, Sums.ALONG: distance * g, Sums.DISTANCE: distance**2}
    for which, product in products.items():
        sums[:, which] = np.add.reduceat(product.reshape(-1), np.arange(0, product.size, BLOCK))


def trace(sums: Array, f: Frame, *, slot: int) -> None:
    """The row of this step, in the segment `slot`, <- the sums over all blocks."""
    f.trace[slot] = sums.sum(axis=0)


def _gelu_derivative(z: Array) -> Array:
    derivative: Array = 0.5 * (1.0 + erf(z / np.sqrt(2.0))) + z * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return derivative


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (expit, lambda y: y * (1.0 - y)),
    "tanh": (np.tanh, lambda y: 1.0 - y * y),
    "relu": (lambda z: np.where(z <= 0, 0.0, z), lambda y: np.where(y <= 0, 0.0, np.where(y > 0, 1.0, y))),
    "leaky_relu": (
        lambda z: np.where(z <= 0, LEAKY_SLOPE * z, z),
        lambda y: np.where(y <= 0, LEAKY_SLOPE, np.where(y > 0, 1.0, y)),
    ),
    "gelu": (lambda z: 0.5 * z * (1.0 + erf(z / np.sqrt(2.0))), _gelu_derivative),
}
"""Activation -> (function, derivative from the saved value). NaN in gives NaN out in both."""

KERNELS: dict[str, Callable[..., None]] = {
    f.__name__: f
    for f in (
        gather, dense, dense_grad_input, dense_grad_weight, activation, activation_grad,
        softmax_xent, topk_errors, tally, sgd, adam, shampoo, trace,
    )
}  # fmt: skip
assert KERNELS.keys() == OPS.keys()


class ReferenceExecutor:
    """Runs a program in float64, one replica after the other."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.arenas: dict[str, NDArray[Any]] = {
            name: np.full(program.sizes[name], np.nan) for name in ("gradients", "activations", "sums")
        }
        self.arenas["labels"] = np.zeros(program.sizes["labels"], np.int32)

    def reserve(self, replicas: Replicas) -> None:
        """Do nothing: memory is allocated already."""

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run `steps` steps of every active replica; see :class:`capacity.engine.executor.Executor`."""
        check_run(self.program, replicas, source, first_step, steps)
        if len(source.labels) == 0:
            return
        for r in np.flatnonzero(replicas.active):
            for step in range(first_step, first_step + steps):
                trace = replicas.trace[r, step - first_step] if self.program.traced_segments else np.empty((0, 4))
                self._step(replicas, int(r), source, step, trace)

    def fit(
        self, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
    ) -> NDArray[np.int64]:
        """Run until a look finds that a replica has fitted; see :class:`capacity.engine.executor.Executor`."""
        return fit_by_turns(self, evaluation, replicas, source, first_step, looks)

    def _step(self, replicas: Replicas, r: int, source: Source, step: int, trace: Array) -> None:
        samples, batch = int(replicas.samples[r]), self.program.batch
        epoch, number = divmod(step, steps_per_epoch(self.program, samples))
        first = number * batch
        last = min(first + batch, samples)
        owned = {name: getattr(replicas, name)[r] for name in ("parameters", "optimizer", "anchor")}
        arenas = {**self.arenas, **owned}
        frame = Frame(
            source, replicas.statistics[r], int(replicas.seeds[r]), float(replicas.lrs[r]),
            samples, int(replicas.subsets[r]), epoch, first, 0, last - first, False, step, trace,
        )  # fmt: skip
        with np.errstate(all="ignore"):  # NaN and infinity are results here: the caller names them `diverged`
            for frame.start in range(first, last, self.program.micro_batch):
                frame.rows = min(self.program.micro_batch, last - frame.start)
                frame.accumulate = frame.start > first
                self._calls(self.program.body, arenas, frame)
            self._calls(self.program.update, arenas, frame)

    @staticmethod
    def _calls(calls: tuple[BoundCall, ...], arenas: dict[str, NDArray[Any]], frame: Frame) -> None:
        for call in calls:
            operands = (None if o is None else view(arenas, o, frame.rows) for o in call.operands)
            KERNELS[call.op](*operands, frame, **call.attributes)


def view(arenas: dict[str, NDArray[Any]], operand: Operand, rows: int) -> NDArray[Any]:
    """Return the operand's place in its arena as an array of its shape, with `rows` for the batch axis."""
    shape = tuple(rows if n == ROWS else n for n in operand.shape)
    return arenas[operand.arena][operand.offset : operand.offset + int(np.prod(shape))].reshape(shape)
