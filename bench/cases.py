"""What `python -m bench` measures, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.peers import JAX, JAX_APART, ON_CPU, OURS, OURS_BF16, PYTORCH, SKLEARN
from bench.workload import Shape

STEPS, SWEEP = "steps", "sweep"
EVERYWHERE = (OURS, PYTORCH, JAX, SKLEARN)


@dataclass(frozen=True)
class Case:
    """One row of the results.

    Attributes
    ----------
    measurement : str
        Its name for --only.
    shape : Shape
    times : int
        Steps or evaluations of a round.
    expected : dict
        Peer -> how many times faster we are to be, at least.
    of_floor : dict
        Ours -> how many times the floor the step may take, at most.
    action : {'run', 'evaluate'}
    cores : int or None
        1, or None: all there are.
    also : tuple of str
        Peers that are timed here and not everywhere.
    """

    measurement: str
    shape: Shape
    times: int
    expected: Mapping[str, float] = field(default_factory=dict)
    of_floor: Mapping[str, float] = field(default_factory=dict)
    action: str = "run"
    cores: int | None = 1
    also: tuple[str, ...] = ()

    @property
    def peers(self) -> list[str]:
        """Return whom to time, in the order of ON_CPU."""
        return [name for name in ON_CPU if name in (*EVERYWHERE, *self.also)]


# Times the floor: wanted microseconds over the floor's, both on a core that does 112 GFLOP/s in float32.
_STEPS = (
    Case(STEPS, Shape(20, 16, 2, 32), 5000, {JAX: 7.0, PYTORCH: 200.0}, {OURS: 1.5 / 0.4}),
    Case(STEPS, Shape(64, 32, 10, 32), 4000, {JAX: 3.0, PYTORCH: 90.0}, {OURS: 4.5 / 2.9}),
    Case(STEPS, Shape(100, 32, 10, 128), 1500, {JAX: 1.8, PYTORCH: 17.0}, {OURS: 24 / 17}),
    Case(STEPS, Shape(784, 100, 10, 128), 400, {JAX: 1.45, PYTORCH: 2.7}, {OURS: 430 / 366}, also=(OURS_BF16,)),
    Case(
        STEPS, Shape(1000, 1000, 1000, 128), 20, {JAX: 1.25, PYTORCH: 1.5},
        {OURS: 13000 / 11430, OURS_BF16: 7000 / 5690}, also=(OURS_BF16,),
    ),
)  # fmt: skip

CASES = (
    *_STEPS,
    Case("depth", Shape(784, 100, 10, 128, depth=4, activation="relu"), 400),
    Case("relu", Shape(100, 32, 10, 128, activation="relu"), 1500),
    Case("adam", Shape(784, 100, 10, 128, optimizer="adam"), 300),
    Case("replicas", Shape(100, 32, 10, 128, replicas=16), 200, cores=None, also=(JAX_APART,)),
    Case("evaluation", Shape(784, 100, 10, 128), 10, action="evaluate"),
)
MEASUREMENTS = (*dict.fromkeys(case.measurement for case in CASES), SWEEP)
