"""The optimizers: what they are called, what their settings mean, and the op and the state each makes a step of."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeAlias

from capacity.engine.ops import Shape
from capacity.engine.tape import Attribute
from capacity.engine.tiles import factor_elements
from capacity.errors import InputError


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: v <- momentum v + g + weight_decay w, then w <- w - lr v.

    Weight decay acts on every parameter, biases included. With both at 0 the update is w <- w - lr g and is folded
    into the weight-gradient product.

    Raises
    ------
    InputError
        When momentum is not in [0, 1), or weight decay is negative or not finite.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0

    op: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        _check_fraction("momentum", self.momentum)
        _check_decay(self.weight_decay)

    def states(self, shape: Shape) -> tuple[Shape | None, ...]:
        """Return the shape of the op's state v for parameters of a shape; None where it is not kept."""
        return (shape if self.momentum != 0 else None,)

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes of the op."""
        return asdict(self)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), with weight decay added to the gradient, as `torch.optim.Adam` has it.

    At step t = 1, 2, ... with g the gradient plus weight_decay w:
    m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, and
    w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon).

    Parameters
    ----------
    beta1, beta2 : float
        How much of the mean of g and of g^2 is kept from step to step, in [0, 1).
    epsilon : float
        Added to the root, above 0.
    weight_decay : float
        At least 0; it acts on every parameter, biases included.

    Raises
    ------
    InputError
        When a setting is not a number in its range.

    Notes
    -----
    A step moves a parameter by about lr, whatever the scale of its gradient: learning rates are smaller than with
    SGD, often 0.001.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    op: ClassVar[str] = "adam"
    decoupled: ClassVar[bool] = False
    """Whether weight decay acts on the parameters at once, and not through the gradient."""

    def __post_init__(self) -> None:
        _check_fraction("beta1", self.beta1)
        _check_fraction("beta2", self.beta2)
        _check("epsilon", self.epsilon, "a finite number above 0", lambda x: x > 0)
        _check_decay(self.weight_decay)

    def states(self, shape: Shape) -> tuple[Shape | None, ...]:
        """Return the shapes of the op's states m and v for parameters of a shape."""
        return (shape, shape)

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes of the op."""
        return {**asdict(self), "decoupled": self.decoupled}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as `torch.optim.AdamW` has it.

    The gradient is left as it is, and a step also takes lr weight_decay w from w. All else is as in :class:`Adam`.
    """

    weight_decay: float = 0.01

    decoupled: ClassVar[bool] = True


@dataclass(frozen=True)
class Shampoo:
    """Shampoo (Gupta, Koren & Singer 2018, algorithm 1): a preconditioner for either side of a weight matrix.

    For a weight W (m, n) with gradient G, beginning with L = 0 and R = 0:
    L <- L + G G', R <- R + G' G, and W <- W - lr ((L + epsilon I)^(-1/4) G (R + epsilon I)^(-1/4) + weight_decay W).
    For a bias b with gradient g it is the paper's diagonal variant, AdaGrad's: h <- h + g^2 and
    b <- b - lr (g / sqrt(h + epsilon) + weight_decay b).

    Matrices are cut into tiles of at most 64 x 64, each with an L and an R of its own, and the roots of L and R are
    taken only now and then (both as in Anil et al. 2020, "Scalable Second Order Optimization for Deep Learning").

    Parameters
    ----------
    epsilon : float
        Above 0; the L and R that the paper begins with are epsilon I. It is in units of a squared gradient.
    every : int
        Steps from one computation of the roots to the next; the first is at the first step.
    weight_decay : float
        At least 0; it acts on every parameter, biases included, and is not preconditioned.

    Raises
    ------
    InputError
        When a setting is not a number in its range.

    Notes
    -----
    A first gradient of full rank, far above epsilon, is made orthogonal: U V' of its singular vectors, times lr. Sums
    that only grow make later steps smaller, as AdaGrad's. Until the roots are taken again, what is new in a gradient is
    lengthened by epsilon^(-1/2): with a small epsilon and a large `every` the beginning of a training is unstable.
    """

    epsilon: float = 0.01
    every: int = 20
    weight_decay: float = 0.0

    op: ClassVar[str] = "shampoo"

    def __post_init__(self) -> None:
        _check("epsilon", self.epsilon, "a finite number above 0", lambda x: x > 0)
        _check("every", self.every, "a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1)
        _check_decay(self.weight_decay)

    def states(self, shape: Shape) -> tuple[Shape | None, ...]:
        """Return the shapes of the op's states, statistics and roots, for parameters of a shape."""
        if len(shape) == 1:
            return (shape, None)
        factors = (factor_elements(*shape),)
        return (factors, factors)

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes of the op."""
        return {"epsilon": self.epsilon, "every": self.every}

    @property
    def descent(self) -> SGD:
        """What takes the step, along the direction that the op gives."""
        return SGD(weight_decay=self.weight_decay)


Optimizer: TypeAlias = SGD | Adam | AdamW | Shampoo


def check_optimizer(optimizer: object) -> None:
    """Raise InputError when `optimizer` is not one of these."""
    if not isinstance(optimizer, Optimizer):
        raise InputError(
            f"optimizer must be an SGD, an Adam, an AdamW or a Shampoo, got {optimizer!r}; write, for instance, "
            "optimizer=capacity.Adam()."
        )


def _check_fraction(name: str, value: float) -> None:
    _check(name, value, "a number of at least 0 and below 1", lambda x: 0 <= x < 1)


def _check_decay(value: float) -> None:
    _check("weight_decay", value, "a finite number of at least 0", lambda x: x >= 0)


def _check(name: str, value: float, expected: str, fits: Callable[[float], bool]) -> None:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and fits(value)):
        raise InputError(f"{name} must be {expected}, got {value!r}.")
