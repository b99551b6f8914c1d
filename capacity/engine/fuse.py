"""Fusions: the rules that turn the calls of a tape into fewer, larger calls.

The rules look at who reads a value; a value that somebody else reads is never fused away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from capacity.engine.tape import Call, Value


def fuse_activation(calls: Sequence[Call]) -> list[Call]:
    """dense, then activation of its result: one dense call that writes the activation (and its input, if read)."""

    def rule(first: Call, second: Call) -> Call | None:
        if first.op != "dense" or second.op != "activation" or "activation" in first.attributes:
            return None
        return Call("dense", (second.outputs[0], first.outputs[0]), first.inputs, second.attributes)

    return _fuse_pairs(calls, rule, keep_intermediate=True)


def fuse_activation_grad(calls: Sequence[Call]) -> list[Call]:
    """dense_grad_input, then activation_grad of its result: one call that multiplies by the derivative as it writes."""

    def rule(first: Call, second: Call) -> Call | None:
        if first.op != "dense_grad_input" or second.op != "activation_grad" or "activation" in first.attributes:
            return None
        dy, w, _ = first.inputs
        return Call("dense_grad_input", second.outputs, (dy, w, second.inputs[1]), second.attributes)

    return _fuse_pairs(calls, rule)


def fold_sgd(calls: Sequence[Call], parameter_of: dict[Value, Value]) -> list[Call]:
    """Plain SGD inside dense_grad_weight: W <- W - lr x'dy, so that no gradient is stored.

    The product that reads W (dense_grad_input) stands before this call in every tape, so it reads the old W.
    """
    return [
        replace(c, outputs=tuple(parameter_of[v] for v in c.outputs if v), attributes={**c.attributes, "update": True})
        if c.op == "dense_grad_weight"
        else c
        for c in calls
    ]


def drop_unread(calls: Sequence[Call]) -> list[Call]:
    """Leave out outputs that nobody reads, and calls all of whose outputs were left out."""
    kept: list[Call] = []
    read: set[Value] = set()
    for call in reversed(calls):
        outputs = tuple(v if v and (v in read or v.arena != "activations") else None for v in call.outputs)
        if any(outputs) or not call.outputs:
            kept.append(replace(call, outputs=outputs))
            read.update(v for v in call.inputs if v)
    return kept[::-1]


def _fuse_pairs(
    calls: Sequence[Call], rule: Callable[[Call, Call], Call | None], *, keep_intermediate: bool = False
) -> list[Call]:
    """Replace (first, second) by rule(first, second) where second reads what first writes.

    Without `keep_intermediate` the pair is left alone when anyone else reads first's result.
    """
    fused: list[Call] = list(calls)
    for second in calls:
        source = second.inputs[0] if second.inputs else None
        first = next((c for c in fused if source and c.outputs[:1] == (source,)), None)
        joined = rule(first, second) if first else None
        if not first or not joined:
            continue
        readers = [c for c in fused if source in c.inputs]
        if readers == [second] or keep_intermediate:
            fused[fused.index(first)] = joined
            fused.remove(second)
    return fused
