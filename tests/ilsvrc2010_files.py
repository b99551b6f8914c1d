"""Files in the formats of ILSVRC2010, as its development kit writes them, for the tests of their import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

KIT = "data/meta.mat"
TRUTH = "data/ILSVRC2010_validation_ground_truth.txt"


def wnid_of(number: int) -> str:
    """Return the WNID of a class by its ILSVRC2010_ID: the higher the id, the earlier the WNID in the alphabet."""
    return f"n{20_000_000 - number:08d}"


def structs(fields: Mapping[str, Sequence[Any]]) -> np.ndarray[Any, Any]:
    """Return a struct array (n, 1) for savemat."""
    rows = len(next(iter(fields.values())))
    array = np.empty((rows, 1), dtype=[(field, object) for field in fields])
    for field, values in fields.items():
        for row, value in enumerate(values):
            array[field][row, 0] = value
    return array


def write_kit(folder: Path, truth: Sequence[int] = (), ids: Sequence[int] | None = None) -> Path:
    """Write a development kit: 1000 classes and two of their ancestors, by default in the order of their ids."""
    numbers = list(range(1, 1003) if ids is None else ids)
    synsets = structs(
        {
            "ILSVRC2010_ID": [float(number) for number in numbers],
            "WNID": [wnid_of(number) for number in numbers],
            "words": [f"thing {number}, object {number}" for number in numbers],
            "gloss": ["what one sees"] * len(numbers),
            "num_children": [float(2 * (number > 1000)) for number in numbers],
            "children": [np.array([[1.0, 2.0]]) if number > 1000 else np.zeros((0, 0)) for number in numbers],
            "wordnet_height": [0.0] * len(numbers),
            "num_train_images": [3.0 * (number <= 1000) for number in numbers],
        }
    )
    (folder / "data").mkdir(parents=True, exist_ok=True)
    savemat(folder / KIT, {"synsets": synsets, "cost_matrix": np.ones((4, 4), np.float32)}, do_compression=True)
    (folder / TRUTH).write_text("".join(f"{number}\n" for number in truth), encoding="utf-8")
    return folder


def write_sbow(path: Path, images: Mapping[str, Any], *, compressed: bool = True, **arrays: Any) -> Path:
    """Write a feature file: the words of each image, by its ID."""
    sbow = []
    for words in images.values():
        word = np.atleast_2d(words)
        word = word.astype(np.int16) if word.dtype.kind == "i" else word
        count = word.size
        x = np.linspace(10, 290, count, dtype=np.float32)[None]
        scale = np.zeros((1, count), np.int8)
        sbow.append(structs({"word": [word], "x": [x], "y": [x], "scale": [scale], "norm": [x / 300]}))
    path.parent.mkdir(parents=True, exist_ok=True)
    image_sbow = structs({"ID": list(images), "sbow": sbow})
    savemat(path, {"image_sbow": image_sbow, **arrays}, do_compression=compressed)
    return path
