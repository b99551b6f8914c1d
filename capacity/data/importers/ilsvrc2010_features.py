"""Feature files of ILSVRC2010, `*.sbow.mat`: where they lie, and the histograms of the images in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.counts import smallest_integer
from capacity.data.importers.matlab import read_structs, text_in
from capacity.data.sources import reading
from capacity.errors import InputError

FEATURE_SUFFIX = ".sbow.mat"

WORDS = 1000
"""Size of the vocabulary: words are 0..999."""

_LONGEST_ID = 100  # characters

_NAMES = re.compile(r"(?P<train>n\d{8})|(?P<val>val\.\d+)|(?P<test>test\.\d+)")


@dataclass(frozen=True)
class FeatureFiles:
    """The files of a folder, sorted by name: `train` by the WNID in it. Those of the test images have no labels."""

    train: dict[str, Path]
    validation: tuple[Path, ...]

    def __iter__(self) -> Iterator[Path]:
        yield from self.train.values()
        yield from self.validation


def find_features(folder: Path) -> FeatureFiles:
    """Find WNID.sbow.mat and val.NNNN.sbow.mat in `folder`, or in its folders train and val.

    Raises
    ------
    InputError
        There is no such folder, no training file, or a feature file with another name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected the one with the *{FEATURE_SUFFIX} files")
    train, validation = dict[str, Path](), list[Path]()
    with reading(folder, folder=True):
        paths = [
            path for place in (folder, folder / "train", folder / "val") for path in place.glob(f"*{FEATURE_SUFFIX}")
        ]
    for path in sorted(paths, key=lambda path: path.name):
        stem = path.name.removesuffix(FEATURE_SUFFIX)
        match = _NAMES.fullmatch(stem)
        if match is None:
            raise InputError(
                f"{path}: expected names like n01440764{FEATURE_SUFFIX} and val.0001{FEATURE_SUFFIX}; move it away"
            )
        if match["train"] in train or path.name in {other.name for other in validation}:
            raise InputError(f"{path} is there twice, in {folder} and in a folder of it: remove one")
        if match["train"]:
            train[stem] = path
        elif match["val"]:
            validation.append(path)
    if not train:
        raise InputError(f"{folder} holds no training features: expected files like train/n01440764{FEATURE_SUFFIX}")
    return FeatureFiles(train, tuple(validation))


def read_histograms(path: Path) -> tuple[NDArray[Any], NDArray[np.str_]]:
    """Count the visual words of each image in a feature file.

    Returns
    -------
    counts : ndarray (n, 1000)
        How often each word occurs, in the smallest of uint8, int16 and int32 that holds the largest.
    ids : ndarray (n,)
        The images' names without extension, as in "n03710721_67".

    Raises
    ------
    InputError
        The file is not as the development kit describes it, or a word is outside 0..999 (image and value named).
    """
    images = read_structs(path, "image_sbow", ("ID", "sbow"))
    if len(images) == 0:
        raise InputError(f"{path}: 'image_sbow' holds no images")
    counts = np.zeros((len(images), WORDS), dtype=np.int32)
    ids = []
    for row, image in enumerate(images):
        ids.append(text_in(image["ID"], "ID", path, longest=_LONGEST_ID))
        counts[row] = np.bincount(_words(image["sbow"], ids[-1], path), minlength=WORDS)
    return counts.astype(smallest_integer(int(counts.max()))), np.array(ids)


def _words(sbow: Any, image: str, path: Path) -> NDArray[Any]:
    """Return the words of an image (n,) after a look at each."""
    if getattr(sbow, "shape", None) != (1, 1) or "word" not in (sbow.dtype.names or ()):
        raise InputError(f"{path}: image {image} has no 'sbow.word': expected a struct with the words' indices")
    words = np.asarray(sbow["word"][0, 0]).ravel()
    if words.dtype.kind not in "iuf":
        raise InputError(f"{path}: 'sbow.word' of image {image} is no array of numbers")
    if words.size == 0:
        return np.zeros(0, dtype=np.int64)
    if words.min() < 0 or words.max() >= WORDS or words.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = words[~((words >= 0) & (words < WORDS) & (words == np.trunc(words)))]
        if wrong.size:
            raise InputError(f"{path}: image {image} has the word {wrong[0]}: expected whole numbers in 0..{WORDS - 1}")
    return words.astype(np.int64)
