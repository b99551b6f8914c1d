"""Vocabularies of visual words: learnt by k-means from the descriptors of photographs, stored, used to count words.

Words are descriptors of whole numbers. All products and sums that choose the nearest word are then whole numbers below
2^24, which float32 adds exactly in any order: the choice depends on no thread, library or processor.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.images import ImageFolder
from capacity.data.importers.parallel import in_order, one_thread_each
from capacity.data.importers.photo import quiet_pillow
from capacity.data.importers.sift import LENGTH, opencv, read_descriptors
from capacity.data.sources import reading, reason
from capacity.errors import InputError
from capacity.files import replace_files

_DESCRIPTORS_A_WORD, _MOST_DESCRIPTORS, _DESCRIPTORS_AN_IMAGE = 100, 100_000, 25
_MOST_WORDS = 20_000
_ROUNDS = 20
_LONGEST_FILE = 64 << 20  # bytes: 500,000 words
_IMAGES, _CENTRES = 1, 2  # purposes of the random streams; from 3 on, the descriptors of an image


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """Visual words.

    Attributes
    ----------
    words : ndarray (K, 128) of uint8
        The centre of each word among SIFT descriptors.
    recipe : dict
        How they were learnt: seed, numbers of images and descriptors.
    """

    words: NDArray[np.uint8]
    recipe: dict[str, Any]
    _doubled: NDArray[np.float32] = field(init=False)
    _squares: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        centres = self.words.astype(np.float32)
        object.__setattr__(self, "_doubled", np.ascontiguousarray(2 * centres.T))
        object.__setattr__(self, "_squares", (centres * centres).sum(axis=1))

    def __repr__(self) -> str:
        return f"Vocabulary(K={len(self.words)})"

    def count(self, descriptors: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return how many of the descriptors (n, 128) are nearest to each word (K,); of equally near ones the first."""
        nearness = descriptors.astype(np.float32) @ self._doubled - self._squares
        return np.bincount(nearness.argmax(axis=1), minlength=len(self.words))

    def content(self) -> bytes:
        """Return the content of its file; the same words and recipe give the same bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, words=self.words, recipe=np.array(json.dumps(self.recipe, sort_keys=True)))
        return buffer.getvalue()

    def record(self) -> dict[str, Any]:
        """Return what a data set's provenance says of it; `sha256` is that of its file."""
        return {"words": len(self.words), **self.recipe, "sha256": hashlib.sha256(self.content()).hexdigest()}

    def save(self, path: str | Path) -> None:
        """Write it to an .npz file, which is there whole or not at all; only a vocabulary is replaced."""
        path = Path(path)
        if path.exists():
            load_vocabulary(path)
        try:
            replace_files(path.parent, [(path.name, self.content())])
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read a vocabulary that `Vocabulary.save` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged or no vocabulary.
    """
    path = Path(path)
    with reading(path), path.open("rb") as file:
        content = file.read(_LONGEST_FILE + 1)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if max([len(content), *(member.file_size for member in archive.infolist())]) > _LONGEST_FILE:
                raise ValueError(f"it holds more than {_LONGEST_FILE:,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            words, recipe = np.asarray(stored["words"]), json.loads(stored["recipe"].item())
    except Exception as error:  # zipfile, NumPy and json each have their own
        raise InputError(f"{path} is no vocabulary of visual words ({reason(error)}): make one with --words") from error
    if words.dtype != np.uint8 or words.ndim != 2 or words.shape[1] != LENGTH or len(words) < 2:
        raise InputError(
            f"{path} is no vocabulary: expected uint8 words (K, {LENGTH}), got {words.dtype} {words.shape}"
        )
    return Vocabulary(words, recipe if isinstance(recipe, dict) else {})


def learn_vocabulary(
    images: ImageFolder,
    words: int = 1000,
    *,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Vocabulary:
    """Learn visual words from training images, by 20 rounds of k-means on 100 descriptors a word, at most 100,000.

    Memory holds the distances of these descriptors from the words: 0.4 GB for 1000 words.

    Parameters
    ----------
    images : ImageFolder
        Equally many descriptors are drawn from each training image, or, so that they are at least 25, from each of as
        many images as are needed (at most 4000).
    words : int
        K, 2..20,000.
    seed : int
        0..2^64-1. Decides which images and descriptors are drawn and which of these the centres start from.
    threads : int, optional
        How many images are described at a time; the result does not depend on it. Default: as many as there are cores.
    progress : callable, optional
        Called with 1 for each of the `images_to_learn_from` described.

    Raises
    ------
    InputError
        An image cannot be read, OpenCV is not installed, or the images give fewer different descriptors than words.
    """
    if not 2 <= words <= _MOST_WORDS:
        raise InputError(f"words is {words}: expected a whole number in 2..{_MOST_WORDS}")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed}: expected a whole number in 0..2^64-1")
    count = images_to_learn_from(images, words)
    chosen = np.sort(_draw(seed, _IMAGES, len(images.train), count))
    quota = -(-_descriptors(words) // count)

    def describe(index: int) -> NDArray[np.uint8]:
        found = read_descriptors(images.folder / images.train[index])
        return found[np.sort(_draw(seed, _CENTRES + 1 + index, len(found), quota))]

    opencv()
    drawn = []
    with quiet_pillow(), one_thread_each(), closing(in_order(describe, chosen.tolist(), threads)) as results:
        for descriptors in results:
            drawn.append(descriptors)
            if progress:
                progress(1)
    sample = np.concatenate(drawn)
    different = np.unique(sample, axis=0)
    if len(different) < words:
        raise InputError(
            f"words is {words}, but the training images in {images.folder} give {len(different)} different "
            "descriptors: expected at least as many; use fewer words or more images"
        )
    centres = _k_means(sample, different[_draw(seed, _CENTRES, len(different), words)])
    return Vocabulary(centres, {"seed": seed, "images": count, "descriptors": len(sample)})


def images_to_learn_from(images: ImageFolder, words: int) -> int:
    """Return how many images `learn_vocabulary` describes."""
    return min(len(images.train), max(1, _descriptors(words) // _DESCRIPTORS_AN_IMAGE))


def _descriptors(words: int) -> int:
    return min(words * _DESCRIPTORS_A_WORD, _MOST_DESCRIPTORS)


def _draw(seed: int, purpose: int, total: int, count: int) -> NDArray[np.int64]:
    """Draw `count` of 0..total-1, each once, or all where there are fewer (Philox keyed by seed and purpose)."""
    return np.argsort(np.random.Philox(key=seed + (purpose << 64)).random_raw(total), kind="stable")[:count]


def _k_means(sample: NDArray[np.uint8], centres: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move the centres (K, 128) by rounds of SciPy's k-means, to whole numbers after each; an empty one stays."""
    from scipy.cluster.vq import kmeans2

    values = sample.astype(np.float32)
    for _ in range(_ROUNDS):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="One of the clusters is empty")
            moved, _ = kmeans2(values, centres.astype(np.float32), iter=1, minit="matrix", check_finite=False)
        before, centres = centres, np.rint(moved).astype(np.uint8)
        if np.array_equal(before, centres):
            break
    return centres
