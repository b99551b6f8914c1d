"""The rules every data set keeps. Rows and columns in the messages count from 0."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.data.layout import INT32, NORMALISATIONS
from capacity.errors import InputError, did_you_mean

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
    for problem in shape_problems(features, labels):
        raise InputError(f"{what} {problem}")


def shape_problems(features: tuple[int, ...], labels: tuple[int, ...]) -> Iterator[str]:
    """Yield what is wrong with these shapes, as sentences without the split they are of."""
    if len(features) != 2:
        yield f"features have the shape {features}: expected two axes (N, D), a sample a row"
    if len(labels) != 1:
        yield f"labels have the shape {labels}: expected one axis (N,), a class index a sample"
    if len(features) != 2 or len(labels) != 1:
        return
    if features[0] < 1:
        yield "features have no rows: expected at least one sample"
    if features[1] < 1:
        yield "features have no columns: expected at least one feature"
    if labels != features[:1]:
        yield f"labels have {labels[0]} rows, the features {features[0]}: expected as many of each"


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
    *,
    inputs: int,
    classes: int,
    scale: float,
    normalisation: str,
    class_names: Sequence[str] | None,
    feature_names: Sequence[str],
    what: str,
) -> None:
    """Require what is stored once per file to be usable and to agree with itself."""
    for problem in header_problems(inputs, classes, scale, normalisation, class_names, feature_names):
        raise InputError(f"{what} {problem}")


def header_problems(
    inputs: int,
    classes: int,
    scale: float,
    normalisation: str,
    class_names: Sequence[str] | None,
    feature_names: Sequence[str],
) -> Iterator[str]:
    """Yield what is wrong with that, as sentences without their subject; class names may be none."""
    if classes < 2:
        yield f"has {classes} class: expected at least two"
    if classes > MAX_CLASSES:
        yield f"has {classes} classes: expected at most {MAX_CLASSES}; is a label wrong?"
    wrong = next((name for name in (*(class_names or ()), *feature_names) if "\0" in name or _broken(name)), None)
    if wrong is not None:
        yield f"has a name with a NUL character, or that is not UTF-8 ({wrong!a:.60}): expected text"
    if not (np.isfinite(scale) and scale > 0):
        yield f"has the scale {scale}: expected a positive finite number"
    if normalisation not in NORMALISATIONS:
        yield f"has the normalisation '{normalisation[:60]}'{did_you_mean(normalisation, NORMALISATIONS)}"
    if class_names is not None and len(class_names) != classes:
        yield f"has {len(class_names)} class names for {classes} classes: expected as many of each"
    if feature_names and len(feature_names) != inputs:
        yield f"has {len(feature_names)} feature names for {inputs} features: expected as many"


def _broken(name: str) -> bool:
    """Tell whether a text holds surrogates, as names of files do that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
