"""A synthetic stand-in for the data of Dauphin and Bengio 2013, whose download is no longer there.

Only whole-number arithmetic and single multiplications, additions and divisions stand between the random bits and a
count, so that a seed gives the same data on every machine and with every version of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capacity.data.dataset import Dataset
from capacity.data.opening import open_dataset
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError

WORDS, CLASSES = 1000, 1000
_TOPICS = 128
_PARTS = 8  # of an image: each shows one topic
_SHORTEST, _LONGEST = 400, 1000  # descriptors of an image
_WORD_CELLS, _TOPIC_CELLS = 1 << 14, 1 << 8  # resolution of the tables that distributions are kept in
_RAW_WORDS = 4 + _LONGEST // 2  # 64-bit random words of a sample: a whole number of Philox counters of 4 words
_BLOCK = 256
_PROFILES, _TRAIN, _TEST = range(3)  # purposes of the random streams


def write_visual_words(
    path: str | Path,
    samples: int,
    *,
    test_samples: int = 0,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Generate bags of visual words, streamed to disk in bounded memory.

    Imitates the features of ILSVRC-2010 that Dauphin and Bengio 2013 (section 2) train on: an image, at most 300 pixels
    wide or high, gives some hundred SIFT descriptors; each is replaced by the nearest of 1000 visual words; the
    image is the histogram of its words; there are 1000 classes. Here an image has 400 to 1000 descriptors (uniform),
    shared out among 8 parts. A part shows one of 128 topics, drawn from the topics of the image's class, and a
    descriptor is a word drawn from the topic of its part. Word frequencies fall like 1/(rank + 50) and vary from topic
    to topic. Counts end at 255, which none comes near: the largest of 5000 images is 30. As classes share topics and an
    image has few parts, classes overlap; no label is wrong.

    Parameters
    ----------
    path : str or Path
        The HDF5 file to make: uint8 counts (N, 1000). Its `scale` brings a feature's mean square to about 1.
    samples, test_samples : int
        Rows of the two splits.
    seed : int
        0..2^64-1. Row i of a split depends on the seed and i only: a smaller set is the beginning of a larger one.
    progress : callable, optional
        Called with the number of rows added, block after block.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        An argument is out of range, the rows drawn are all of one class (very few samples), or the file cannot be
        written; nothing is left behind.
    """
    if samples < 1 or test_samples < 0:
        raise InputError(f"{samples} training and {test_samples} test samples: expected at least 1 and at least 0")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed}: expected a whole number in 0..2^64-1")
    options = {"samples": samples, "test_samples": test_samples, "seed": seed}
    profiles = _draw_profiles(seed)
    with DatasetWriter(
        path,
        inputs=WORDS,
        dtype=np.uint8,
        classes=CLASSES,
        samples=samples,
        test_samples=test_samples,
        name="visual-words",
        scale=0.7,
        provenance={
            "generator": "visual-words",
            "options": options,
            "imitates": "ILSVRC-2010 bags of visual words, Dauphin and Bengio 2013, section 2",
        },
    ) as writer:
        for split, purpose, count in (("train", _TRAIN, samples), ("test", _TEST, test_samples)):
            for counts, labels in _blocks(profiles, seed, purpose, count):
                writer.append(counts, labels, split=split)
                if progress:
                    progress(len(labels))
    return open_dataset(path)


@dataclass(frozen=True)
class _Profiles:
    """Distributions as tables of equally likely cells: drawing is one look-up with random bits."""

    topics: NDArray[np.int16]  # (K, _TOPIC_CELLS): a topic
    words: NDArray[np.int16]  # (_TOPICS, _WORD_CELLS): a word


def _draw_profiles(seed: int) -> _Profiles:
    """Draw each class's topics and each topic's words: weights are fourth powers of uniform numbers, most are small."""
    uniform = (_raw(seed, _PROFILES, 0, (CLASSES + WORDS) * _TOPICS) >> np.uint64(11)) * 2.0**-53
    by_class, by_topic = uniform[: CLASSES * _TOPICS], uniform[CLASSES * _TOPICS :]
    frequency = 1.0 / (np.arange(WORDS) + 50.0)
    topics = _power4(by_class.reshape(CLASSES, _TOPICS))
    words = _power4(by_topic.reshape(_TOPICS, WORDS)) * frequency
    return _Profiles(_cells(topics, _TOPIC_CELLS), _cells(words, _WORD_CELLS))


def _power4(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values**4 by products, which round the same everywhere; a general power does not."""
    square = values * values
    return square * square


def _cells(weights: NDArray[np.float64], cells: int) -> NDArray[np.int16]:
    """Share out `cells` cells among the items of each row (n, m) in proportion to their weights."""
    ends = np.cumsum(weights, axis=1)
    ends = np.floor(ends / ends[:, -1:] * cells)
    return np.stack([np.searchsorted(row, np.arange(cells), side="right").astype(np.int16) for row in ends])


def _raw(seed: int, purpose: int, start: int, count: int) -> NDArray[np.uint64]:
    """Return `count` random words of a stream (Philox4x64 keyed by seed and purpose), from the counter `start` on."""
    words: NDArray[np.uint64] = np.random.Philox(key=seed + (purpose << 64), counter=start).random_raw(count)
    return words


def _blocks(
    profiles: _Profiles, seed: int, purpose: int, samples: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield counts (n, WORDS) and labels (n,) for the rows 0..samples-1 of a split, `_BLOCK` at a time."""
    for start in range(0, samples, _BLOCK):
        rows = min(_BLOCK, samples - start)
        raw = _raw(seed, purpose, start * (_RAW_WORDS // 4), rows * _RAW_WORDS).reshape(rows, _RAW_WORDS)
        yield _sample(profiles, raw)


def _sample(profiles: _Profiles, raw: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Turn random words (n, _RAW_WORDS) into counts and labels: label, length, 8 topics, one unused, descriptors."""
    n = len(raw)
    little = raw.astype("<u8", copy=False)
    labels = (little[:, 0] >> np.uint64(32)) * np.uint64(CLASSES) >> np.uint64(32)
    spread = np.uint64(_LONGEST - _SHORTEST + 1)
    lengths = _SHORTEST + ((little[:, 1] >> np.uint64(32)) * spread >> np.uint64(32)).astype(np.int64)
    topic_cells = np.ascontiguousarray(little[:, 2:3]).view("u1")
    topics = profiles.topics[labels[:, None], topic_cells]

    descriptors = np.ascontiguousarray(little[:, 4:]).view("<u4")
    part = descriptors & np.uint32(_PARTS - 1)
    topic = np.take_along_axis(topics, part.astype(np.int64), axis=1)
    words = profiles.words[topic, descriptors >> np.uint32(18)]
    words[np.arange(_LONGEST) >= lengths[:, None]] = WORDS  # a column more, for descriptors that are not there
    flat = words + (WORDS + 1) * np.arange(n)[:, None]
    counts = np.bincount(flat.ravel(), minlength=n * (WORDS + 1)).reshape(n, WORDS + 1)[:, :WORDS]
    return np.minimum(counts, 255).astype(np.uint8), labels.astype(np.int64)
