"""How the columns of a table become numbers: what is learnt from the rows, and the encoding that follows from it."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

MAX_CATEGORIES = 1000
"""More different texts than this in a column mean names or numbers with a typing error, not categories."""

_LARGEST_EXACT = 2.0**53
"""Larger whole numbers are not told apart in float64."""


class Column(Protocol):
    """A feature column of a table. `learn` sees every block once, in order, before `encode` is used."""

    name: str
    outputs: list[str]

    def learn(self, values: Any, rows: NDArray[np.int64], training: NDArray[np.bool_]) -> None: ...
    def finish(self) -> None: ...
    def encode(self, values: Any) -> NDArray[np.float64]: ...
    def record(self) -> dict[str, Any]: ...


def is_numeric(values: Any) -> bool:
    """Tell whether every text of a column, missing ones aside, is a number."""
    import pyarrow as pa

    try:
        values.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return a numeric column of texts as float64 (n,), NaN where missing."""
    import pyarrow as pa

    found: NDArray[np.float64] = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


class Numeric:
    """A column of numbers. A missing value becomes the training mean; optionally the column is standardised.

    Mean and variance are merged block by block (Chan, Golub and LeVeque 1983, eq. 2.1), over training rows only. The
    standard deviation is that of the population (divided by n); a constant column is only centred.
    """

    def __init__(self, name: str, *, standardise: bool) -> None:
        self.name, self.outputs = name, [name]
        self._standardise = standardise
        self._count, self._mean, self._squares, self._missing = 0, 0.0, 0.0, 0

    def learn(self, values: Any, rows: NDArray[np.int64], training: NDArray[np.bool_]) -> None:
        found = _numbers(values)
        present = values.is_valid().to_numpy(zero_copy_only=False)
        wrong = present & ~np.isfinite(found)
        if wrong.any():
            raise InputError(
                f"column '{self.name}' holds {found[wrong][0]} in data row {rows[wrong][0]}: expected finite numbers, "
                "or one of the texts for a missing value"
            )
        self._missing += len(found) - int(present.sum())
        block = found[present & training]
        if len(block):
            with np.errstate(over="ignore", invalid="ignore"):
                self._merge(block)

    def _merge(self, block: NDArray[np.float64]) -> None:
        total, mean = self._count + len(block), float(block.mean())
        shift = mean - self._mean
        self._squares += float(np.square(block - mean).sum()) + shift * shift * self._count * len(block) / total
        self._mean += shift * len(block) / total
        self._count = total

    def finish(self) -> None:
        if self._count == 0:
            raise InputError(f"column '{self.name}' has no value in the training rows: remove it from the file")
        if not math.isfinite(self._squares):
            raise InputError(f"column '{self.name}' has numbers too large for a mean and a deviation: rescale it")

    def encode(self, values: Any) -> NDArray[np.float64]:
        found = _numbers(values)
        filled = np.where(np.isnan(found), self._mean, found)
        if self._standardise:
            filled = (filled - self._mean) / (self._deviation or 1.0)
        return filled[:, None]

    def record(self) -> dict[str, Any]:
        constants = {"mean": self._mean, "std": self._deviation}
        used = constants if self._standardise else {"mean": self._mean} if self._missing else {}
        return {"name": self.name, "kind": "numeric", "missing": self._missing, **used}

    @property
    def _deviation(self) -> float:
        return math.sqrt(self._squares / self._count)


class Categorical:
    """A column of texts, one-hot: one output a text, in sorted order; a missing value is zero in all of them."""

    def __init__(self, name: str, example: tuple[str, int]) -> None:
        self.name, self.outputs = name, list[str]()
        self._example = example
        self._categories, self._missing = set[str](), 0

    def learn(self, values: Any, rows: NDArray[np.int64], training: NDArray[np.bool_]) -> None:
        self._missing += values.null_count
        self._categories.update(values.drop_null().unique().to_pylist())
        if len(self._categories) > MAX_CATEGORIES:
            text, row = self._example
            raise InputError(
                f"column '{self.name}' is text ('{text}' in data row {row}) with more than {MAX_CATEGORIES} different "
                "values: expected numbers or categories; mend it or remove it from the file"
            )

    def finish(self) -> None:
        self.outputs = [f"{self.name}={category}" for category in sorted(self._categories)]

    def encode(self, values: Any) -> NDArray[np.float64]:
        codes = _indices(values, sorted(self._categories))
        present = np.flatnonzero(codes >= 0)
        hot = np.zeros((len(codes), len(self._categories)))
        hot[present, codes[present]] = 1.0
        return hot

    def record(self) -> dict[str, Any]:
        found = {"missing": self._missing, "categories": sorted(self._categories)}
        return {"name": self.name, "kind": "categorical", **found}


class Labels:
    """The label column: whole numbers, classes in their order, or texts, classes in alphabetical order."""

    def __init__(self, name: str, *, numeric: bool) -> None:
        self.name, self._numeric = name, numeric
        self._found = set[Any]()

    def learn(self, values: Any, rows: NDArray[np.int64]) -> None:
        if values.null_count:
            row = rows[values.is_null().to_numpy(zero_copy_only=False)][0]
            raise InputError(
                f"label column '{self.name}' has no value in data row {row}: fill it, or use the rule 'drop'"
            )
        if not self._numeric:
            self._found.update(values.unique().to_pylist())
            return
        found = _numbers(values)
        wrong = ~np.isfinite(found) | (found != np.trunc(found)) | (np.abs(found) > _LARGEST_EXACT)
        if wrong.any():
            raise InputError(
                f"label column '{self.name}' holds {found[wrong][0]} in data row {rows[wrong][0]}: expected a class, "
                "as text or as a whole number"
            )
        self._found.update(np.unique(found).astype(int).tolist())

    @property
    def names(self) -> list[str]:
        return [str(item) for item in sorted(self._found)]

    def encode(self, values: Any) -> NDArray[np.int64]:
        if self._numeric:
            return np.searchsorted(np.array(sorted(self._found), dtype=np.float64), _numbers(values))
        return _indices(values, sorted(self._found))


def _indices(values: Any, texts: list[str]) -> NDArray[np.int64]:
    import pyarrow as pa
    from pyarrow import compute

    found = compute.index_in(values, value_set=pa.array(texts, pa.string())).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
