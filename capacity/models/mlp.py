"""The multi-layer perceptron of Dauphin & Bengio 2013, with any number of hidden layers."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.engine.initialise import check_init
from capacity.engine.ops import check_activation
from capacity.engine.tape import Tape, Value
from capacity.errors import InputError


@dataclass(frozen=True)
class MLP:
    """Fully connected hidden layers and a softmax output layer.

    Parameters
    ----------
    hidden : tuple of int
        Units of each hidden layer; () is softmax regression.
    activation : str
        'sigmoid', 'tanh', 'relu', 'leaky_relu', 'gelu' (exact, with erf) or 'identity'.
    init, output_init : str
        Initial weights of the hidden layers and of the softmax layer, 'glorot_uniform' or 'zeros'. Biases start at
        zero. The defaults are the start of Dauphin & Bengio 2013, section 2.

    Raises
    ------
    InputError
        When a size is not a positive integer, or a name is unknown.
    """

    hidden: tuple[int, ...] = (100,)
    activation: str = "sigmoid"
    init: str = "glorot_uniform"
    output_init: str = "zeros"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for units in self.hidden:
            if isinstance(units, bool) or not isinstance(units, int) or units < 1:
                raise InputError(f"hidden must hold positive numbers of units, got {units!r} in {self.hidden}.")
        check_activation(self.activation)
        check_init(self.init, "init")
        check_init(self.output_init, "output_init")

    def __call__(self, tape: Tape, x: Value, classes: int) -> Value:
        """Record the forward ops on `tape`: x (B, D) to logits (B, K)."""
        for number, units in enumerate(self.hidden, start=1):
            z = self._dense(tape, x, f"hidden{number}", units, self.init)
            x = tape.record("activation", z, activation=self.activation)[0]
        return self._dense(tape, x, "softmax", classes, self.output_init)

    @staticmethod
    def _dense(tape: Tape, x: Value, layer: str, units: int, init: str) -> Value:
        w = tape.parameter(layer, "weight", (x.shape[1], units), init)
        b = tape.parameter(layer, "bias", (units,), "zeros")
        return tape.record("dense", x, w, b)[0]
