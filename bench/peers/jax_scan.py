"""JAX: the steps of a round in one jit-compiled scan, replicas by vmap or one by one, parameters donated.

Data and the order of all epochs lie on the device. Products are float32, without TF32.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # a GPU's memory is shared with the other peers
os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"

import jax
import jax.numpy as jnp
import numpy as np

from bench.workload import Shape, Workload

Parameters = dict[str, jax.Array]
State = tuple[Parameters, Parameters, Parameters, jax.Array]
"""Parameters, and Adam's moments and step; these are empty for SGD."""

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Peer:
    """Trains a workload from its initial weights and on its batches; replicas one after the other without `vmap`."""

    def __init__(self, workload: Workload, device: str = "cpu", vmap: bool = True) -> None:
        self._shape = workload.shape
        place = jax.devices("gpu" if device == "cuda" else "cpu")[0]
        self._features = jax.device_put(workload.features, place)
        self._labels = jax.device_put(workload.labels, place)
        self._vmap = vmap and self._shape.replicas > 1
        chosen = [slice(None)] if self._vmap else range(self._shape.replicas)
        batches = [
            np.ascontiguousarray(workload.batches.swapaxes(0, 1)[:, rows]) for rows in chosen
        ]  # (T, R, B), (T, B)
        self._batches = [jax.device_put(each, place) for each in batches]
        # All of a state is put there alike: what a scan returns would otherwise differ, and the next be compiled anew.
        self._states = [jax.device_put(_initial(workload, rows), place) for rows in chosen]
        self._scan = jax.jit(self._steps, donate_argnums=0)
        self._evaluate = jax.jit(self._measure)
        self._step = 0

    def _steps(self, state: State, batches: jax.Array, x: jax.Array, y: jax.Array) -> State:
        def step(before: State, index: jax.Array) -> State:
            p, m, v, t = before
            gradients = jax.grad(lambda p: _loss(self._shape, p, x[index], y[index])[0])(p)
            if self._shape.optimizer == "adam":
                return _adam(p, gradients, m, v, t + 1, self._shape.lr)
            return {name: value - self._shape.lr * gradients[name] for name, value in p.items()}, m, v, t

        one = jax.vmap(step) if self._vmap else step
        last: State = jax.lax.scan(lambda before, index: (one(before, index), None), state, batches)[0]
        return last

    def _measure(self, parameters: Parameters, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        def measure(p: Parameters) -> tuple[jax.Array, jax.Array]:
            return _loss(self._shape, p, x, y)

        loss, errors = (jax.vmap(measure) if self._vmap else measure)(parameters)
        return jnp.mean(loss), jnp.mean(errors)

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        for number, batches in enumerate(self._batches):
            index = batches[self._step : self._step + steps]
            self._states[number] = self._scan(self._states[number], index, self._features, self._labels)
        for leaf in jax.tree.leaves(self._states):
            leaf.block_until_ready()
        self._step += steps

    def evaluate(self) -> tuple[float, float]:
        """Return the mean cross-entropy, in nats, and the share of errors over all N samples and R replicas."""
        measured = [self._evaluate(state[0], self._features, self._labels) for state in self._states]
        loss, errors = np.mean(measured, axis=0)
        return float(loss), float(errors)

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": jax.__version__}


def _initial(workload: Workload, rows: int | slice) -> tuple[Any, ...]:
    """Return the first State of some replicas, as arrays of NumPy."""
    parameters = {name: value[rows] for name, value in workload.parameters.items()}
    moments = {name: np.zeros_like(value) for name, value in parameters.items() if workload.shape.optimizer == "adam"}
    return parameters, moments, moments, np.zeros_like(parameters["softmax/bias"][..., 0])


def _loss(shape: Shape, p: Parameters, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    for name in shape.layers[:-1]:
        x = ACTIVATIONS[shape.activation](x @ p[f"{name}/weight"] + p[f"{name}/bias"])
    z = x @ p["softmax/weight"] + p["softmax/bias"]
    chosen = jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)
    return -jnp.mean(chosen), jnp.mean(jnp.argmax(z, axis=1) != y)


def _adam(p: Parameters, g: Parameters, m: Parameters, v: Parameters, t: jax.Array, lr: float) -> State:
    """Return the state after step t, as Kingma & Ba 2015, algorithm 1, has it."""
    m = {name: BETA1 * m[name] + (1 - BETA1) * g[name] for name in p}
    v = {name: BETA2 * v[name] + (1 - BETA2) * g[name] ** 2 for name in p}
    first, second = 1 - BETA1**t, 1 - BETA2**t
    stepped = {name: p[name] - lr * (m[name] / first) / (jnp.sqrt(v[name] / second) + EPSILON) for name in p}
    return stepped, m, v, t
