"""Equal rows within and across the splits of one file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checking.duplicates import EqualRows, equal_rows
from capacity.data.checking.survey import SplitSurvey


def comparable(surveys: Mapping[str, SplitSurvey]) -> bool:
    """Tell whether the rows of all splits are of the same type and width."""
    return len({(survey.rows.dtype, survey.rows.shape[1]) for survey in surveys.values()}) <= 1


def equal_rows_of(surveys: Mapping[str, SplitSurvey]) -> dict[str, EqualRows]:
    """Find the rows of each split that equal another; groups have the same numbers in all splits, if comparable."""
    if not comparable(surveys):
        return {name: equal_rows_of({name: survey})[name] for name, survey in surveys.items()}
    if not surveys:
        return {}
    bounds = [0, *accumulate(survey.read for survey in surveys.values())]

    def digests(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        cuts = np.searchsorted(rows, bounds)
        parts = zip(surveys.values(), bounds, pairwise(cuts), strict=False)
        return np.concatenate([survey.digests(rows[low:high] - start) for survey, start, (low, high) in parts])

    equal = equal_rows(np.concatenate([survey.hashes[: survey.read] for survey in surveys.values()]), digests)
    return {name: equal.part(*ends) for name, ends in zip(surveys, pairwise(bounds), strict=True)}


def label_numbers(labels: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int32]]:
    """Number the labels (N,) of each split, whatever they are: the same label has the same number in all splits."""
    if not labels:
        return {}
    together = np.unique(np.concatenate(list(labels.values())), return_inverse=True)[1].astype(np.int32)
    cuts = list(accumulate(len(values) for values in labels.values()))[:-1]
    return dict(zip(labels, np.split(together, cuts), strict=True))
