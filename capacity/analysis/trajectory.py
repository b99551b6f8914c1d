"""The path through weight space, from the sums that a training adds up over it.

After Ardalani, Hestness & Diamos 2019, section 4.3. Arrays of sums have the shape (..., S, 4), S segments by the four
of :class:`capacity.engine.trajectory.Sums`, as `capacity.Trainer.trajectory` and `capacity.TrajectoryMeter` give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.analysis.observations import BoolArray, FloatArray, IntArray
from capacity.engine.trajectory import Sums

GROUPS = ("embedding", "hidden", "softmax", "all")
"""The groups of layers: the first, those between, the last; and all of them."""


def layer_groups(layers: Sequence[str]) -> dict[str, BoolArray]:
    """Return which segments belong to which group, by the group's name; groups without any are left out.

    Parameters
    ----------
    layers : sequence of S str
        The layer of each segment, from the input on, as in ``[s.layer for s in trainer.segments]``. The roles of a
        layer (weight, bias) come together. A single layer is the softmax layer.

    Returns
    -------
    dict of ndarray, shape (S,), bool
    """
    names = np.array(layers)
    softmax = names == names[-1]
    embedding = (names == names[0]) & ~softmax
    members = (embedding, ~(embedding | softmax), softmax, np.ones(len(names), np.bool_))
    return {name: which for name, which in zip(GROUPS, members, strict=True) if which.any()}


def group_sums(sums: FloatArray, groups: Iterable[BoolArray]) -> FloatArray:
    """Add the sums (..., S, 4) up over the segments of each of G groups: (..., G, 4)."""
    return np.stack([sums[..., which, :].sum(axis=-2) for which in groups], axis=-2)


def distance(sums: FloatArray) -> FloatArray:
    """Return the direct distance from the anchor, |W(t) - W(0)|, before each step: (...)."""
    return _root(sums, Sums.DISTANCE)


def step_size(sums: FloatArray) -> FloatArray:
    """Return the step size of the paper, the norm of the gradient: (...). With plain SGD a step is lr times as long."""
    return _root(sums, Sums.GRADIENT)


def step_length(sums: FloatArray) -> FloatArray:
    """Return how far each step went, |W(t+1) - W(t)|: (...). With plain SGD it is lr times the gradient's norm."""
    return _root(sums, Sums.STEP)


def angle(sums: FloatArray) -> FloatArray:
    """Return the angle between W(t) - anchor and the gradient at W(t), in radians from 0 to pi: (...).

    With W(0) as the anchor it is A_s = arccos(<W(t) - W(0), g> / (|W(t) - W(0)| |g|)), the paper's measure of
    misalignment. With the end of the path, W*, as the anchor it is A_e, exactly, and no proxy. Our A_e divides by
    |W(t) - W*| |g|, so that it is the angle; the paper's formula is damaged in the copies we know, where the first
    factor reads like |W* - W(0)|. On a straight path the gradient points back to where it began, A_s = pi, and A_e = 0:
    there A_e = pi - A_s. Pure circling about the anchor is pi / 2.

    NaN where either vector is 0, as W(t) - W(0) is at the first step.
    """
    lengths = distance(sums) * step_size(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(lengths > 0, sums[..., Sums.ALONG] / lengths, np.nan)
    angles: FloatArray = np.arccos(np.clip(cosine, -1.0, 1.0))
    return angles


@dataclass(frozen=True)
class Path:
    """Rows of a trajectory: at each of T steps, of each of G groups of segments, what is before the step.

    Attributes
    ----------
    steps : ndarray, shape (T,), int64
    distance, path_length : ndarray, shape (..., T, G)
        The straight way from the anchor, and the length of the path walked so far.
    step_size, step_length : ndarray, shape (..., T, G)
        Norm of the gradient, and of the change that the step then makes.
    angle : ndarray, shape (..., T, G)
        See :func:`angle`.
    mean_step_size, mean_angle : ndarray, shape (..., T, G)
        Means over all steps before, of those that have an angle; NaN where there is none.
    """

    steps: IntArray
    distance: FloatArray
    path_length: FloatArray
    step_size: FloatArray
    step_length: FloatArray
    angle: FloatArray
    mean_step_size: FloatArray
    mean_angle: FloatArray


class PathRecorder:
    """Turns sums into rows of a path, advance after advance, in memory that does not grow.

    Parameters
    ----------
    groups : mapping of str to ndarray (S,), bool
        As :func:`layer_groups` gives them; any other partition will do.
    every : int
        Return the rows of steps 0, every, 2 every, ...; totals are of every step all the same.
    step : int
        Steps before the first that will be added.
    totals : ndarray or None
        `totals` of a recorder that was given those steps.

    Attributes
    ----------
    step : int
        Steps added, with those before.
    totals : ndarray, shape (..., G, 5)
        What is kept: sums over all steps, added in their order, so that it does not matter where advances were cut.
    """

    def __init__(
        self, groups: Mapping[str, BoolArray], *, every: int = 1, step: int = 0, totals: FloatArray | None = None
    ) -> None:
        self.groups, self.every, self.step = dict(groups), every, step
        self.totals = np.zeros((len(groups), 5)) if totals is None else totals.copy()

    def add(self, sums: FloatArray) -> Path:
        """Add the sums (..., T, S, 4) of the next T steps; return every k-th row.

        Steps whose sums are not finite (of a replica that was not active, or has diverged) are NaN in the rows and add
        nothing to the totals.
        """
        grouped = group_sums(sums, self.groups.values())
        sizes, lengths, angles = step_size(grouped), step_length(grouped), angle(grouped)
        totals = self._totals_before_and_after(lengths, sizes, angles)
        before = totals[..., :-1, :, :]
        walked = np.where(np.isfinite(lengths), before[..., _LENGTH], np.nan)
        means = (_mean(before[..., _SIZE], before[..., _STEPS]), _mean(before[..., _ANGLE], before[..., _ANGLES]))
        first, T = self.step, sums.shape[-3]
        self.totals, self.step = totals[..., -1, :, :].copy(), first + T
        rows = slice(-first % self.every, None, self.every)
        columns = (distance(grouped), walked, sizes, lengths, angles, *means)
        return Path(np.arange(first, first + T)[rows], *(column[..., rows, :].copy() for column in columns))

    def _totals_before_and_after(self, lengths: FloatArray, sizes: FloatArray, angles: FloatArray) -> FloatArray:
        """Return the totals (..., T + 1, G, 5) before each of T steps, and after the last."""
        stepped, turned = np.isfinite(lengths), np.isfinite(angles)
        added = np.zeros((*lengths.shape, 5))
        added[..., _STEPS], added[..., _ANGLES] = stepped, turned
        for place, values, counts in ((_LENGTH, lengths, stepped), (_SIZE, sizes, stepped), (_ANGLE, angles, turned)):
            added[..., place] = np.where(counts, values, 0.0)
        before = np.broadcast_to(self.totals, (*lengths.shape[:-2], *self.totals.shape[-2:]))
        totals: FloatArray = np.cumsum(np.concatenate([before[..., None, :, :], added], axis=-3), axis=-3)
        return totals

    @property
    def path_length(self) -> FloatArray:
        """Length of the path walked so far, (..., G)."""
        return self.totals[..., _LENGTH]

    @property
    def mean_step_size(self) -> FloatArray:
        """Mean norm of the gradient over all steps, (..., G); NaN before the first."""
        return _mean(self.totals[..., _SIZE], self.totals[..., _STEPS])

    @property
    def mean_angle(self) -> FloatArray:
        """Mean of the angles over the steps that have one, (..., G); NaN while there is none."""
        return _mean(self.totals[..., _ANGLE], self.totals[..., _ANGLES])


_STEPS, _LENGTH, _SIZE, _ANGLES, _ANGLE = range(5)
"""Places in the totals: how many steps, what they add up to, how many of them have an angle, and the angles' sum."""


def _root(sums: FloatArray, which: Sums) -> FloatArray:
    root: FloatArray = np.sqrt(sums[..., which])
    return root


def _mean(sums: FloatArray, counts: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: FloatArray = sums / counts
    return mean
