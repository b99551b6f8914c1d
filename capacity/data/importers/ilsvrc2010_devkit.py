"""The development kit of ILSVRC2010: the classes, and the labels of the validation images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.matlab import number_in, read_structs, text_in
from capacity.data.sources import reading
from capacity.errors import InputError

CLASSES = 1000
"""Synsets 1 to 1000 are the classes; those with higher numbers are their ancestors."""

META = Path("data", "meta.mat")
VALIDATION_TRUTH = Path("data", "ILSVRC2010_validation_ground_truth.txt")

_LONGEST_TRUTH = 16 << 20


@dataclass(frozen=True)
class Synset:
    """A class. Its index is its ILSVRC2010_ID - 1.

    Attributes
    ----------
    wnid : str
        Its number in WordNet, as in "n03710721".
    word : str
        The first of its words.
    images : int
        Training images that there are of it.
    """

    wnid: str
    word: str
    images: int


def read_synsets(devkit: Path) -> tuple[Synset, ...]:
    """Read the 1000 classes from DEVKIT/data/meta.mat, ordered by ILSVRC2010_ID whatever their order in the file.

    Raises
    ------
    InputError
        The file is missing or broken, or its ids do not hold each of 1..1000 once.
    """
    path = devkit / META
    if not path.is_file():
        raise InputError(f"{path} not found: expected the folder of the ILSVRC2010 development kit (devkit-1.0)")
    found: dict[int, Synset] = {}
    for row in read_structs(path, "synsets", ("ILSVRC2010_ID", "WNID", "words", "num_train_images")):
        number = number_in(row["ILSVRC2010_ID"], "ILSVRC2010_ID", path)
        if not 1 <= number <= CLASSES:
            continue
        if number in found:
            raise InputError(f"{path} has two synsets with the ILSVRC2010_ID {number}: expected one")
        word = text_in(row["words"], "words", path).split(",")[0].strip()
        images = number_in(row["num_train_images"], "num_train_images", path)
        found[number] = Synset(text_in(row["WNID"], "WNID", path), word, images)
    absent = [number for number in range(1, CLASSES + 1) if number not in found]
    if absent:
        raise InputError(f"{path} has no synset with the ILSVRC2010_ID {absent[0]}: expected all of 1..{CLASSES}")
    if len({synset.wnid for synset in found.values()}) < CLASSES:
        raise InputError(f"{path} has two classes with the same WNID: expected {CLASSES} different ones")
    return tuple(found[number] for number in range(1, CLASSES + 1))


def read_truth(devkit: Path) -> NDArray[np.int32]:
    """Read the class indices 0..999 of the validation images (n,), in the order of their numbers."""
    path = devkit / VALIDATION_TRUTH
    with reading(path):
        if path.stat().st_size > _LONGEST_TRUTH:
            raise InputError(f"{path} has more than {_LONGEST_TRUTH:,} bytes: expected a number a line")
        lines = path.read_bytes().split()
    numbers = [int(line) if line.isdigit() and len(line) < 5 else 0 for line in lines]
    for at, number in enumerate(numbers):
        if not 1 <= number <= CLASSES:
            shown = lines[at][:20].decode("ascii", "replace")
            raise InputError(f"{path} has '{shown}' in line {at + 1}: expected an ILSVRC2010_ID in 1..{CLASSES}")
    return np.array(numbers, dtype=np.int32) - 1
