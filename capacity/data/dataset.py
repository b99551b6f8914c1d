"""What the rest of the package sees of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The samples of one split. Both arrays are read-only and C-contiguous.

    Attributes
    ----------
    features : ndarray (N, D) of uint8, int16 or float32
        Stored values; multiply by `Dataset.scale` before use. A memory map of the file where the file allows it.
    labels : ndarray (N,) of int32
        Class indices 0..K-1.
    """

    features: NDArray[Any]
    labels: NDArray[np.int32]

    def __repr__(self) -> str:
        return f"Split(N={len(self.labels)}, D={self.features.shape[1]}, {self.features.dtype})"


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A labelled data set with its names and its origin.

    Attributes
    ----------
    name : str
    classes : int
        K.
    class_names : tuple of str
        K names.
    feature_names : tuple of str
        D names, or empty.
    scale : float
        What a stored value is multiplied by before a network sees it (1/255 for 8-bit images).
    train : Split
    test : Split or None
    digest : str
        SHA-256 (hex) of the content: shapes, dtype, classes, scale, features and labels of both splits. For a derived
        data set, of how it was derived from which digest, see :func:`derive_dataset`.
    provenance : dict
        Source files, importer and its options, standardisation constants, licence, version that wrote it.
    path : Path or None
        The file behind it.
    """

    name: str
    classes: int
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    scale: float
    train: Split
    test: Split | None
    digest: str
    provenance: dict[str, Any]
    path: Path | None = None

    @property
    def inputs(self) -> int:
        """D, the number of features of a sample."""
        return int(self.train.features.shape[1])

    def __repr__(self) -> str:
        test = "" if self.test is None else f", test={len(self.test.labels)}"
        return (
            f"Dataset('{self.name}', N={len(self.train.labels)}{test}, D={self.inputs}, K={self.classes}, "
            f"{self.train.features.dtype}, digest={self.digest[:8]})"
        )
