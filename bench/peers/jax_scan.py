"""JAX: the steps of a round in one jit-compiled scan, replicas by vmap, parameters donated.

Data and the order of all epochs lie on the GPU. Products are float32, without TF32.
"""

from __future__ import annotations

import os

os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the GPU's memory is shared with the other peers

import jax
import jax.numpy as jnp
import numpy as np
from workload import LR, Workload

jax.config.update("jax_default_matmul_precision", "highest")
Parameters = dict[str, jax.Array]


class Peer:
    """Trains a workload from its initial weights and on its batches."""

    def __init__(self, workload: Workload) -> None:
        self._features, self._labels = jnp.asarray(workload.features), jnp.asarray(workload.labels)
        self._replicas = workload.shape.replicas
        batches = workload.batches.swapaxes(0, 1)  # (T, R, B)
        parameters = workload.parameters
        if self._replicas == 1:
            batches, parameters = batches[:, 0], {name: value[0] for name, value in parameters.items()}
        self._batches = jnp.asarray(np.ascontiguousarray(batches))
        self._parameters = {name: jnp.asarray(value) for name, value in parameters.items()}
        self._scan = jax.jit(self._steps, donate_argnums=0)
        self._step = 0

    def _steps(self, parameters: Parameters, batches: jax.Array, x: jax.Array, y: jax.Array) -> Parameters:
        def step(p: Parameters, index: jax.Array) -> Parameters:
            gradients = jax.grad(_loss)(p, x[index], y[index])
            return {name: value - LR * gradients[name] for name, value in p.items()}

        one = step if self._replicas == 1 else jax.vmap(step)
        last: Parameters = jax.lax.scan(lambda p, index: (one(p, index), None), parameters, batches)[0]
        return last

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        batches = self._batches[self._step : self._step + steps]
        self._parameters = jax.block_until_ready(self._scan(self._parameters, batches, self._features, self._labels))
        self._step += steps

    def loss(self) -> float:
        """Return the mean cross-entropy over all N samples and R replicas, in nats."""
        loss = _loss if self._replicas == 1 else jax.vmap(_loss, in_axes=(0, None, None))
        return float(jnp.mean(loss(self._parameters, self._features, self._labels)))

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": jax.__version__}


def _loss(p: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
    h = jax.nn.sigmoid(x @ p["hidden1/weight"] + p["hidden1/bias"])
    z = jax.nn.log_softmax(h @ p["softmax/weight"] + p["softmax/bias"])
    return -jnp.mean(jnp.take_along_axis(z, y[:, None], axis=1))
