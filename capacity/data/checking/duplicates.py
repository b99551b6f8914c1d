"""Rows that occur more than once in a file, within a split and across splits, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checking.feature_survey import FEW
from capacity.data.equal_rows import commonest, mixed, repeated
from capacity.data.layout import row_blocks

_DIGEST_BYTES = 16
_GAP_BYTES = 256 << 10  # rows further apart are read on their own: reading on would take longer than going there


@dataclass(frozen=True)
class Duplicates:
    """Equal rows of one split. Equal rows are a group; a group whose labels differ is contradictory.

    Attributes
    ----------
    groups, rows : int
        How many groups there are, and the rows in them.
    repeats : int
        Rows that equal an earlier row: `rows - groups`. Without them each row occurs once.
    contradictory_groups, contradictory_rows : int
        The part of them whose labels differ.
    fittable : int or None
        The most rows of the split that any function of the features can fit: of each group those of its commonest
        label, and all others. None without usable labels.
    first, first_contradictory : tuple of (int, int)
        The first few pairs (row, later row that equals it); in the second their labels differ.
    """

    groups: int
    rows: int
    repeats: int
    contradictory_groups: int
    contradictory_rows: int
    fittable: int | None
    first: tuple[tuple[int, int], ...]
    first_contradictory: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Leakage:
    """Test rows whose features occur in the training split.

    Attributes
    ----------
    rows : int
        How many.
    same_label, other_label : int or None
        Those that some equal training row labels the same, and those that none does. None without usable labels.
    first : tuple of (int, int)
        The first few, as (test row, first training row that equals it).
    """

    rows: int
    same_label: int | None
    other_label: int | None
    first: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class EqualRows:
    """All rows of one or more arrays that equal another: `rows` (M,) ascending, `groups` (M,) numbers of the equal."""

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]

    def part(self, start: int, stop: int) -> EqualRows:
        """Return those in rows start..stop-1, counted from `start`; some may have no equal left among them."""
        inside = slice(*np.searchsorted(self.rows, [start, stop]))
        return EqualRows(self.rows[inside] - start, self.groups[inside])


def equal_rows(hashes: NDArray[np.uint64], digests: Callable[[NDArray[np.int64]], NDArray[np.uint64]]) -> EqualRows:
    """Find the rows that are equal, given the :func:`~capacity.data.equal_rows.row_hashes` of all (N,).

    Rows that share a hash are read again, in the order of the file, and told apart by 128 bits of their SHA-256: no
    two different rows with the same ones can be found, even on purpose. So a row takes 16 bytes of memory.
    Comparing the rows themselves would need one of each group at hand, half of a file that holds everything twice.
    Altogether it is some 80 bytes a row at most, however many are equal.

    Parameters
    ----------
    hashes : ndarray (N,) of uint64
    digests : callable
        Given rows, ascending, return their digests (n, 2) of uint64.
    """
    candidates = repeated(hashes)
    if not len(candidates):
        return EqualRows(candidates, candidates)
    found = digests(candidates)
    order = np.lexsort((found[:, 0], found[:, 1]))
    differs = (found[order[1:]] != found[order[:-1]]).any(axis=1)
    number = np.zeros(len(candidates), np.int64)
    number[order[1:]] = np.cumsum(differs)
    truly = repeated(number)
    return EqualRows(candidates[truly], np.unique(number[truly], return_inverse=True)[1])


def row_digests(read: Callable[[slice], NDArray[Any]], rows: NDArray[np.int64], row_bytes: int) -> NDArray[np.uint64]:
    """Return the digests (n, 2) of rows, ascending, of an array that `read` gives slices of."""
    found = np.empty((len(rows), _DIGEST_BYTES), np.uint8)
    done, fresh = 0, hashlib.sha256()
    for some in _near(rows, row_bytes):
        block = read(slice(int(some[0]), int(some[-1]) + 1))
        joined = b"".join(_digest(fresh, block[row].data) for row in (some - some[0]).tolist())
        found[done : done + len(some)] = np.frombuffer(joined, np.uint8).reshape(-1, _DIGEST_BYTES)
        done += len(some)
    return found.view(np.uint64)


def _digest(fresh: hashlib._Hash, row: memoryview) -> bytes:
    running = fresh.copy()  # takes half the time of a new one
    running.update(row)
    return running.digest()[:_DIGEST_BYTES]


def _near(rows: NDArray[np.int64], row_bytes: int) -> Iterator[NDArray[np.int64]]:
    """Cut ascending rows into those to be read together: no large gaps, and no more than a block from end to end."""
    if not len(rows):
        return
    for together in np.split(rows, np.flatnonzero(np.diff(rows) * row_bytes > _GAP_BYTES) + 1):
        for block in row_blocks(int(together[-1] - together[0]) + 1, row_bytes):
            inside = slice(*np.searchsorted(together - together[0], [block.start, block.stop]))
            if inside.start < inside.stop:
                yield together[inside]


def duplicates(equal: EqualRows, samples: int, labels: NDArray[np.int32] | None) -> Duplicates:
    """Describe the equal rows of one split of N rows.

    Parameters
    ----------
    equal : EqualRows
        Of the split; rows without an equal among them are left out of account.
    samples : int
        N.
    labels : ndarray (N,) of int32 or None
        Numbers that are the same for the same labels; None where there are none.
    """
    several = repeated(equal.groups)
    rows, groups = equal.rows[several], equal.groups[several]
    earliest = _first_rows(EqualRows(rows, groups))[groups]
    against = np.zeros(0, np.int64) if labels is None else mixed(groups, labels[rows])
    contradictory, fittable = groups[against], None
    if labels is not None:
        fittable = (
            samples - len(against) + commonest(np.unique(contradictory, return_inverse=True)[1], labels[rows[against]])
        )
    other = np.zeros(len(rows), np.bool_) if labels is None else labels[rows] != labels[earliest]
    count = len(np.unique(groups))
    return Duplicates(
        groups=count,
        rows=len(rows),
        repeats=len(rows) - count,
        contradictory_groups=len(np.unique(contradictory)),
        contradictory_rows=len(against),
        fittable=fittable,
        first=_pairs(earliest, rows, earliest != rows),
        first_contradictory=_pairs(earliest, rows, other),
    )


def leakage(
    train: EqualRows, test: EqualRows, train_labels: NDArray[np.int32] | None, test_labels: NDArray[np.int32] | None
) -> Leakage:
    """Describe the test rows that equal a training row; labels as in :func:`duplicates`."""
    known = np.isin(test.groups, train.groups)
    rows, groups = test.rows[known], test.groups[known]
    same = None
    if train_labels is not None and test_labels is not None:
        classes = int(max(train_labels.max(initial=0), test_labels.max(initial=0))) + 1
        pairs = train.groups * classes + train_labels[train.rows]
        same = int(np.isin(groups * classes + test_labels[rows], pairs).sum())
    return Leakage(
        rows=len(rows),
        same_label=same,
        other_label=None if same is None else len(rows) - same,
        first=_pairs(rows, _first_rows(train)[groups], np.ones(len(rows), np.bool_)),
    )


def _first_rows(equal: EqualRows) -> NDArray[np.int64]:
    """Return the first row of each group, by the group's number."""
    first = np.zeros(int(equal.groups.max(initial=-1)) + 1, np.int64)
    first[equal.groups[::-1]] = equal.rows[::-1]  # of several values for a group the last is kept
    return first


def _pairs(ones: NDArray[np.int64], others: NDArray[np.int64], which: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    few = np.flatnonzero(which)[:FEW]
    return tuple((int(one), int(other)) for one, other in zip(ones[few], others[few], strict=True))
