"""The tape: a model called with it records ops; backward() records their gradients behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

from capacity.engine.ops import OPS, Shape

Attribute = bool | int | float | str


@dataclass(frozen=True, eq=False)
class Value:
    """Something a call reads or writes: a name, a shape (ROWS first for batch values) and the arena it will lie in."""

    name: str
    shape: Shape
    arena: str
    needs_gradient: bool = False


@dataclass(frozen=True, eq=False)
class Parameter:
    """A trained value: the layer it belongs to, its role there ('weight' or 'bias') and how it is initialised."""

    value: Value
    gradient: Value
    layer: str
    role: str
    init: str


@dataclass(frozen=True, eq=False)
class Call:
    """One op applied to values. An operand that is absent is None."""

    op: str
    outputs: tuple[Value | None, ...]
    inputs: tuple[Value | None, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def present_input(self, number: int) -> Value:
        """Return an input that the op cannot do without."""
        value = self.inputs[number]
        if value is None:
            raise AssertionError(f"op '{self.op}' needs its input {number}")
        return value


class Tape:
    """Records calls and parameters in the order in which a model makes them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.parameters: list[Parameter] = []

    def parameter(self, layer: str, role: str, shape: Shape, init: str) -> Value:
        """Declare a parameter; `init` is a name known to :mod:`capacity.engine.initialise`."""
        name = f"{layer}/{role}"
        value = Value(name, shape, "parameters", needs_gradient=True)
        gradient = Value(f"{name}/gradient", shape, "gradients")
        self.parameters.append(Parameter(value, gradient, layer, role, init))
        return value

    def gradient_of(self, parameter: Value) -> Value:
        """Return the value that holds the gradient of a parameter."""
        return next(p.gradient for p in self.parameters if p.value is parameter)

    def record(
        self, op: str, *inputs: Value | None, outputs: tuple[Value, ...] | None = None, **attributes: Attribute
    ) -> tuple[Value, ...]:
        """Append a call of `op` and return its outputs (new activations, unless `outputs` are given)."""
        shapes = OPS[op].shapes(*(None if v is None else v.shape for v in inputs), **attributes)
        if outputs is None:
            needs_gradient = any(v.needs_gradient for v in inputs if v)
            number = len(self.calls)
            outputs = tuple(
                Value(f"{op}{number}.{i}", shape, _arena(op, i), needs_gradient) for i, shape in enumerate(shapes)
            )
        elif tuple(v.shape for v in outputs) != shapes:
            raise AssertionError(f"op '{op}' makes shapes {shapes}, not {[v.shape for v in outputs]}")
        self.calls.append(Call(op, outputs, inputs, attributes))
        return outputs

    def backward(self, loss: Value) -> None:
        """Record the gradient of the mean over the batch of `loss` (a value per row) for every parameter it needs."""
        gradients: dict[Value, Value] = {}
        for call in reversed(self.calls.copy()):
            rule = OPS[call.op].gradient
            output = call.outputs[0] if call.outputs else None
            if rule is None or output is None or (output not in gradients and output is not loss):
                continue
            for value, gradient in zip(call.inputs, rule(self, call, gradients.get(output)), strict=True):
                if value is None or gradient is None:
                    continue
                if value in gradients:
                    raise AssertionError(f"'{value.name}' is read twice: sums of gradients are not recorded yet")
                gradients[value] = gradient


def _arena(op: str, output: int) -> str:
    return "labels" if op == "gather" and output == 1 else "activations"
