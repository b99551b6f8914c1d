"""The path through weight space of a JAX training: distance, path length and angles by groups of layers."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import capacity
from capacity.analysis import PathRecorder, layer_groups

Params = dict[str, dict[str, jax.Array]]


def logits(params: Params, x: jax.Array) -> jax.Array:
    """Return the logits (B, 5) of a network of two layers for inputs x (B, 20)."""
    hidden = jnp.tanh(x @ params["layer1"]["weight"] + params["layer1"]["bias"])
    return hidden @ params["layer2"]["weight"] + params["layer2"]["bias"]


def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy, in nats."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits(params, x)), y[:, None], axis=1))


@jax.jit
def train_step(params: Params, x: jax.Array, y: jax.Array) -> tuple[Params, Params]:
    """Return the parameters after a step of gradient descent, and the gradient it used."""
    grads = jax.grad(loss)(params, x, y)
    return jax.tree.map(lambda w, g: w - 0.1 * g, params, grads), grads


def main(steps: int = 200) -> PathRecorder:
    """Train a small classifier, print every 50th row of its path, and return what recorded it."""
    keys = jax.random.split(jax.random.key(0), 4)
    x = jax.random.normal(keys[0], (512, 20))
    y = (x @ jax.random.normal(keys[1], (20, 5))).argmax(axis=1)
    params = {
        "layer1": {"weight": 0.2 * jax.random.normal(keys[2], (20, 64)), "bias": jnp.zeros(64)},
        "layer2": {"weight": 0.1 * jax.random.normal(keys[3], (64, 5)), "bias": jnp.zeros(5)},
    }

    meter = capacity.TrajectoryMeter(params)
    recorder = PathRecorder(layer_groups([name.split("/")[0] for name in meter.names]), every=50)
    print("step  group      distance  path length  |gradient|  angle")
    for step in range(steps):
        batch = slice(step % 8 * 64, step % 8 * 64 + 64)
        params, grads = train_step(params, x[batch], y[batch])
        path = recorder.add(meter.update(params, grads)[None])
        for t in range(len(path.steps)):
            for i, group in enumerate(recorder.groups):
                print(
                    f"{path.steps[t]:4}  {group:9}  {path.distance[t, i]:8.3f}  {path.path_length[t, i]:11.3f}  "
                    f"{path.step_size[t, i]:10.3f}  {path.angle[t, i]:5.2f}"
                )
    return recorder


if __name__ == "__main__":
    main()
