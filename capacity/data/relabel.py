"""Data sets derived from a data set: fewer classes, random labels, random inputs."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity import __version__
from capacity.data.dataset import Dataset, Split
from capacity.data.layout import INT32
from capacity.data.noise import random_features, random_labels
from capacity.errors import InputError, did_you_mean

LABEL_KINDS = ("semantic", "random", "random-inputs")
"""Labels as they are; labels drawn at random; features and labels drawn at random."""

SELECTIONS = ("merge", "select")
"""How semantic labels come down to K classes: by merging classes, or by keeping the rows of some."""


def derive_dataset(
    dataset: Dataset, *, labels: str = "semantic", classes: int | None = None, selection: str = "merge", seed: int = 0
) -> Dataset:
    """Return a data set derived from another one: the conditions that effective model complexity is measured under.

    A pure function of its arguments: any process, on any machine, derives the same data set from the same source, so
    that the source and these settings are all a worker needs. Features that stay as they are are shared with the source
    (a memory map stays one), all else is in memory.

    Parameters
    ----------
    dataset : Dataset
        The source.
    labels : {"semantic", "random", "random-inputs"}
        "semantic": those of the source, in fewer classes if `classes` says so; the test split is treated alike.

        "random": the source's features with labels drawn independently and uniformly from the K classes. There is no
        test split: there is nothing to generalise.

        "random-inputs": labels as for "random", and features (float32, scale 1) drawn independently from the standard
        normal distribution. No account is taken of the source but for its shape (N, D). Normal, because it prefers no
        direction, lies in general position (any D of its points are linearly independent, as Cover 1965 asks for) with
        probability 1, and has the mean 0 and the variance 1 of standardised data: learning rates stay comparable.
        It takes 4 N D bytes; the random numbers are made in blocks.
    classes : int, optional
        K; by default the source's. Semantic labels have at most as many classes as have training samples; random labels
        may have any number from 2 to N, so that data sets can be given one label space.
    selection : {"merge", "select"}
        How semantic labels come down to K classes; has no part in random ones.

        "merge": classes are taken by falling number of training samples, and each joins the new class that has fewest
        so far. (The largest new class is then at most 4/3 - 1/(3 K) times what the best division has, Graham 1969.)

        "select": the rows of the K classes with the most training samples are kept, and copied into memory.

        Ties go to the class of the lower index. New classes are in the order of their first old class, and named after
        all their old ones, as in "cat + dog".
    seed : int
        0..2^64-1, of random labels and inputs. The label of row i depends on the seed, i and K only, its random
        features on the seed, i and D: smaller sets are beginnings of larger ones.

    Returns
    -------
    Dataset
        The source itself when nothing changes. Otherwise one with the source's name and no path. `provenance` holds the
        derivation and the source's name, digest and provenance. `digest` is the SHA-256 of derivation and source
        digest (random inputs: of derivation, N and D), so no features are read for it; it is not that of the content.

    Raises
    ------
    InputError
        A setting is unknown or out of range: K below 2, above N, or, for semantic labels, above the number of
        classes that occur.

    References
    ----------
    Shwartz-Ziv, Goldblum, Bansal, Bruss, LeCun, Wilson, "Just how flexible are neural networks in practice?", 2024:
    semantic labels, random labels and random inputs in figure 2, numbers of classes in figure 3a.
    Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969.

    Examples
    --------
    >>> digits = open_dataset("digits")
    >>> derive_dataset(digits, classes=2).class_names
    ('0 + 1 + 2 + 5 + 7', '3 + 4 + 6 + 8 + 9')
    """
    _check_choice("labels", labels, LABEL_KINDS)
    _check_choice("selection", selection, SELECTIONS)
    key = _checked_seed(seed)
    count = dataset.classes if classes is None else _checked_count(classes)
    if labels != "semantic":
        return _randomised(dataset, labels, count, key)
    return dataset if count == dataset.classes else _grouped(dataset, count, selection)


def _grouped(dataset: Dataset, classes: int, selection: str) -> Dataset:
    counts = np.bincount(dataset.train.labels, minlength=dataset.classes)
    used = np.count_nonzero(counts)
    if classes > used:
        raise InputError(
            f"classes is {classes}, and the training labels of '{dataset.name}' use {used}: expected at most as many "
            "(random labels may have more)"
        )
    groups = (_merged if selection == "merge" else _selected)(counts, classes)
    new_class = np.full(dataset.classes, -1, INT32)
    for index, group in enumerate(groups):
        new_class[group] = index
    test = None if dataset.test is None else _regrouped(dataset.test, new_class)
    derivation = {"labels": "semantic", "classes": classes, "selection": selection, "groups": groups}
    return replace(
        dataset,
        classes=classes,
        class_names=tuple(" + ".join(dataset.class_names[old] for old in group) for group in groups),
        train=_regrouped(dataset.train, new_class),
        test=test if test is not None and len(test.labels) else None,
        **_origin(dataset, derivation, dataset.digest),
    )


def _merged(counts: NDArray[np.int64], classes: int) -> list[list[int]]:
    """Return the old classes of each new one: the commonest first, each into the smallest new class so far."""
    totals = np.zeros(classes, np.int64)
    groups: list[list[int]] = [[] for _ in range(classes)]
    for old in _by_count(counts):
        smallest = int(np.argmin(totals))
        totals[smallest] += counts[old]
        groups[smallest].append(old)
    return sorted(sorted(group) for group in groups)


def _selected(counts: NDArray[np.int64], classes: int) -> list[list[int]]:
    """Return the commonest old classes, each as a new one."""
    return [[old] for old in sorted(_by_count(counts)[:classes])]


def _by_count(counts: NDArray[np.int64]) -> list[int]:
    found: list[int] = np.argsort(-counts, kind="stable").tolist()
    return found


def _regrouped(split: Split, new_class: NDArray[np.int32]) -> Split:
    """Give a split its new labels, without the rows of a class that became -1."""
    labels = new_class[split.labels]
    kept = labels >= 0
    if kept.all():
        return replace(split, labels=_fixed(labels))
    factors = split.row_scale[kept] if len(split.row_scale) else split.row_scale
    return Split(_fixed(split.array[kept]), _fixed(labels[kept]), factors)


def _randomised(dataset: Dataset, labels: str, classes: int, seed: int) -> Dataset:
    samples, inputs = dataset.train.features.shape
    if not 2 <= classes <= samples:
        raise InputError(
            f"random labels of {classes} classes for the {samples} training samples of '{dataset.name}': expected at "
            "least 2 classes and at most as many as samples; set classes"
        )
    derivation = {"labels": labels, "classes": classes, "seed": seed}
    drawn = _fixed(random_labels(seed, samples, classes))
    names = tuple(map(str, range(classes)))
    common = replace(dataset, classes=classes, class_names=names, test=None)
    if labels == "random":
        train = replace(dataset.train, labels=drawn)
        return replace(common, train=train, **_origin(dataset, derivation, dataset.digest))
    train = Split(_features(seed, samples, inputs), drawn)
    shape = {"samples": samples, "inputs": inputs}
    return replace(
        common, train=train, feature_names=(), scale=1.0, normalisation="none", **_origin(dataset, derivation, shape)
    )


def _origin(dataset: Dataset, derivation: dict[str, Any], source: str | dict[str, int]) -> dict[str, Any]:
    """Return digest, provenance and path of what was derived; `source` says what its content depends on."""
    content = json.dumps({"derivation": derivation, "source": source}, sort_keys=True)
    described = {"name": dataset.name, "digest": dataset.digest, "provenance": dataset.provenance}
    return {
        "digest": hashlib.sha256(content.encode()).hexdigest(),
        "provenance": {"derivation": derivation, "source": described, "created_by": f"capacity {__version__}"},
        "path": None,
    }


@functools.lru_cache(maxsize=1)
def _features(seed: int, samples: int, inputs: int) -> NDArray[np.float32]:
    """Return random features that cannot be written to; the last are kept, since data of all classes share them."""
    return _fixed(random_features(seed, samples, inputs))


def _fixed(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values


def _check_choice(name: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise InputError(f"{name} is {value!r}{did_you_mean(str(value), valid)}")


def _checked_seed(seed: int) -> int:
    value = _whole("seed", seed)
    if not 0 <= value < 2**64:
        raise InputError(f"seed is {value}: expected a whole number in 0..2^64-1")
    return value


def _checked_count(classes: int) -> int:
    count = _whole("classes", classes)
    if count < 2:
        raise InputError(f"classes is {count}: expected a whole number from 2 on")
    return count


def _whole(name: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name} is {value!r}: expected a whole number") from None
