"""The generator of visual words: a pure function of seed and row, in bounded memory, hard but learnable."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import visual_words, write_visual_words
from capacity.errors import InputError
from tests.data_files import leftovers


def test_shape_types_and_lengths(tmp_path: Path) -> None:
    data = write_visual_words(tmp_path / "v.h5", 300, test_samples=20)
    assert (data.inputs, data.classes, data.train.features.dtype) == (1000, 1000, np.uint8)
    assert data.test is not None
    assert (len(data.train.labels), len(data.test.labels)) == (300, 20)
    lengths = data.train.features.sum(axis=1)
    assert lengths.min() >= 400
    assert lengths.max() <= 1000
    assert 0.3 < (data.train.features == 0).mean() < 0.8  # sparse: most words are absent from an image
    assert data.train.features.min() == 0
    assert np.mean(np.square(data.train.features * data.scale)) == pytest.approx(1, rel=0.1)


def test_a_seed_means_the_same_data_everywhere_and_for_ever(tmp_path: Path) -> None:
    data = write_visual_words(tmp_path / "v.h5", 50, test_samples=10, seed=7)
    assert data.digest == "18bf36d8d89bf35316c1963b30606a3308ccb156f4fd6786df1da16bb9d8cdf6"


def test_a_row_does_not_depend_on_how_many_there_are_nor_on_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = write_visual_words(tmp_path / "large.h5", 600, test_samples=3, seed=1)
    small = write_visual_words(tmp_path / "small.h5", 40, test_samples=300, seed=1)
    np.testing.assert_array_equal(small.train.features, large.train.features[:40])
    np.testing.assert_array_equal(small.train.labels, large.train.labels[:40])
    assert small.test is not None
    assert large.test is not None
    np.testing.assert_array_equal(large.test.features, small.test.features[:3])
    assert not np.array_equal(small.test.features[:40], small.train.features)
    monkeypatch.setattr(visual_words, "_BLOCK", 7)
    assert write_visual_words(tmp_path / "again.h5", 600, test_samples=3, seed=1).digest == large.digest


def test_seeds_differ(tmp_path: Path) -> None:
    digests = {write_visual_words(tmp_path / "v.h5", 20, seed=seed).digest for seed in (0, 1, 2**64 - 1)}
    assert len(digests) == 3


def test_a_row_is_what_the_description_says() -> None:
    """The same row by plain arithmetic on the random words: a label, a length, eight topics, then descriptors."""
    profiles = visual_words._draw_profiles(3)
    row = 5
    raw = [int(word) for word in np.random.Philox(key=3 + (1 << 64), counter=row * 126).random_raw(504)]
    label, length = (raw[0] >> 32) * 1000 >> 32, 400 + ((raw[1] >> 32) * 601 >> 32)
    topics = [profiles.topics[label, raw[2] >> 8 * part & 255] for part in range(8)]
    counts = np.zeros(1000, np.int16)
    for index in range(length):
        bits = raw[4 + index // 2] >> 32 * (index % 2) & 0xFFFFFFFF
        counts[profiles.words[topics[bits & 7], bits >> 18]] += 1
    (blocks,) = list(visual_words._blocks(profiles, 3, 1, row + 1))
    np.testing.assert_array_equal(blocks[0][row], counts)
    assert blocks[1][row] == label


def test_cells_are_shared_out_in_proportion() -> None:
    cells = visual_words._cells(np.array([[1.0, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 5.0]]), 8)
    assert cells.tolist() == [[0, 0, 2, 2, 2, 2, 3, 3], [3] * 8]


def test_labels_are_uniform_over_all_classes(tmp_path: Path) -> None:
    labels = write_visual_words(tmp_path / "v.h5", 5000).train.labels
    counts = np.bincount(labels, minlength=1000)
    # Pearson's statistic has mean 999 and standard deviation sqrt(2 * 999) = 45 under the uniform distribution.
    assert abs(np.sum((counts - 5) ** 2 / 5) - 999) < 4 * 45


def test_images_of_a_class_are_alike_but_classes_overlap(tmp_path: Path) -> None:
    """The nearest of all class profiles is far more often the right one than chance, and far from always."""
    data = write_visual_words(tmp_path / "v.h5", 1000, seed=2)
    profiles = visual_words._draw_profiles(2)
    words = np.stack([np.bincount(row, minlength=1000) for row in profiles.words]) / profiles.words.shape[1]
    topics = np.stack([np.bincount(row, minlength=len(words)) for row in profiles.topics]) / profiles.topics.shape[1]
    likelihood = data.train.features @ np.log(topics @ words + 1e-6).T  # (N, K), multinomial, up to a constant
    rank = np.sum(likelihood > likelihood[np.arange(1000), data.train.labels][:, None], axis=1)
    assert 0.4 < np.mean(rank >= 5) < 0.7  # top-5 error; chance is 0.995


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    def peak(samples: int) -> int:
        tracemalloc.start()
        try:
            write_visual_words(tmp_path / "v.h5", samples)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # imports
    few, many = peak(600), peak(6000)
    assert many - few < 500_000  # 10.8 MB of features more; their labels and one-byte masks of them are all that grows


def test_progress_counts_rows(tmp_path: Path) -> None:
    seen: list[int] = []
    write_visual_words(tmp_path / "v.h5", 600, test_samples=10, progress=seen.append)
    assert sum(seen) == 610
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "0 training and 0 test samples: expected at least 1"),
        ({"samples": 10, "test_samples": -1}, "10 training and -1 test samples"),
        ({"samples": 10, "seed": -1}, "seed is -1"),
        ({"samples": 10, "seed": 2**64}, r"expected a whole number in 0\.\.2\^64-1"),
        ({"samples": 1}, "at least two classes"),
    ],
)
def test_bad_arguments_leave_nothing(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_visual_words(tmp_path / "v.h5", **arguments)
    assert leftovers(tmp_path) == []
