"""The least that a step costs: arithmetic of its products and traffic of its data, and the time these take at best."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from bench.workload import SAMPLES, Shape

PEAK = {"float32": "float32_flop_per_second", "bf16": "bf16_flop_per_second"}
SLOTS = {"sgd": 0, "adam": 2}
"""Numbers that an optimizer keeps for a parameter."""


def flop_of_a_step(shape: Shape) -> int:
    """Return the floating-point operations of the products of a step, of all replicas.

    With M = D H + .. + H K multiply-adds a row: 2 B M forward and twice that backward, less 2 B D H, the gradient of
    the inputs, which nobody needs.
    """
    products = [inputs * units for inputs, units in pairwise(shape.units)]
    return shape.replicas * 2 * shape.batch * (3 * sum(products) - products[0])


def flop_of_an_evaluation(shape: Shape) -> int:
    """Return the floating-point operations of the products forward over all N rows, of all replicas."""
    return shape.replicas * 2 * SAMPLES * sum(inputs * units for inputs, units in pairwise(shape.units))


def bytes_of_a_step(shape: Shape) -> int:
    """Return the traffic in float32 of a step of all replicas: its rows read, parameters and state read and written."""
    parameters = sum((inputs + 1) * units for inputs, units in pairwise(shape.units))
    state = (1 + SLOTS[shape.optimizer]) * parameters
    return shape.replicas * 4 * (shape.batch * shape.inputs + 2 * state)


def bytes_of_an_evaluation(shape: Shape) -> int:
    """Return the traffic in float32 of an evaluation: all N rows read once for each replica."""
    return shape.replicas * 4 * SAMPLES * shape.inputs


def floor_us(flop: int, traffic: int, floors: Mapping[str, float], precision: str, cores: int) -> float | None:
    """Return the least microseconds for this arithmetic and traffic, or None where the peak was not measured.

    What takes longer of the two: the arithmetic at the speed of multiply-adds in registers, the traffic at the speed of
    a copy within the cache of a core, as if all data were there. The cores divide both among them.
    """
    if PEAK[precision] not in floors:
        return None
    seconds = max(flop / floors[PEAK[precision]], traffic / floors["cache_copy_bytes_per_second"])
    return 1e6 * seconds / cores
