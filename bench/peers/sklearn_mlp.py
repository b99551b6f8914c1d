"""scikit-learn's MLPClassifier: partial_fit on the rows of an epoch in their order, batch by batch, unshuffled.

Its way to train two classes is one logistic output, another parametrisation than the softmax of the others. It is
given a third class instead, which no row has and whose bias makes its probability exactly 0: gradients and losses are
then those of two classes, for one output more to compute.
"""

from __future__ import annotations

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from bench.workload import SAMPLES, Workload

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu"}
IMPOSSIBLE = -1e4  # a bias; exp of it is 0 in float32


class Peer:
    """Trains a workload from its initial weights and on its batches, replicas one after the other."""

    def __init__(self, workload: Workload) -> None:
        self._features, self._labels = workload.features, workload.labels
        self._batches = workload.batches
        self._models = [_model(workload, replica) for replica in range(workload.shape.replicas)]
        self._step = 0

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        for model, batches in zip(self._models, self._batches, strict=True):
            rows = batches[self._step : self._step + steps].reshape(-1)
            for first in range(0, len(rows), SAMPLES):  # an epoch's, so that the copy stays small
                order = rows[first : first + SAMPLES]
                model.partial_fit(self._features[order], self._labels[order])
        self._step += steps

    def evaluate(self) -> tuple[float, float]:
        """Return the mean cross-entropy, in nats, and the share of errors over all N samples and R replicas."""
        measured = [self._measure(model) for model in self._models]
        loss, errors = np.mean(measured, axis=0)
        return float(loss), float(errors)

    def _measure(self, model: MLPClassifier) -> tuple[float, float]:
        probabilities = model.predict_proba(self._features)
        chosen = np.take_along_axis(probabilities, self._labels[:, None], axis=1)
        return -float(np.mean(np.log(chosen))), float(np.mean(np.argmax(probabilities, axis=1) != self._labels))

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": str(sklearn.__version__)}


def _model(workload: Workload, replica: int) -> MLPClassifier:
    shape = workload.shape
    classes = max(shape.classes, 3)
    model = MLPClassifier(
        hidden_layer_sizes=(shape.width,) * shape.depth, activation=ACTIVATIONS[shape.activation],
        solver=shape.optimizer, learning_rate_init=shape.lr, alpha=0.0, momentum=0.0, nesterovs_momentum=False,
        batch_size=shape.batch, shuffle=False, random_state=0,
    )  # fmt: skip
    # The first call makes weights of the right shapes; they are replaced, and the optimizer starts anew with them.
    model.partial_fit(workload.features[: shape.batch], workload.labels[: shape.batch], classes=np.arange(classes))
    del model._optimizer
    idle = classes - shape.classes
    model.coefs_ = [workload.parameters[f"{name}/weight"][replica].copy() for name in shape.layers]
    model.intercepts_ = [workload.parameters[f"{name}/bias"][replica].copy() for name in shape.layers]
    model.coefs_[-1] = np.pad(model.coefs_[-1], ((0, 0), (0, idle)))
    model.intercepts_[-1] = np.pad(model.intercepts_[-1], (0, idle), constant_values=IMPOSSIBLE)
    return model
