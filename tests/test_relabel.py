"""Derived data sets: fewer classes, random labels, random inputs; a pure function of the source and the settings."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import capacity
from capacity.data import Dataset, Split, derive_dataset, import_csv, noise, open_dataset, save_dataset
from capacity.engine import _cpu, random
from capacity.errors import InputError
from tests.data_files import SHARED

RARE = 1e-9
"""Chance of a false alarm of each statistical test below, had its seed been drawn anew."""


def make(train: list[int], test: list[int] | None = None, *, classes: int = 0, inputs: int = 2) -> Dataset:
    """Make a data set in memory; row i holds i, i, ..., and class c is named "c<c>"."""
    classes = classes or max(train) + 1
    splits = [make_split(labels, inputs) for labels in (train, test or [])]
    names = tuple(f"c{c}" for c in range(classes))
    return Dataset("made", classes, names, ("a", "b"), 0.5, splits[0], splits[1] if test else None, "0" * 64, {"by": 1})


def make_split(labels: list[int], inputs: int) -> Split:
    return Split(np.repeat(np.arange(len(labels), dtype=np.int16)[:, None], inputs, axis=1), np.array(labels, np.int32))


def of_counts(*counts: int) -> Dataset:
    return make(np.repeat(np.arange(len(counts)), counts).tolist())


def groups_of(dataset: Dataset) -> Any:
    return dataset.provenance["derivation"]["groups"]


# Fewer classes.


def test_nothing_to_do_gives_the_source_itself() -> None:
    source = make([0, 1, 2])
    assert derive_dataset(source) is source
    assert derive_dataset(source, classes=3, selection="select", seed=5) is source


@pytest.mark.parametrize(
    ("counts", "classes", "groups"),
    [
        # 6 | 5 -> 6 | 5+4 -> 6+3 | 9 -> tie: 9+2 | 9 -> 11 | 9+1
        ((6, 5, 4, 3, 2, 1), 2, [[0, 3, 4], [1, 2, 5]]),
        ((1, 1, 1, 1), 3, [[0, 3], [1], [2]]),
        ((5, 0, 5, 0, 1), 2, [[0, 4], [1, 2, 3]]),  # 5 | 5 -> tie: 5+1 | 5 -> 6 | 5+0+0
        # CoverType: 283301 | 211840+35754+20510+17367 = 285471 -> 283301+9493 = 292794 | 285471+2747 = 288218
        ((211840, 283301, 35754, 2747, 9493, 17367, 20510), 2, [[0, 2, 3, 5, 6], [1, 4]]),
    ],
)
def test_merging_by_hand(counts: tuple[int, ...], classes: int, groups: list[list[int]]) -> None:
    merged = derive_dataset(of_counts(*counts), classes=classes)
    assert groups_of(merged) == groups
    sizes = [sum(counts[old] for old in group) for group in groups]
    np.testing.assert_array_equal(np.bincount(merged.train.labels), sizes)
    assert merged.class_names == tuple(" + ".join(f"c{old}" for old in group) for group in groups)
    assert merged.classes == classes


def test_both_splits_are_merged_alike_and_keep_their_features() -> None:
    source = make([0, 1, 1, 2, 2, 2], [3, 2, 1, 0], classes=4)
    merged = derive_dataset(source, classes=2)
    assert groups_of(merged) == [[0, 1], [2, 3]]  # 3 | 2 -> 3 | 2+1 -> tie: class 3, in no training row, joins class 2
    assert merged.train.features is source.train.features
    assert merged.test is not None
    assert (merged.train.labels.tolist(), merged.test.labels.tolist()) == ([0, 0, 0, 1, 1, 1], [1, 1, 0, 0])
    assert (merged.name, merged.scale, merged.feature_names) == ("made", 0.5, ("a", "b"))


def test_selecting_keeps_the_rows_of_the_commonest_classes() -> None:
    source = make([2, 0, 1, 2, 1, 3, 2, 3], [0, 3, 2, 1])  # 1, 2, 3 and 2 rows; of classes 1 and 3 the first
    chosen = derive_dataset(source, classes=2, selection="select")
    assert (groups_of(chosen), chosen.class_names) == ([[1], [2]], ("c1", "c2"))
    assert chosen.train.labels.tolist() == [1, 0, 1, 0, 1]
    assert chosen.train.features[:, 0].tolist() == [0, 2, 3, 4, 6]
    assert chosen.test is not None
    assert (chosen.test.labels.tolist(), chosen.test.features[:, 0].tolist()) == ([1, 0], [2, 3])


def test_of_equally_common_classes_the_first_are_selected() -> None:
    chosen = derive_dataset(of_counts(*[1, 3, 2] * 100), classes=150, selection="select")
    assert groups_of(chosen) == sorted([[old] for old in range(1, 300, 3)] + [[old] for old in range(2, 150, 3)])


def test_a_test_split_without_a_row_left_is_dropped() -> None:
    assert derive_dataset(make([0, 0, 1, 1, 2], [2, 2]), classes=2, selection="select").test is None


# Random labels and inputs.


def test_random_labels_are_the_native_words_scaled() -> None:
    seed, classes = 2**63 + 5, 7
    labels = derive_dataset(of_counts(500, 501), labels="random", classes=classes, seed=seed).train.labels
    words = _cpu.uniform(seed, random.PURPOSE_LABELS, 0, 1001) * 2**32 - 0.5  # exact
    assert labels.tolist() == [int(word) * classes >> 32 for word in words]


def test_random_inputs_are_the_quantiles_of_the_native_words() -> None:
    features = derive_dataset(make([0, 1] * 500, inputs=7), labels="random-inputs", seed=3).train.features
    expected = special.ndtri(_cpu.uniform(3, random.PURPOSE_FEATURES, 0, 7000).reshape(1000, 7))
    np.testing.assert_allclose(features, expected, rtol=3e-7)


def test_normal_quantiles_over_the_whole_range() -> None:
    words = np.r_[np.arange(2000), np.linspace(0, 2**32 - 1, 100_001).round(), 2**32 - 1 - np.arange(2000)]
    p = (words + 0.5) * 2.0**-32
    np.testing.assert_allclose(noise.normal_quantile(p), special.ndtri(p), rtol=2e-7)
    np.testing.assert_array_equal(noise.normal_quantile(1 - p), -noise.normal_quantile(p))


def test_words_may_begin_anywhere() -> None:
    words = random.words(7, random.PURPOSE_LABELS, 2, 40)
    for first in range(9):
        np.testing.assert_array_equal(random.words(7, random.PURPOSE_LABELS, 2, 11, first), words[first : first + 11])
    far = random.words(7, random.PURPOSE_LABELS, 2, 6, 4 * (3 * 2**32 + 9) - 2)  # a counter of more than 32 bits
    blocks = random.philox4x32(np.array([[8, 3, 2, 4], [9, 3, 2, 4]], np.uint64), 7).reshape(-1)
    np.testing.assert_array_equal(far, blocks[2:])
    assert random.PURPOSE_LABELS == 4
    assert len(random.words(7, 4, 0, 0, 5)) == 0


def test_labels_are_uniform_and_neighbours_independent() -> None:
    classes, labels = 7, noise.random_labels(1, 200_000, 7)
    pairs = labels[::2] * classes + labels[1::2]
    for drawn, cells in ((labels, classes), (pairs, classes**2)):
        assert stats.chisquare(np.bincount(drawn, minlength=cells)).pvalue > RARE


def test_inputs_are_normal_and_independent() -> None:
    x = noise.random_features(1, 20_000, 10).astype(np.float64)
    assert stats.kstest(x.ravel(), "norm").pvalue > RARE
    # Under independence a correlation over n pairs is about normal with standard deviation 1/sqrt(n).
    limit = stats.norm.isf(RARE / 2)
    between_columns = np.corrcoef(x.T)[np.triu_indices(10, 1)]
    between_rows = np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1]
    assert np.abs(between_columns).max() < limit / np.sqrt(20_000)
    assert abs(between_rows) < limit / np.sqrt(200_000)


@pytest.mark.parametrize("labels", ["random", "random-inputs"])
def test_rows_do_not_depend_on_how_many_there_are_nor_on_blocks(monkeypatch: pytest.MonkeyPatch, labels: str) -> None:
    large = derive_dataset(make([0, 1] * 300, inputs=3), labels=labels, classes=5, seed=9)
    monkeypatch.setattr(noise, "_BYTES_AT_WORK", 1 << 18)  # 16 labels or 5 rows a block
    small = derive_dataset(make([1, 0] * 20, inputs=3), labels=labels, classes=5, seed=9)
    np.testing.assert_array_equal(small.train.labels, large.train.labels[:40])
    if labels == "random-inputs":
        np.testing.assert_array_equal(small.train.features, large.train.features[:40])


def test_labels_of_few_classes_are_those_of_many_merged() -> None:
    np.testing.assert_array_equal(noise.random_labels(4, 1000, 6) // 2, noise.random_labels(4, 1000, 3))


def test_what_random_labels_keep_and_drop() -> None:
    source = make([0, 1, 1, 1, 0, 0], [0, 1])
    random_labels = derive_dataset(source, labels="random", classes=4)
    assert random_labels.train.features is source.train.features
    assert (random_labels.test, random_labels.classes) == (None, 4)
    assert random_labels.class_names == ("0", "1", "2", "3")
    assert (random_labels.scale, random_labels.feature_names) == (0.5, ("a", "b"))
    inputs = derive_dataset(source, labels="random-inputs")
    assert (inputs.test, inputs.classes, inputs.scale, inputs.feature_names) == (None, 2, 1.0, ())
    assert (inputs.train.features.shape, inputs.train.features.dtype) == ((6, 2), np.float32)


def test_memory_is_that_of_the_result() -> None:
    tracemalloc.start()
    try:
        features = noise.random_features(0, 50_000, 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < features.nbytes + (8 << 20)


# Origin.


def content_of(dataset: Dataset) -> str:
    running = hashlib.sha256(dataset.train.features.tobytes())
    running.update(dataset.train.labels.tobytes())
    return running.hexdigest()[:16]


@pytest.mark.parametrize(
    ("settings", "content", "digest"),
    [
        ({"classes": 4}, "c2d5293338188026", "baab0a8b1171df28"),
        ({"classes": 4, "selection": "select"}, "4ddc8360f48db98c", "33563a780d033e15"),
        ({"labels": "random", "classes": 4, "seed": 7}, "18d236478db2dfd1", "c225681a6d16a9c8"),
        ({"labels": "random-inputs", "seed": 7}, "95f3846e8d67596c", "e26cb4c7b13c2dff"),
    ],
    ids=str,
)
def test_settings_mean_the_same_data_everywhere_and_for_ever(
    settings: dict[str, Any], content: str, digest: str
) -> None:
    derived = derive_dataset(open_dataset("digits"), **settings)
    assert (content_of(derived), derived.digest[:16]) == (content, digest)


def test_provenance_and_digest() -> None:
    source = make([0, 1, 2, 2])
    derived = derive_dataset(source, labels="random", classes=3, seed=np.uint64(1))
    settings = {"labels": "random", "classes": 3, "seed": 1}
    assert derived.path is None
    assert derived.provenance == {
        "derivation": settings,
        "source": {"name": "made", "digest": "0" * 64, "provenance": {"by": 1}},
        "created_by": f"capacity {capacity.__version__}",
    }
    text = json.dumps({"derivation": settings, "source": "0" * 64}, sort_keys=True)
    assert derived.digest == hashlib.sha256(text.encode()).hexdigest()
    json.dumps(derive_dataset(derived, classes=2, selection="select").provenance)  # as a study records it


def test_every_setting_is_in_the_digest() -> None:
    source = of_counts(3, 4, 5)
    random_too = [{"labels": labels, **more} for labels in ("random", "random-inputs") for more in VARIED]
    settings = [{}, {"classes": 2}, {"classes": 2, "selection": "select"}, *random_too]
    assert len({derive_dataset(source, **chosen).digest for chosen in settings}) == len(settings)


VARIED: list[dict[str, int]] = [{}, {"seed": 1}, {"classes": 2}]


def test_random_inputs_take_account_of_the_shape_alone() -> None:
    one, other = make([0, 1, 2, 2]), derive_dataset(make([2, 1, 0, 0]), labels="random", seed=4)
    assert one.digest != other.digest
    derived = [derive_dataset(source, labels="random-inputs") for source in (one, other)]
    assert derived[0].digest == derived[1].digest
    assert content_of(derived[0]) == content_of(derived[1])


@pytest.mark.parametrize(
    "settings",
    [{"classes": 3}, {"classes": 3, "selection": "select"}, {"labels": "random"}, {"labels": "random-inputs"}],
    ids=str,
)
def test_a_memory_map_and_its_copy_give_the_same(settings: dict[str, Any]) -> None:
    mapped = open_dataset("digits")
    assert mapped.test is not None
    copies = [Split(np.array(split.features), split.labels) for split in (mapped.train, mapped.test)]
    copied = Dataset("digits", 10, mapped.class_names, (), mapped.scale, *copies, mapped.digest, {})
    ours, theirs = (derive_dataset(source, **settings) for source in (mapped, copied))
    assert ours.digest == theirs.digest
    assert content_of(ours) == content_of(theirs)
    shared = settings in ({"classes": 3}, {"labels": "random"})
    assert np.shares_memory(ours.train.features, mapped.train.features) == shared
    for split in filter(None, (ours.train, ours.test)):
        for values in (split.features, split.labels):
            assert values.flags.c_contiguous
            assert not values.flags.writeable
        assert split.labels.dtype == np.int32


def test_a_trainer_takes_it(tmp_path: Path) -> None:
    """Fifty random inputs with labels in a space of 12 classes are learnt by heart."""
    data = derive_dataset(make([0, 1] * 25, inputs=20), labels="random-inputs", classes=12)
    trainer = capacity.Trainer(capacity.MLP((32,), "relu"), data, batch=50, lrs=[0.5], seeds=[0])
    trainer.advance(1000)
    assert trainer.evaluate("train").top1[0] == 0
    saved = save_dataset(tmp_path / "d.h5", data.train.features, data.train.labels, classes=12)
    assert content_of(saved) == content_of(data)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Adult table beside the checkout")
def test_adult(tmp_path: Path) -> None:
    source = import_csv(SHARED / "adult" / "adult.csv.gz", tmp_path / "adult.h5", label="income")
    drawn = derive_dataset(source, labels="random", classes=10)
    assert np.shares_memory(drawn.train.features, source.train.features)
    assert stats.chisquare(np.bincount(drawn.train.labels)).pvalue > RARE
    # Random labels know nothing of the true ones: the table of both is as under independence.
    table = np.bincount(source.train.labels * 10 + drawn.train.labels, minlength=20).reshape(2, 10)
    assert stats.chi2_contingency(table).pvalue > RARE


# Errors.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "rando"}, r"labels is 'rando' \(did you mean 'random'\?\)"),
        ({"selection": "some"}, r"selection is 'some' \(valid names: merge, select\)"),
        ({"seed": -1}, r"seed is -1: expected a whole number in 0\.\.2\^64-1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": 0.5}, r"seed is 0\.5: expected a whole number"),
        ({"classes": 2.5}, r"classes is 2\.5: expected a whole number"),
        ({"classes": 1}, "classes is 1: expected a whole number from 2 on"),
        ({"classes": 1, "labels": "random"}, "classes is 1: expected a whole number from 2 on"),
        ({"classes": 6}, "classes is 6, and the training labels of 'made' use 3: expected at most as many"),
        ({"classes": 4, "selection": "select"}, "classes is 4, and the training labels of 'made' use 3"),
        ({"classes": 7, "labels": "random"}, "random labels of 7 classes for the 6 training samples of 'made'"),
        ({"classes": 7, "labels": "random-inputs"}, "at most as many as samples; set classes"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        derive_dataset(make([0, 1, 2, 0, 1, 2], classes=5), **settings)


@pytest.mark.parametrize("source", [lambda: make([0, 0, 0]), lambda: make([0, 1], classes=3)], ids=["one", "three"])
def test_the_classes_of_the_source_may_not_suit_random_labels(source: Callable[[], Dataset]) -> None:
    with pytest.raises(InputError, match="at least 2 classes and at most as many as samples; set classes"):
        derive_dataset(source(), labels="random")
    assert derive_dataset(source(), labels="random", classes=2).classes == 2


def test_constant_labels_stay_as_they_are() -> None:
    source = make([0, 0, 0])
    assert derive_dataset(source) is source
