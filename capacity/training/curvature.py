"""The loss of a model around one point: its value, gradient and Hessian, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.data import Dataset, open_dataset
from capacity.engine.optimizers import SGD
from capacity.engine.program import Segment, compile_training
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training.feed import resident
from capacity.training.trainer import State, Trainer

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

    from capacity.engine.tangent import TangentExecutor


class LossSurface:
    """The mean cross-entropy of a model over n rows of the training set, seen from one point w.

    Everything is computed in float64 with NumPy, whatever the model was trained on, and over all n rows at once. Weight
    decay is no part of it.

    Parameters
    ----------
    model : MLP
    data : str, Path or Dataset
        A built-in name, a file or an open data set.
    parameters : array-like (P,), or mapping of arrays
        The point w: the parameters of a state of :class:`capacity.Trainer`, or those of a result of
        :func:`capacity.train`, 'layer/role' -> array.
    samples : int or None
        n; None is all N rows.
    subset_seed : int
        Which n rows: the same as for :class:`capacity.Trainer`.

    Attributes
    ----------
    loss : float
        In nats.

    Raises
    ------
    InputError
        When an argument cannot be used.

    Examples
    --------
    >>> import capacity
    >>> from capacity.analysis.hessian import smallest_eigenvalues
    >>> model = capacity.MLP(hidden=(4,), activation="tanh")
    >>> result = capacity.train(model, "digits", epochs=5)
    >>> surface = capacity.LossSurface(model, "digits", result.parameters)
    >>> surface.hessian().shape
    (310, 310)
    >>> bool(smallest_eigenvalues(surface.hessian()).values[0] < 0)  # not a minimum yet
    True
    """

    def __init__(
        self,
        model: MLP,
        data: str | Path | Dataset,
        parameters: ArrayLike | Mapping[str, ArrayLike],
        *,
        samples: int | None = None,
        subset_seed: int = 0,
    ) -> None:
        from capacity.engine.tangent import TangentExecutor

        data = open_dataset(data)
        n = _whole("samples", len(data.train.labels) if samples is None else samples)
        subset = _whole("subset_seed", subset_seed)
        trainer = Trainer(
            model, data, batch=1, lrs=[1.0], seeds=[0], samples=[n], subset_seeds=[subset], precision="float64"
        )
        point = _point(parameters, trainer.segments)
        trainer.restore([State(0, point, np.empty(0))])
        self.loss = float(trainer.evaluate().loss[0])
        program = compile_training(model, data.inputs, data.classes, n, SGD(), fused=False)
        source = resident(data, data.train)
        self._executor: TangentExecutor = TangentExecutor(replace(program, update=()), source, point, n, subset)

    def gradient(self) -> NDArray[np.float64]:
        """Return the gradient of the mean loss at w: (P,), in the order of a state's parameters."""
        gradient: NDArray[np.float64] = self._executor.gradient.copy()
        return gradient

    def hessian(self) -> LinearOperator:
        """Return the Hessian of the mean loss at w, as an operator that multiplies: (P, P), symmetric, float64.

        Products are exact up to rounding, with no step size (:mod:`capacity.engine.tangent`), and cost about two
        gradients each. With ReLU and leaky ReLU it is the Hessian of the smooth piece on which w lies: exact where no
        unit's input is exactly 0, and silent about the kinks beside it.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            What :mod:`capacity.analysis.hessian` takes. Not for several threads at once.
        """
        from scipy.sparse.linalg import LinearOperator

        def product(vector: NDArray[Any]) -> NDArray[np.float64]:
            return self._executor.gradient_along(vector.reshape(-1))

        size = len(self._executor.gradient)
        return LinearOperator((size, size), matvec=product, rmatvec=product, dtype=np.float64)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, got {value!r}.")
    return int(value)


def _point(parameters: ArrayLike | Mapping[str, ArrayLike], segments: tuple[Segment, ...]) -> NDArray[np.float64]:
    """Return parameters in their order, (P,), finite."""
    if isinstance(parameters, Mapping):
        shapes = {f"{s.layer}/{s.role}": s.shape for s in segments}
        given = {name: np.shape(array) for name, array in parameters.items()}
        if given != shapes:
            raise InputError(f"parameters must be the arrays {shapes} of this model, got {given}.")
        parameters = np.concatenate([np.ravel(parameters[name]) for name in shapes])
    try:
        point: NDArray[np.float64] = np.asarray(parameters, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"parameters must be an array of numbers, got {type(parameters).__name__}.") from error
    size = sum(s.size for s in segments)
    if point.shape != (size,):
        raise InputError(f"parameters must be the {size} of this model in one array, got shape {point.shape}.")
    if not np.isfinite(point).all():
        raise InputError("parameters must be finite; where a training has diverged there is no surface to look at.")
    return point
