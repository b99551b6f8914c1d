"""Data sets: one HDF5 layout (README.md beside this file), opened lazily, and the importers that write it."""

from __future__ import annotations

from capacity.data.arrays import save_dataset
from capacity.data.contradictions import Contradictions, find_contradictions
from capacity.data.dataset import Dataset, Split
from capacity.data.idx import import_idx, import_idx_folder
from capacity.data.npz import import_npz
from capacity.data.opening import BUILT_IN, open_dataset
from capacity.data.relabel import LABEL_KINDS, SELECTIONS, derive_dataset
from capacity.data.rows import RowReader
from capacity.data.table import import_csv
from capacity.data.visual_words import write_visual_words
from capacity.data.writing import DatasetWriter

__all__ = [
    "BUILT_IN",
    "LABEL_KINDS",
    "SELECTIONS",
    "Contradictions",
    "Dataset",
    "DatasetWriter",
    "RowReader",
    "Split",
    "derive_dataset",
    "find_contradictions",
    "import_csv",
    "import_idx",
    "import_idx_folder",
    "import_npz",
    "open_dataset",
    "save_dataset",
    "write_visual_words",
]
