"""The sums of a trajectory for training loops of other frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.machine import usable_cores
from capacity.engine.trajectory import Sums
from capacity.errors import InputError
from capacity.training.exchange import device_of, imported, label, named_arrays

_CHUNK = 1 << 22  # numbers that are converted to float64 at once on a GPU


class TrajectoryMeter:
    """Measures the path through weight space inside a training loop of your own.

    The arrays may be those of NumPy, PyTorch, JAX or CuPy, or of whatever else offers DLPack, in float32 or float64, on
    the CPU or on one GPU: one array, or a list, tuple or mapping of them (also nested). They are read where they lie;
    only arrays with strides are copied first, and read-only arrays will do. On the CPU an update is one native pass
    over each array, on a GPU a few operations of CuPy, which is then needed. The meter keeps two copies of the
    parameters: those that distances are measured from, and those of the update before.

    Parameters
    ----------
    params : array, or sequence or mapping of arrays
        The parameters before the first step.
    anchor : like params, or None
        The point that distances are measured from; None is `params`, W(0). Give the parameters that a first run ended
        with, W*, to measure the same run again from its end.
    threads : int or None
        Most threads to use on the CPU; None is every core this process may run on.

    Attributes
    ----------
    names : tuple of S str
        The arrays' names: keys, or numbers, joined by '/'; '' for a single array.
    steps : int
        Updates so far.

    Raises
    ------
    InputError
        When something is no such array, or arrays are on different devices.

    Examples
    --------
    >>> import numpy as np
    >>> from capacity.analysis.trajectory import angle, distance, step_length
    >>> w = np.array([3.0, 4.0])
    >>> meter = TrajectoryMeter(w)
    >>> for _ in range(2):
    ...     g = w.copy()  # the gradient of |w|^2 / 2
    ...     w -= 0.1 * g
    ...     sums = meter.update(w, g)
    >>> distance(sums).round(3), step_length(sums).round(3), angle(sums).round(3)
    (array([0.5]), array([0.45]), array([3.142]))
    """

    def __init__(self, params: Any, *, anchor: Any = None, threads: int | None = None) -> None:
        self._threads = threads or usable_cores()
        named = named_arrays(params, "params")
        self.names, self.steps = tuple(named), 0
        self._shapes = [tuple(array.shape) for array in named.values()]
        if not named:
            raise InputError("params must have at least one array, got none.")
        devices = [device_of(array) for array in named.values()]
        for name, device in zip(named, devices, strict=True):
            if device != devices[0]:
                raise InputError(
                    f"{label('params', name)} is on another device than {label('params', self.names[0])}; a meter "
                    "takes arrays of one device."
                )
        self._device = devices[0]
        self._before = [imported(array, label("params", name)).copy() for name, array in named.items()]
        self._anchor = [array.copy() for array in self._before if anchor is None]
        if anchor is not None:
            self._anchor = [array.copy() for array in self._checked(anchor, "anchor")]

    def update(self, params: Any, grads: Any) -> NDArray[np.float64]:
        """Take one step into account: call it after every step of the optimizer.

        Parameters
        ----------
        params : like the params of the meter
            The parameters after the step.
        grads : like params
            The gradient that the step has used, at the parameters before it.

        Returns
        -------
        ndarray, shape (S, 4), float64
            Of each array the sums of this step, in the order of :class:`capacity.engine.trajectory.Sums`: |g|^2,
            |dw|^2, <w - anchor, g> and |w - anchor|^2, with w before the step and dw what it changed.
            :mod:`capacity.analysis.trajectory` makes distances, lengths and angles of them.

        Raises
        ------
        InputError
            When arrays have come or gone, or changed shape, type or device; or when parameters or gradients are not
            finite, named with the step. A step that is refused is not counted, but after numbers that are not finite
            the meter cannot go on.
        """
        after, gradients = self._checked(params, "params"), self._checked(grads, "grads")
        sums = np.empty((len(self.names), len(Sums)))
        for row, before, w, g, anchor in zip(sums, self._before, after, gradients, self._anchor, strict=True):
            row[:] = _step_sums(before, w, g, anchor, self._threads)
        if not np.isfinite(sums).all():
            self._refuse(sums)
        self.steps += 1
        return sums

    def _checked(self, arrays: Any, what: str) -> list[Any]:
        """Return the arrays, of the names, shapes, types and device that the meter began with."""
        named = named_arrays(arrays, what)
        if named.keys() != set(self.names):
            raise InputError(
                f"{what} must be the {len(self.names)} arrays of the meter, got {_differences(self.names, named)}."
            )
        taken = []
        for name, shape, before in zip(self.names, self._shapes, self._before, strict=True):
            array = named[name]
            if tuple(array.shape) != shape:
                raise InputError(
                    f"{label(what, name)} must have the shape {shape} that the meter began with, got "
                    f"{tuple(array.shape)}."
                )
            if device_of(array) != self._device:
                raise InputError(f"{label(what, name)} is on another device than the arrays that the meter began with.")
            flat = imported(array, label(what, name))
            if flat.dtype != before.dtype:
                raise InputError(f"{label(what, name)} must be {before.dtype} as it began, got {flat.dtype}.")
            taken.append(flat)
        return taken

    def _refuse(self, sums: NDArray[np.float64]) -> None:
        row = int(np.flatnonzero(~np.isfinite(sums).all(axis=1))[0])
        what = "params" if np.isfinite(sums[row, Sums.GRADIENT]) else "grads"
        raise InputError(
            f"{label(what, self.names[row])} is not finite at step {self.steps}: the training has diverged; lower the "
            "learning rate."
        )


def _step_sums(before: Any, after: Any, gradient: Any, anchor: Any, threads: int) -> NDArray[np.float64]:
    """Return the sums (4,) of a step, and copy `after` to `before`; arrays (n,) of one type and device."""
    if isinstance(before, np.ndarray):
        from capacity.engine.cpu import step_sums

        return step_sums(before, after, gradient, anchor, threads)
    return device_sums(before, after, gradient, anchor)


def device_sums(before: Any, after: Any, gradient: Any, anchor: Any) -> NDArray[np.float64]:
    """Return the sums (4,) of a step, and copy `after` to `before`, with the operations of CuPy's arrays alone."""
    total: list[Any] = [0.0] * len(Sums)  # on the device until the end
    for start in range(0, len(before), _CHUNK):
        part = slice(start, start + _CHUNK)
        w, g = before[part].astype("float64"), gradient[part].astype("float64")
        step, away = after[part].astype("float64") - w, w - anchor[part]
        for which, (a, b) in {
            Sums.GRADIENT: (g, g), Sums.STEP: (step, step), Sums.ALONG: (away, g), Sums.DISTANCE: (away, away)
        }.items():  # fmt: skip
            total[which] = total[which] + (a * b).sum()
    before[:] = after
    return np.array([float(t) for t in total])


def _differences(names: tuple[str, ...], named: dict[str, Any]) -> str:
    """Say which arrays have gone and come."""
    gone, come = [n for n in names if n not in named], [n for n in named if n not in names]
    parts = [f"none named {', '.join(map(repr, gone))}"] * bool(gone) + [f"also {', '.join(map(repr, come))}"] * bool(
        come
    )
    return " and ".join(parts)
