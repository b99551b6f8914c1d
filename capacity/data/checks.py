"""The rules every data set keeps. Rows and columns in the messages count from 0."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.data.layout import INT32
from capacity.errors import InputError

MAX_CLASSES = 1 << 20
"""Names and counts of all classes are kept in memory, and a network has an output for each."""


def class_count(value: Any) -> int:
    """Return K as an int; ValueError where it is none, or more than `MAX_CLASSES`."""
    classes = operator.index(value)
    if classes > MAX_CLASSES:
        raise ValueError(f"{classes} classes, expected at most {MAX_CLASSES}")
    return classes


def check_shapes(features: tuple[int, ...], labels: tuple[int, ...], what: str) -> None:
    """Require features (N, D) and labels (N,) with N and D at least 1; `what` names the split."""
    if len(features) != 2:
        raise InputError(f"{what} features have the shape {features}: expected two axes (N, D), a sample a row")
    if len(labels) != 1:
        raise InputError(f"{what} labels have the shape {labels}: expected one axis (N,), a class index a sample")
    if features[0] < 1:
        raise InputError(f"{what} features have no rows: expected at least one sample")
    if features[1] < 1:
        raise InputError(f"{what} features have no columns: expected at least one feature")
    if labels != features[:1]:
        raise InputError(f"{what} labels have {labels[0]} rows, the features {features[0]}: expected as many of each")


def check_finite(features: NDArray[Any], what: str, *, first_row: int = 0, names: Sequence[str] = ()) -> None:
    """Refuse NaN and infinity in a block of features (n, D), naming row and column of the first."""
    if features.dtype.kind != "f":
        return
    finite = np.isfinite(features)
    if finite.all():
        return
    row, column = (int(index) for index in np.argwhere(~finite)[0])
    value = "NaN" if np.isnan(features[row, column]) else "an infinity (or a number too large for float32)"
    named = f"{column} ('{names[column]}')" if names else f"{column}"
    raise InputError(
        f"{what} features hold {value} in row {first_row + row}, column {named}: expected finite numbers; "
        "fill or drop them first"
    )


def as_labels(values: ArrayLike, what: str, *, classes: int | None = None, first_row: int = 0) -> NDArray[np.int32]:
    """Return labels (n,) as int32 after checking that they are whole numbers in 0..K-1 (K at most `MAX_CLASSES`)."""
    labels = np.asarray(values)
    if labels.dtype.kind not in "biuf":
        raise InputError(f"{what} labels have the type {labels.dtype}: expected whole numbers 0..K-1")
    limit = MAX_CLASSES if classes is None else classes
    with np.errstate(invalid="ignore"):
        wrong = (labels != np.trunc(labels)) | (labels < 0) | (labels >= limit)
    if wrong.any():
        row = int(np.argmax(wrong))
        top = f"K-1, K at most {MAX_CLASSES}" if classes is None else f"{classes - 1}"
        raise InputError(
            f"{what} labels hold {labels[row]} in row {first_row + row}: expected whole numbers in 0..{top}"
        )
    return np.ascontiguousarray(labels, dtype=INT32)


def check_several_classes(counts: NDArray[Any], what: str) -> None:
    """Require at least two classes in use; `counts` (K,) are the samples of each class."""
    used = np.flatnonzero(counts)
    if len(used) < 2:
        raise InputError(f"{what} labels are all of class {used[0]}: expected samples of at least two classes")


def check_header(
    *, inputs: int, classes: int, scale: float, class_names: Sequence[str], feature_names: Sequence[str], what: str
) -> None:
    """Require what is stored once per file to be usable and to agree with itself."""
    if classes < 2:
        raise InputError(f"{what} has {classes} class: expected at least two")
    wrong = next((name for name in (*class_names, *feature_names) if "\0" in name), None)
    if wrong is not None:
        raise InputError(f"{what} has a name with a NUL character ({wrong!r:.60}): expected text")
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"{what} has the scale {scale}: expected a positive finite number")
    if len(class_names) != classes:
        raise InputError(f"{what} has {len(class_names)} class names for {classes} classes: expected as many of each")
    if feature_names and len(feature_names) != inputs:
        raise InputError(f"{what} has {len(feature_names)} feature names for {inputs} features: expected as many")
