"""What the facts of a data set file mean for a person: findings, by gravity, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from capacity.data.checking.check_result import DatasetCheck, Finding, SplitCheck
from capacity.data.checking.feature_survey import Places
from capacity.data.checking.label_survey import Labels

SPLIT_WORDS = {"train": "training", "test": "test"}
LEVELS = ("error", "warning", "note")

_UNEQUAL = 10  # times as many samples of the largest class as of the smallest are worth a warning
_REPEATED = 0.01  # of the rows: fewer repeats are only noted
_NAMED = 3  # positions in a sentence


def findings(check: DatasetCheck, problems: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return all that there is to say of a file, by gravity; `problems` are those met while it was opened and read."""
    found = [*problems, *_disagreement(check)]
    for split, labels in check.labels.items():
        found += _labels(check, split, labels)
    for split, part in check.splits.items():
        found += _values(check, split, part)
    found += _digest(check)
    for split, part in check.splits.items():
        found += _equal_rows(split, part)
    found += [*_leakage(check), *_features(check)]
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def _disagreement(check: DatasetCheck) -> Iterator[Finding]:
    train, test = check.train, check.test
    if train and test and (train.inputs, train.storage.used_as) != (test.inputs, test.storage.used_as):
        yield Finding(
            "error",
            "disagreement",
            "test",
            f"test features are {test.inputs} columns of {test.storage.used_as}, training features {train.inputs} of "
            f"{train.storage.used_as}, so the splits were not compared: make both of the same columns and type",
        )


def _labels(check: DatasetCheck, split: str, labels: Labels) -> Iterator[Finding]:
    word = SPLIT_WORDS[split]
    if labels.wrong:
        count = sum(wrong.count for wrong in labels.wrong)
        kinds = "; ".join(
            f"{wrong.count:,} {wrong.kind}, {_several(f'{label} in row {row}' for row, label in wrong.first)}"
            for wrong in labels.wrong
        )
        yield Finding(
            "error",
            "labels",
            split,
            f"{_count(count, f'{word} label')} {_are(count)} no class index 0..{check.classes - 1} ({kinds}): number "
            "the classes from 0, and correct or drop these rows",
        )
    if split == "train":
        yield from _balance(check, labels)
    elif "train" in check.labels:
        yield from _untaught(check, labels)


def _balance(check: DatasetCheck, labels: Labels) -> Iterator[Finding]:
    if not labels.counts:
        return
    if len(labels.counts) == 1:
        only = _class(check, labels.counts[0][0])
        text = f"training labels are all of class {only}: expected samples of at least two classes"
        yield Finding("error", "one class", "train", text)
        return
    if absent := check.classes - len(labels.counts):
        used = dict(labels.counts)
        some = (number for number in range(check.classes) if number not in used)
        yield Finding(
            "warning",
            "absent classes",
            "train",
            f"{_count(absent, 'class', 'classes')} of {check.classes:,} {_have(absent)} no training sample "
            f"({_several((_class(check, number) for number in some), absent)}): check the labels, or number the "
            "classes without gaps",
        )
    (most, largest), (fewest, smallest) = (pick(labels.counts, key=lambda pair: pair[1]) for pick in (max, min))
    if largest >= _UNEQUAL * smallest:
        share = 1 - largest / sum(count for _, count in labels.counts)
        yield Finding(
            "warning",
            "imbalance",
            "train",
            f"classes are unequal, {largest:,} training samples of {_class(check, most)} and {smallest:,} of "
            f"{_class(check, fewest)}: hold errors against {share:.1%}, that of always answering {_class(check, most)}",
        )


def _untaught(check: DatasetCheck, labels: Labels) -> Iterator[Finding]:
    taught = dict(check.labels["train"].counts)
    without = [(number, count) for number, count in labels.counts if number not in taught]
    if without:
        rows = sum(count for _, count in without)
        named = _several((_class(check, number) for number, _ in without), len(without))
        yield Finding(
            "warning",
            "untaught classes",
            "test",
            f"{_count(rows, 'test row')} {_are(rows)} of classes without a training sample ({named}), which no "
            "training can get right: move samples to the training split or drop these rows",
        )


def _values(check: DatasetCheck, split: str, part: SplitCheck) -> Iterator[Finding]:
    word = SPLIT_WORDS[split]
    kinds = (("NaN", part.nan, ""), ("infinity", part.infinite, f" (or numbers too large for {part.storage.used_as})"))
    for kind, where, more in kinds:
        if where.count:
            text = f"{word} features hold {kind}{more} in {_count(where.count, 'place')} ({_cells(check, where)}): "
            yield Finding("error", kind.lower(), split, f"{text}fill them, or drop these rows")
    if part.zero_rows.count:
        count, rows = part.zero_rows.count, (f"{row}" for (row,) in part.zero_rows.first)
        yield Finding(
            "warning",
            "zero rows",
            split,
            f"{_count(count, f'{word} row')} {_are(count)} all zeros (row {_several(rows, count)}): check whether they "
            "were meant to hold something, else drop them",
        )


def _digest(check: DatasetCheck) -> Iterator[Finding]:
    if check.stored_digest and check.digest and check.stored_digest != check.digest:
        yield Finding(
            "error",
            "digest",
            None,
            f"the content has the digest {check.digest[:8]}..., the file says {check.stored_digest[:8]}...: it is "
            "damaged or was changed by hand; make it again, or remove the attributes 'digest' and 'validated' if the "
            "change was meant",
        )
    elif not check.stored_digest:
        text = "the file holds no digest, so damage cannot be seen: copy it with capacity.save_dataset to have one"
        yield Finding("note", "digest", None, text)


def _equal_rows(split: str, part: SplitCheck) -> Iterator[Finding]:
    word, equal = SPLIT_WORDS[split], part.duplicates
    if equal.contradictory_rows and equal.fittable is not None:
        one, other = equal.first_contradictory[0]
        least = 1 - equal.fittable / part.read
        bound = ", which bounds EMC" if split == "train" else ""
        yield Finding(
            "warning",
            "contradictions",
            split,
            f"{equal.contradictory_rows:,} {word} rows contradict each other, equal features with different labels "
            f"(rows {one} and {other}): no function gets more than {equal.fittable:,} of {part.read:,} right, an error "
            f"of {least:.2%}{bound}; correct or drop them, or keep this in mind",
        )
    if equal.repeats:
        one, other = equal.first[0]
        yield Finding(
            "warning" if equal.repeats >= _REPEATED * part.read else "note",
            "duplicate rows",
            split,
            f"{_count(equal.repeats, f'{word} row')} {_repeat(equal.repeats)} the features of an earlier one (row "
            f"{other} of row {one}), so there are only {part.read - equal.repeats:,} different examples: drop the "
            "repeats where that matters",
        )


def _leakage(check: DatasetCheck) -> Iterator[Finding]:
    if check.leakage is None or not check.leakage.rows or check.test is None:
        return
    leak, (row, known) = check.leakage, check.leakage.first[0]
    labelled = "" if leak.same_label is None else f"{leak.same_label:,} with the same label and {leak.other_label:,} "
    labelled += "" if leak.same_label is None else "with other labels only, "
    yield Finding(
        "warning",
        "leakage",
        "test",
        f"{_count(leak.rows, 'test row')} of {check.test.read:,} {_occur(leak.rows)} in the training split, {labelled}"
        f"as row {row} (training row {known}): the test error is not one on unseen data; drop these rows from one "
        "split",
    )


def _features(check: DatasetCheck) -> Iterator[Finding]:
    if check.constant_features:
        count = len(check.constant_features)
        some = (f"{_column(check, column)} is {value:.6g}" for column, value in check.constant_features)
        yield Finding(
            "note",
            "constant features",
            "train",
            f"{_count(count, 'feature')} {_are(count)} constant in training (column {_several(some, count)}), which "
            "teaches nothing: drop to train faster",
        )
    if check.duplicate_features:
        count = sum(len(family) - 1 for family in check.duplicate_features)
        pairs = ((family[0], column) for family in check.duplicate_features for column in family[1:])
        some = (f"{_column(check, column)} equals {_column(check, first)}" for first, column in pairs)
        yield Finding(
            "note",
            "duplicate features",
            "train",
            f"{_count(count, 'feature')} {_repeat(count)} another in training (column {_several(some, count)}), "
            "which adds no information: drop to train faster",
        )


def _class(check: DatasetCheck, number: int) -> str:
    named = len(check.class_names) == check.classes
    return f"'{check.class_names[number]}'" if named else f"{number}"


def _column(check: DatasetCheck, column: int) -> str:
    return f"{column} ('{check.feature_names[column]}')" if column < len(check.feature_names) else f"{column}"


def _cells(check: DatasetCheck, where: Places) -> str:
    return _several((f"row {row}, column {_column(check, column)}" for row, column in where.first), where.count)


def _several(items: Iterable[str], count: int | None = None) -> str:
    """List the first few; an ellipsis stands for more."""
    few = [item for item, _ in zip(items, range(_NAMED + 1), strict=False)]
    more = len(few) > _NAMED or (count is not None and count > len(few))
    return "; ".join(few[:_NAMED]) + ("; ..." if more else "")


def _count(count: int, noun: str, nouns: str = "") -> str:
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _repeat(count: int) -> str:
    return "repeats" if count == 1 else "repeat"


def _occur(count: int) -> str:
    return "occurs" if count == 1 else "occur"
