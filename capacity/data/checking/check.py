"""Checking a data set file: everything in it is read once, and all that is wrong with it is said at once."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checking.check_result import DatasetCheck, Finding, SplitCheck
from capacity.data.checking.duplicates import EqualRows, Leakage, duplicates, leakage
from capacity.data.checking.label_survey import largest_class, survey_labels
from capacity.data.checking.split_comparison import comparable, equal_rows_of, label_numbers
from capacity.data.checking.survey import Rows, SplitSurvey
from capacity.data.checking.verdict import SPLIT_WORDS, findings
from capacity.data.checks import as_labels, header_problems, shape_problems
from capacity.data.layout import NORMALISATIONS, SPLITS, content_digest
from capacity.data.opening import check_format, locate, stored_factors
from capacity.data.reading.hdf5 import array, attribute, features_in, hdf5_file, json_object, text, texts
from capacity.errors import InputError


def check_dataset(path: str | Path, progress: Callable[[int], None] | None = None) -> DatasetCheck:
    """Read a data set file once, whatever it holds, and say all that is wrong with it.

    What `open_dataset` refuses is an error, and so is a stored digest that is not the content's, which `open_dataset`
    does not compute.

    Parameters
    ----------
    path : str or Path
        An HDF5 file, or a built-in name (`digits`).
    progress : callable, optional
        Called with the number of rows read, block after block; :func:`rows_in` says how many there will be.

    Returns
    -------
    DatasetCheck
        Beside a few blocks of 4 MiB it takes some 80 bytes of memory a row and 100 a column, however large a row is.

    Raises
    ------
    InputError
        There is no such file, or it is no readable HDF5 file at all.

    Examples
    --------
    >>> check_dataset("digits").verdict
    'ok'
    """
    located = locate(path)
    with hdf5_file(located) as file:
        return _Check(file, located).run(progress)


def rows_in(path: str | Path) -> int:
    """Return how many rows :func:`check_dataset` is going to read, by what the file says."""
    located = locate(path)
    with hdf5_file(located) as file:
        return sum(rows.shape[0] for rows in _Check(file, located).rows.values())


@dataclass(frozen=True)
class _Header:
    """What is stored once per file."""

    name: str
    classes: int
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    scale: float
    normalisation: str


class _Check:
    """A file while it is checked: what can be used of it, and what is wrong with the rest."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path
        self._problems: list[Finding] = []
        self.rows: dict[str, Rows] = {}
        self._stored_labels: dict[str, Any] = {}
        with self._noted("format"):
            check_format(file, path)
        for split in SPLITS:
            if split == "train" or split in file:
                self._open(split)

    def run(self, progress: Callable[[int], None] | None) -> DatasetCheck:
        """Read it all."""
        read = {split: self._read(split, stored) for split, stored in self._stored_labels.items()}
        labels = {split: values for split, values in read.items() if len(values)}
        header = self._header(max(2, 1 + max(map(largest_class, labels.values()), default=0)))
        matching = {split: labels[split] for split in self.rows if self._match(split, labels)}
        indices = {split: whole for split, values in matching.items() if (whole := _class_indices(values)) is not None}
        surveys = {split: SplitSurvey(rows) for split, rows in self.rows.items()}
        stored_digest = self._attribute("digest", text, "")
        validated = bool(stored_digest) and self._attribute("validated", text, "") == stored_digest
        vouched = validated and header.normalisation in NORMALISATIONS
        for split, survey in surveys.items():
            with self._noted("damaged", split):
                survey.run(indices.get(split), progress, header.normalisation if vouched else "none")
            with self._noted("factors", split):
                self._check_factors(split, survey)
        equal, numbers = equal_rows_of(surveys), label_numbers(matching)
        parts = {split: _split_check(survey, equal[split], numbers.get(split)) for split, survey in surveys.items()}
        found = DatasetCheck(
            path=self._path,
            **vars(header),
            train=parts.get("train"),
            test=parts.get("test"),
            labels={split: survey_labels(values, header.classes) for split, values in labels.items()},
            constant_features=_constant(surveys.get("train")),
            duplicate_features=_duplicate(surveys.get("train")),
            leakage=_leakage(surveys, equal, numbers),
            stored_digest=stored_digest,
            digest=self._digest(surveys, indices, header),
            validated=validated,
        )
        return dataclasses.replace(found, findings=findings(found, self._problems))

    def _match(self, split: str, labels: dict[str, NDArray[Any]]) -> bool:
        return split in labels and len(labels[split]) == self.rows[split].shape[0]

    @contextmanager
    def _noted(self, kind: str, split: str | None = None) -> Iterator[None]:
        """Turn the error that would stop the opening of a data set into a finding."""
        try:
            yield
        except InputError as error:
            self._problem(kind, split, str(error).removeprefix(f"{self._path}: "))

    def _problem(self, kind: str, split: str | None, sentence: str) -> None:
        self._problems.append(Finding("error", kind, split, sentence))

    def _open(self, split: str) -> None:
        """Look at the arrays of a split, and keep what can be read in rows."""
        features = values = labels = None
        with self._noted("unreadable", split):
            features, values = features_in(self._file, split, self._path)
        with self._noted("unreadable", split):
            labels = array(self._file, f"{split}/labels", self._path)
        word = SPLIT_WORDS[split]
        if features is not None and (features is not values or (features.ndim == 2 and features.size)):
            with self._noted("unreadable", split):
                self.rows[split] = Rows(features, values, self._path, f"{word} features")
        shape = self.rows[split].shape if split in self.rows else getattr(features, "shape", None)
        if shape is not None and labels is not None:
            for problem in shape_problems(shape, labels.shape):
                self._problem("shape", split, f"{word} {problem}")
        if labels is not None and labels.ndim == 1 and labels.size:
            with self._noted("unreadable", split):
                as_labels(np.empty(0, labels.dtype), word)
                self._stored_labels[split] = labels

    def _check_factors(self, split: str, survey: SplitSurvey) -> None:
        """Compare the factors that a training would take from the file with those that the rows have."""
        if not len(survey.row_scale):
            return
        stored, found = stored_factors(self._file, split, self._path)[: survey.read], survey.row_scale[: survey.read]
        wrong = np.flatnonzero(~np.isclose(stored, found, rtol=1e-5, atol=0))  # other processors round otherwise
        if wrong.size:
            self._problem(
                "factors",
                split,
                f"{SPLIT_WORDS[split]} row_scale holds {stored[wrong[0]]:.6g} for row {wrong[0]}, whose norm gives "
                f"{found[wrong[0]]:.6g}, and {len(wrong) - 1} more like it: the file is damaged, make it again",
            )

    def _read(self, split: str, stored: Any) -> NDArray[Any]:
        """Return all labels (N,), or none when they cannot be read."""
        try:
            return np.asarray(stored[()], stored.dtype.newbyteorder("="))
        except (OSError, RuntimeError) as error:  # h5py raises both
            reason = " ".join(str(error).split())
            self._problem(
                "damaged", split, f"{SPLIT_WORDS[split]} labels cannot be read, the file is damaged: {reason}"
            )
            return np.empty(0)

    def _attribute(self, key: str, read: Callable[[Any], Any], default: Any) -> Any:
        with self._noted("header"):
            return attribute(self._file, key, read, default, self._path)
        return default

    def _header(self, classes_at_least: int) -> _Header:
        classes = self._attribute("classes", operator.index, classes_at_least)
        class_names = self._attribute("class_names", texts, None)
        feature_names = self._attribute("feature_names", texts, ())
        scale = self._attribute("scale", float, 1.0)
        normalisation = self._attribute("normalisation", text, "none")
        self._attribute("provenance", json_object, {})
        if "train" in self.rows:
            inputs = self.rows["train"].shape[1]
            for problem in header_problems(inputs, classes, scale, normalisation, class_names, feature_names):
                self._problem("header", None, f"the file {problem}")
        name = self._attribute("name", text, self._path.stem)
        usable_classes = classes if classes >= 2 else classes_at_least  # for what else is said of the labels
        return _Header(name, usable_classes, class_names or (), feature_names, scale, normalisation)

    def _digest(self, surveys: dict[str, SplitSurvey], indices: dict[str, NDArray[np.int32]], header: _Header) -> str:
        """Return the digest of the content, or nothing where a part of it is missing, damaged or no class index."""
        whole = {split for split, survey in surveys.items() if survey.read == survey.rows.shape[0] and split in indices}
        if "train" not in whole or any(split in self._file and split not in whole for split in SPLITS):
            return ""
        rows = surveys["train"].rows
        hashes = {split: surveys[split].content for split in SPLITS if split in whole}
        return content_digest(
            hashes,
            dtype=rows.dtype,
            inputs=rows.shape[1],
            classes=header.classes,
            scale=header.scale,
            normalisation=header.normalisation,
        )


def _class_indices(labels: NDArray[Any]) -> NDArray[np.int32] | None:
    """Return labels (N,) as they are part of the digest; None where they cannot be."""
    try:
        return as_labels(labels, "the")
    except InputError:  # they are reported with all others of their kind
        return None


def _split_check(survey: SplitSurvey, equal: EqualRows, numbers: NDArray[np.int32] | None) -> SplitCheck:
    columns, (samples, inputs) = survey.columns, survey.rows.shape
    usable = columns.low <= columns.high
    return SplitCheck(
        samples=samples,
        inputs=inputs,
        read=survey.read,
        storage=survey.rows.storage,
        low=float(columns.low[usable].min()) if survey.read and usable.any() else None,
        high=float(columns.high[usable].max()) if survey.read and usable.any() else None,
        nan=columns.nan,
        infinite=columns.infinite,
        zero_rows=survey.zero_rows,
        duplicates=duplicates(equal, survey.read, None if numbers is None else numbers[: survey.read]),
    )


def _constant(survey: SplitSurvey | None) -> tuple[tuple[int, float], ...]:
    if survey is None or not survey.read:
        return ()
    return tuple((column, float(survey.columns.low[column])) for column in survey.columns.constant().tolist())


def _duplicate(survey: SplitSurvey | None) -> tuple[tuple[int, ...], ...]:
    if survey is None or not survey.read:
        return ()
    constant = set(survey.columns.constant().tolist())
    return tuple(tuple(family) for family in survey.columns.equal.families() if family[0] not in constant)


def _leakage(
    surveys: dict[str, SplitSurvey], equal: dict[str, EqualRows], numbers: dict[str, NDArray[np.int32]]
) -> Leakage | None:
    if set(surveys) != set(SPLITS) or not comparable(surveys):
        return None
    train, test = SPLITS
    return leakage(equal[train], equal[test], numbers.get(train), numbers.get(test))
