"""What the check of a data set file found."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capacity.data.checking.duplicates import Duplicates, Leakage
from capacity.data.checking.feature_survey import Places
from capacity.data.checking.label_survey import Labels
from capacity.data.checking.survey import Storage


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know.

    Attributes
    ----------
    level : {"error", "warning", "note"}
        An error keeps a training from starting or makes it worthless, a warning says what to keep in mind.
    kind : str
        For programs, as "contradictions".
    split : {"train", "test"} or None
    text : str
        One sentence: what was found, and what to do.
    """

    level: str
    kind: str
    split: str | None
    text: str


@dataclass(frozen=True)
class SplitCheck:
    """What was found in one split.

    Attributes
    ----------
    samples, inputs : int
        N and D.
    read : int
        Rows that were looked at: all, unless the file is damaged.
    storage : Storage
        Of the features.
    low, high : float or None
        Range of the finite stored values; None when there are none.
    nan, infinite : Places
        Of (row, column). Values too large for the type they are used in count as infinite.
    zero_rows : Places
        Rows of zeros alone, of (row,).
    duplicates : Duplicates
        0.0 and -0.0 are equal, and so is any NaN to any other.
    """

    samples: int
    inputs: int
    read: int
    storage: Storage
    low: float | None
    high: float | None
    nan: Places
    infinite: Places
    zero_rows: Places
    duplicates: Duplicates


@dataclass(frozen=True)
class DatasetCheck:
    """What :func:`check_dataset` found. Rows and columns count from 0.

    Attributes
    ----------
    path : Path
    name : str
    classes : int
        K: as the file says, or else the largest label + 1.
    class_names, feature_names : tuple of str
    scale : float
    normalisation : str
    train, test : SplitCheck or None
        None where there is no such split, or its features could not be read.
    labels : dict of str to Labels
        By split; without those that could not be read.
    constant_features : tuple of (int, float)
        Columns that hold one value in all training rows, and that stored value.
    duplicate_features : tuple of tuple of int
        Columns that are equal in all training rows, in groups; constant ones are left out.
    leakage : Leakage or None
        None where there is no test split to compare.
    stored_digest : str
        As the file says; empty where it does not.
    digest : str
        Of the content as it was read; empty where labels or features do not allow one.
    validated : bool
        Whether the file is marked as one whose values were checked when its stored digest was computed.
    findings : tuple of Finding
        By gravity.
    """

    path: Path
    name: str
    classes: int
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    scale: float
    normalisation: str
    train: SplitCheck | None
    test: SplitCheck | None
    labels: dict[str, Labels]
    constant_features: tuple[tuple[int, float], ...]
    duplicate_features: tuple[tuple[int, ...], ...]
    leakage: Leakage | None
    stored_digest: str
    digest: str
    validated: bool
    findings: tuple[Finding, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a training can use the file: there is no error."""
        return not any(finding.level == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One of "ok", "warnings", "errors"."""
        levels = {finding.level for finding in self.findings}
        return "errors" if "error" in levels else "warnings" if "warning" in levels else "ok"

    @property
    def splits(self) -> dict[str, SplitCheck]:
        """The splits that could be read, by name."""
        found = {"train": self.train, "test": self.test}
        return {name: split for name, split in found.items() if split is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in the types of JSON; numbers that JSON has none for (NaN, infinity) as texts."""
        return {"verdict": self.verdict, "usable": self.usable, **_plain(self)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
