"""What the rest of the package sees of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.reading.rows import RowReader
from capacity.data.windows import Windows
from capacity.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The samples of one split. Arrays are read-only and C-contiguous.

    Attributes
    ----------
    features : ndarray or RowReader (N, D) of uint8, int16, int32, float16 or float32
        Stored values; multiply by `Dataset.scale` and by `row_scale` before use. A memory map of the file where the
        file allows it; a reader where they were not to be loaded, see `Dataset.windows`.
    labels : ndarray (N,) of int32
        Class indices 0..K-1.
    row_scale : ndarray (N,) or (0,), float32
        What the values of a row are multiplied by before use besides the scale; empty without a normalisation.
    """

    features: NDArray[Any] | RowReader
    labels: NDArray[np.int32]
    row_scale: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def reader(self) -> RowReader:
        """The features where they are read in windows."""
        assert isinstance(self.features, RowReader)
        return self.features

    @property
    def array(self) -> NDArray[Any]:
        """The features where they are an array.

        Raises
        ------
        InputError
            They are read in windows, and are wanted as a whole.
        """
        if isinstance(self.features, np.ndarray):
            return self.features
        size = f"{self.features.nbytes / 1e9:.3g} GB"
        raise InputError(f"this needs all features in memory, {size}, which is more than was allowed: raise memory")

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
    normalisation : {"none", "l1", "l2"}
        What every row is divided by, besides: nothing, the sum of its absolute values, or its Euclidean norm.
    train : Split
    test : Split or None
    digest : str
        SHA-256 (hex) of the content: shapes, dtype, classes, scale, features and labels of both splits. For a derived
        data set, of how it was derived from which digest, see :func:`derive_dataset`.
    provenance : dict
        Source files, importer and its options, standardisation constants, licence, version that wrote it.
    path : Path or None
        The file behind it.
    windows : Windows or None
        How the features are read where they are not in memory. The digest then names the order of the rows, too.
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
    normalisation: str = "none"
    windows: Windows | None = None

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
