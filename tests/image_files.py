"""Small images for the tests of imports from photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def write_image(path: Path, pixels: Any, **options: Any) -> Path:
    """Write grey values (h, w) or colours (h, w, 3) to a file of the format that its name says."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path, **options)
    return path


def texture(seed: int, height: int = 60, width: int = 50) -> np.ndarray[Any, Any]:
    """Return grey values with patterns some pixels wide, so that descriptors differ."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 5, width // 5))
    return np.kron(coarse, np.ones((5, 5))).astype(np.uint8)


def write_textures(folder: Path, classes: str = "ab", each: int = 4) -> Path:
    """Write a folder with a folder of textures for each class."""
    for index, name in enumerate(classes):
        for number in range(each):
            write_image(folder / name / f"{number}.png", texture(100 * index + number))
    return folder
