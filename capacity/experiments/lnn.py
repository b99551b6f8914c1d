"""The linear network of Ardalani, Hestness & Diamos 2019, appendix B, trained by the engine.

The engine has cross-entropy, not squared error, and trains every layer. So the network is built from what it has:
softmax regression with two classes on K inputs that are copies of one scalar, a (K weights a class) path a copy.

Let u_k = (w_k1 - w_k0) / sqrt(2) and v_k = (w_k1 + w_k0) / sqrt(2), an orthonormal change of the weights. The logits
differ by x sqrt(2) (u_1 + ... + u_K) + b_1 - b_0, so the outputs are those of the sum-of-weights network of weights u.
The data are the scalars +a, three times in class 1 and once in class 0, and -a with the classes exchanged. Then

- the mean cross-entropy is a convex function of u_1 + ... + u_K alone, with its one minimum where the odds are 3:
  at log(3) / (a sqrt(2)), which is made C = 1 by the choice of a;
- the gradient of the biases is 0 by symmetry, and that of every v_k because the classes' gradients add up to 0.

So the solutions within reach, the direction of every gradient and the point where the descent ends are those of the
paper's squared error; only the speed along the line differs. Distances are Euclidean, over all 2K + 2 parameters.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from capacity.data import Dataset, Split
from capacity.engine.optimizers import SGD
from capacity.models import MLP
from capacity.training import State, Trainer

_ODDS = 3
_SCALE = math.log(_ODDS) / math.sqrt(2)
_SETTLING = 30  # steps; near the minimum each divides what is left by four


def descend(starts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train the network from every start by full-batch gradient descent until it stands still.

    The step is 1/L, L the largest curvature of the loss, 2 K a^2 / 4: then the way down never overshoots.

    Parameters
    ----------
    starts : ndarray (R, K)
        Weights u, in units of C.

    Returns
    -------
    before, after : ndarray (R, 2K + 2), float64
        All parameters of the network in orthonormal coordinates: u (K), v (K) and the biases (2).
    """
    replicas, weights = starts.shape
    trainer = Trainer(
        MLP(hidden=()), _data(weights), batch=2 * (_ODDS + 1), lrs=[2 / (weights * _SCALE**2)] * replicas,
        seeds=range(replicas), optimizer=SGD(), precision="float64", device="cpu",
    )  # fmt: skip
    u = starts / math.sqrt(2)
    kernels = np.stack([-u, u], axis=2).reshape(replicas, -1)
    parameters = np.hstack([kernels, np.zeros((replicas, 2))])
    nothing = np.zeros(0)
    trainer.restore([State(0, row, nothing) for row in parameters])
    # A step moves the logit by at least 1/2 where it is more than log(3) away from its minimum.
    farthest = math.log(_ODDS) * float(np.abs(starts.sum(axis=1)).max())
    trainer.advance(_SETTLING + 2 * math.ceil(farthest))
    return _turned(parameters), _turned(np.array([state.parameters for state in trainer.states()]))


def _data(weights: int) -> Dataset:
    """Return 8 samples of K equal features, whose cross-entropy is least where the weights u add up to 1."""
    labels = np.array([1] * _ODDS + [0] + [0] * _ODDS + [1], np.int32)
    features = np.repeat(np.array([[1]] * (_ODDS + 1) + [[-1]] * (_ODDS + 1), np.int16), weights, axis=1)
    return Dataset("linear network", 2, ("0", "1"), (), _SCALE, Split(features, labels), None, "", {})


def _turned(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (R, 2K + 2) parameters, weights (K, 2) and biases (2,), to the coordinates u, v and the biases."""
    class0, class1 = parameters[:, 0:-2:2], parameters[:, 1:-2:2]
    return np.hstack([(class1 - class0) / math.sqrt(2), (class1 + class0) / math.sqrt(2), parameters[:, -2:]])
