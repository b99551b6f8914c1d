"""The op test table: what every executor must compute like the reference. One group of rows per op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from capacity.engine.executor import STORED_TYPES, Source, Window
from capacity.engine.ops import SAVED
from capacity.engine.tiles import TILE, tiles
from capacity.engine.trajectory import Sums, blocks
from tests.executors import TRACED, In, OpCase, Out

SHAPES = [(1, 1, 1), (2, 1, 3), (7, 5, 3), (33, 17, 65), (32, 100, 10), (5, 130, 129), (2, 3, 300), (13, 530, 600)]
"""(B, D, H): ones, odd sizes, sizes just past the widths of registers, and sums longer than a packed block is deep."""

LARGE = (512, 300, 260)
"""(B, D, H) large enough to be shared out to threads."""


def _normal(seed: int, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    # float32 values, so that every executor is given the same numbers
    return (scale * np.random.default_rng([seed, *shape]).normal(size=shape)).astype(np.float32)


def _with_nan(array: NDArray[np.float32]) -> NDArray[np.float32]:
    array = array.copy()
    array.flat[array.size // 2] = np.nan
    return array


def _labels(B: int, K: int) -> In:
    return In(np.random.default_rng(K).integers(0, K, B).astype(np.int32), arena="labels")


def _weight(array: NDArray[np.float32]) -> In:
    return In(array, arena="parameters", batch=False)


def gather() -> Iterator[OpCase]:
    for stored in STORED_TYPES:
        for B, D, N in [(1, 1, 1), (5, 3, 7), (33, 17, 33), (300, 500, 400)]:
            for shuffled, n in product((False, True), (N, max(1, N // 2))):
                name = f"{stored}-{B}x{D}of{n}/{N}-{shuffled}"
                yield _gather(name, _source(stored, N, D), min(B, n), n, shuffled)
        scaled = replace(_source(stored, 33, 17), row_scale=_normal(4, 33))
        window = replace(scaled, window=Window(first=39, samples=100, seed=2**63 + 8, number=7))
        for shuffled in (False, True):
            yield _gather(f"{stored}-factors-{shuffled}", scaled, 13, 20, shuffled)
            yield _gather(f"{stored}-window-{shuffled}", window, 13, 100, shuffled, step=4)  # 52 .. 64 of 39 .. 71
    special = np.array([[0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x7C00, 0xFC00, 0x7E00]], np.uint16).view(np.float16)
    yield _gather("float16-special", Source(special, np.zeros(1, np.int32), 2.0**14), 1, 1, False)


def _source(stored: str, N: int, D: int) -> Source:
    rng = np.random.default_rng(N)
    features = rng.integers(0, 256, (N, D)).astype(stored)
    return Source(features, rng.integers(0, 9, N).astype(np.int32), 1 / 255)


def _gather(name: str, source: Source, B: int, samples: int, shuffled: bool, step: int = 0) -> OpCase:
    D = source.features.shape[1]
    operands = (Out((B, D)), Out((B,), arena="labels"))
    return OpCase("gather", name, operands, {"inputs": D, "shuffled": shuffled}, B, 1, source, samples, step=step)


def dense() -> Iterator[OpCase]:
    for B, D, H in [*SHAPES, LARGE]:
        yield _dense(f"{B}x{D}x{H}", "sigmoid", _normal(1, B, D), _normal(2, D, H, scale=D**-0.5))
    for activation in SAVED:
        for keep in (False, True):
            yield _dense(f"{activation}-{keep}", activation, _normal(1, 9, 7), _normal(2, 7, 21), keep=keep)
        yield _dense(f"{activation}-saturated", activation, _normal(1, 9, 7, scale=300), _normal(2, 7, 21))
        yield _dense(f"{activation}-nan", activation, _with_nan(_normal(1, 9, 7)), _normal(2, 7, 21))


def _dense(name: str, activation: str, x: NDArray[np.float32], w: NDArray[np.float32], *, keep: bool = False) -> OpCase:
    (B, D), H = x.shape, w.shape[1]
    z = Out((B, H)) if keep else None
    operands = (Out((B, H)), z, In(x), _weight(w), _weight(_normal(3, H)))
    return OpCase("dense", name, operands, {"activation": activation}, B, D)


def dense_grad_input() -> Iterator[OpCase]:
    for B, D, H in [*SHAPES, LARGE]:
        operands = (Out((B, D)), In(_normal(1, B, H)), _weight(_normal(2, D, H)), None)
        yield OpCase("dense_grad_input", f"{B}x{D}x{H}", operands, {}, B, H)
    for activation in SAVED:
        saved = np.tanh(_normal(3, 9, 21))
        operands = (Out((9, 21)), In(_normal(1, 9, 7)), _weight(_normal(2, 21, 7)), In(saved))
        yield OpCase("dense_grad_input", activation, operands, {"activation": activation}, 9, 7)


def dense_grad_weight() -> Iterator[OpCase]:
    for B, D, H in [*SHAPES, LARGE]:
        for update in (False, True):
            arena = "parameters" if update else "gradients"
            before = (_normal(3, D, H), _normal(4, H)) if update else (None, None)
            operands = (
                Out((D, H), arena, batch=False, before=before[0]),
                Out((H,), arena, batch=False, before=before[1]),
                In(_normal(1, B, D)),
                In(_normal(2, B, H)),
            )
            yield OpCase("dense_grad_weight", f"{B}x{D}x{H}-{update}", operands, {"update": update}, B, B)


def activation() -> Iterator[OpCase]:
    for kind in SAVED:
        for name, z in _activation_inputs().items():
            yield OpCase("activation", f"{kind}-{name}", (Out(z.shape), In(z)), {"activation": kind}, len(z))


def activation_grad() -> Iterator[OpCase]:
    for kind in SAVED:
        for name, z in _activation_inputs().items():
            operands = (Out(z.shape), In(_normal(5, *z.shape)), In(np.clip(z, -1, 1)))
            yield OpCase("activation_grad", f"{kind}-{name}", operands, {"activation": kind}, len(z))


def _activation_inputs() -> dict[str, NDArray[np.float32]]:
    special = [0.0, -0.0, 1e-30, -1e-30, 0.624, 0.626, 87.5, -87.5, 1000.0, -1000.0, np.inf, -np.inf, np.nan]
    return {
        "one": _normal(1, 1, 1),
        "odd": _normal(1, 7, 33, scale=3),
        "large": _normal(1, 700, 200, scale=3),
        "special": np.array([special], np.float32),
    }


def softmax_xent() -> Iterator[OpCase]:
    shapes = [(1, 1), (1, 2), (7, 3), (33, 17), (5, 1000), (300, 500)]
    logits = {f"{B}x{K}": _normal(1, B, K, scale=3) for B, K in shapes}
    logits |= {
        "equal": np.zeros((4, 10), np.float32),
        "large": _normal(1, 9, 10, scale=1e4),
        "huge": _normal(1, 9, 10, scale=1e37),
        "nan": _with_nan(_normal(1, 3, 40)),
        "inf": np.array([[1, np.inf, 2], [-np.inf, 0, 1]], np.float32),
        "ties": np.round(_normal(1, 50, 10)),
        "many ties": np.round(_normal(1, 50, 70)),
    }
    for name, z in logits.items():
        B, K = z.shape
        for loss, dz, wrong in product((True, False), repeat=3):
            if loss or dz or wrong:
                outputs = (Out((B,)) if loss else None, Out((B, K)) if dz else None, Out((B,)) if wrong else None)
                which = "loss" * loss + "dz" * dz + "wrong" * wrong
                yield OpCase("softmax_xent", f"{name}-{which}", (*outputs, In(z), _labels(B, K)), {}, B, K)


def topk_errors() -> Iterator[OpCase]:
    logits = {
        "one class": _normal(1, 4, 1),
        "odd": _normal(1, 33, 17),
        "ties": np.round(_normal(1, 50, 10)),
        "equal": np.zeros((20, 10), np.float32),
        "nan": np.full((6, 10), np.nan, np.float32),
        "one nan": _with_nan(_normal(1, 3, 40)),
        "large": _normal(1, 300, 500),
    }
    for name, z in logits.items():
        for k in (1, 5):
            operands = (Out((len(z),)), In(z), _labels(*z.shape))
            yield OpCase("topk_errors", f"{name}-{k}", operands, {"k": k}, len(z))


def tally() -> Iterator[OpCase]:
    for B in (1, 7, 512):
        yield OpCase("tally", str(B), (In(_normal(1, B)),), {"slot": 2}, B, B)
    yield OpCase("tally", "nan", (In(_with_nan(_normal(1, 7))),), {"slot": 0}, 7)


def sgd() -> Iterator[OpCase]:
    for P in (1, 17, 300_000):
        for momentum, decay in ((0.0, 0.0), (0.9, 0.0), (0.9, 0.01), (0.0, 0.01)):
            for traced in (False, True):
                operands = (
                    Out((P,), "parameters", batch=False, before=_normal(1, P)),
                    Out((P,), "optimizer", batch=False, before=_normal(2, P)) if momentum else None,
                    *_traced(_normal(3, P), traced),
                    In(_normal(7, P), arena="gradients", batch=False) if momentum == decay or traced else None,
                )
                attributes = {"momentum": momentum, "weight_decay": decay}
                yield OpCase("sgd", f"{P}-{momentum}-{decay}{'-traced' * traced}", operands, attributes)
    for name, g in {"matrix": _normal(3, 7, 600), "nan": _with_nan(_normal(3, 3, 3))}.items():
        w = Out(g.shape, "parameters", batch=False, before=_normal(1, *g.shape))
        attributes = {"momentum": 0.0, "weight_decay": 0.0}
        yield OpCase("sgd", name, (w, None, *_traced(g, True), None), attributes)


def _traced(g: NDArray[np.float32], traced: bool) -> tuple[Out | None, In, In | None]:
    """Return the operands sums, g and anchor of an update."""
    sums = Out((blocks(g.size), len(Sums)), "sums", batch=False)
    anchor = In(_normal(6, *g.shape), arena="anchor", batch=False)
    return sums if traced else None, In(g, arena="gradients", batch=False), anchor if traced else None


def adam() -> Iterator[OpCase]:
    for P in (1, 17, 300_000):
        for step, decay, decoupled in ((0, 0.0, False), (7, 0.01, False), (0, 0.01, True), (100_000, 0.5, True)):
            for traced in (False, True):
                name = f"{P}-{step}-{decay}-{decoupled}{'-traced' * traced}"
                yield _adam(name, _normal(4, P), step, decay, decoupled, traced)
    yield _adam("zero", np.zeros(17, np.float32))
    yield _adam("nan", _with_nan(_normal(4, 17)))


def _adam(
    name: str,
    g: NDArray[np.float32],
    step: int = 0,
    decay: float = 0.0,
    decoupled: bool = False,
    traced: bool = False,
) -> OpCase:
    P, started = len(g), np.float32(step > 0)
    operands = (
        Out((P,), "parameters", batch=False, before=_normal(1, P)),
        Out((P,), "optimizer", batch=False, before=started * _normal(2, P)),
        Out((P,), "optimizer", batch=False, before=started * _normal(3, P) ** 2),
        *_traced(g, traced),
    )
    attributes = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6, "weight_decay": decay, "decoupled": decoupled}
    return OpCase("adam", name, operands, attributes, step=step)


def shampoo() -> Iterator[OpCase]:
    for rows, columns in [(1, 1), (1, 6), (7, 3), (20, 11), (3, 66), (70, 66)]:
        for step in (7, 40):  # the roots are kept; they are computed
            yield _shampoo(f"{rows}x{columns}-{step}", _normal(4, rows, columns), step)
    for n in (1, 17, 300_000):
        yield _shampoo(f"{n}", _normal(4, n), 7)
    for name, shape in {"matrix": (5, 7), "vector": (17,)}.items():
        yield _shampoo(f"{name}-zero", np.zeros(shape, np.float32), before=0)
        yield _shampoo(f"{name}-first", _normal(4, *shape, scale=0.1), before=0)
        yield _shampoo(f"{name}-nan", _with_nan(_normal(4, *shape)))


def _shampoo(name: str, g: NDArray[np.float32], step: int = 0, before: float = 1.0) -> OpCase:
    statistics, roots = (before * np.abs(_normal(seed, *g.shape)) for seed in (2, 3))
    if g.ndim == 2:
        statistics, roots = (before * _factors(seed, *g.shape) for seed in (2, 3))
    operands = (
        Out(g.shape, "gradients", batch=False),
        Out(statistics.shape, "optimizer", batch=False, before=statistics),
        Out(roots.shape, "optimizer", batch=False, before=roots) if g.ndim == 2 else None,
        In(g, arena="gradients", batch=False),
    )
    return OpCase("shampoo", name, operands, {"epsilon": 0.5, "every": 20}, depth=min(max(g.shape), TILE), step=step)


def _factors(seed: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Return a positive definite matrix for either side of every tile."""
    sides = [part.stop - part.start for tile in tiles(rows, columns) for part in tile]
    roots = [_normal(seed + i, n, n, scale=n**-0.5) for i, n in enumerate(sides)]
    return np.concatenate([(x @ x.T + np.eye(len(x), dtype=np.float32)).reshape(-1) for x in roots])


def trace() -> Iterator[OpCase]:
    for rows in (1, 3, 77):
        sums = In(_normal(7, rows, len(Sums)), arena="sums", batch=False)
        yield OpCase("trace", str(rows), (sums,), {"slot": TRACED - 1}, depth=rows)
    yield OpCase("trace", "later step", (sums,), {"slot": TRACED - 1}, step=5, depth=77)
    sums = In(np.array([[1, np.nan, 2, 3], [4, 5, np.inf, 6]], np.float32), arena="sums", batch=False)
    yield OpCase("trace", "nan", (sums,), {"slot": TRACED - 1})


CASES: list[OpCase] = [
    case
    for group in (
        gather, dense, dense_grad_input, dense_grad_weight, activation, activation_grad,
        softmax_xent, topk_errors, tally, sgd, adam, shampoo, trace,
    )
    for case in group()
]  # fmt: skip
