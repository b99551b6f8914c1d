"""How the columns of a table become numbers: what is learnt from the rows, and the encoding that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

MAX_CATEGORIES = 1000
"""More different texts than this in a column mean names or numbers with a typing error, not categories."""

MAX_CLASSES = 100_000
"""More different labels than this mean that another column holds the labels."""

MAX_TEXT = 1000
"""A longer text (in characters) is no category."""

_EXACT = 2.0**53  # whole numbers below are float64 without rounding


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
    """Return a column of numbers, or of texts that are, as float64 (n,), NaN where missing."""
    import pyarrow as pa

    found: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def check_texts(name: str, texts: Iterable[str]) -> None:
    """Refuse texts that cannot name a category or class in the file."""
    for text in texts:
        if len(text) > MAX_TEXT:
            raise InputError(
                f"column '{name}' holds a text of {len(text)} characters ({text[:20]!r}...): expected numbers or "
                f"categories of at most {MAX_TEXT}; remove the column from the file"
            )
        if "\0" in text:
            raise InputError(f"column '{name}' holds a text with a NUL byte ({text[:20]!r}): is it a file of text?")


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
        found = set(values.drop_null().unique().to_pylist()) - self._categories
        check_texts(self.name, found)
        self._categories |= found
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
    """The label column: whole numbers, classes in their order, or texts, classes in alphabetical order.

    Parameters
    ----------
    name : str
    numeric : bool
        Whether the labels are numbers.
    known : mapping, optional
        Name of each label there may be. Default: all that are found are classes, and are their names.
    """

    def __init__(self, name: str, *, numeric: bool, known: Mapping[Any, str] | None = None) -> None:
        self.name, self._numeric, self._known = name, numeric, known
        self._found = set[Any]()

    def learn(self, values: Any, rows: NDArray[np.int64]) -> None:
        if values.null_count:
            row = rows[values.is_null().to_numpy(zero_copy_only=False)][0]
            raise InputError(
                f"label column '{self.name}' has no value in data row {row}: fill it, or use the rule 'drop'"
            )
        found = self._whole(values, rows) if self._numeric else values.unique().to_pylist()
        new = set(found) - self._found
        if not self._numeric:
            check_texts(self.name, new)
        self._found |= new
        if len(self._found) > MAX_CLASSES:
            raise InputError(
                f"label column '{self.name}' has more than {MAX_CLASSES} different values: expected classes; choose "
                "the column that holds them"
            )
        strange = new - self._known.keys() if self._known else ()
        if self._known and strange:
            names = set(map(str, self._known))  # numbers beside a text are texts too, and not what is wrong
            raise InputError(
                f"label column '{self.name}' holds '{min(strange, key=lambda item: (str(item) in names, item))}': "
                "expected one of "
                f"{', '.join(map(str, self._known))}; is it that data set?"
            )

    def _whole(self, values: Any, rows: NDArray[np.int64]) -> list[int]:
        found = _numbers(values)
        wrong = ~(np.abs(found) < _EXACT) | (found != np.trunc(found))
        if wrong.any():
            raise InputError(
                f"label column '{self.name}' holds {found[wrong][0]} in data row {rows[wrong][0]}: expected a class, "
                "as text or as a whole number"
            )
        whole: list[int] = np.unique(found).astype(int).tolist()
        return whole

    @property
    def names(self) -> list[str]:
        return [self._known[item] if self._known else str(item) for item in self._classes]

    @property
    def _classes(self) -> list[Any]:
        return sorted(self._known or self._found)

    def encode(self, values: Any) -> NDArray[np.int64]:
        if self._numeric:
            return np.searchsorted(np.array(self._classes, dtype=np.float64), _numbers(values))
        return _indices(values, self._classes)


def _indices(values: Any, texts: list[str]) -> NDArray[np.int64]:
    import pyarrow as pa
    from pyarrow import compute

    found = compute.index_in(values, value_set=pa.array(texts, pa.string())).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
