"""Data sets: one HDF5 layout (README.md beside this file), opened lazily, and the importers that write it."""

from __future__ import annotations

from capacity.data.arrays import save_dataset
from capacity.data.checking.check import check_dataset
from capacity.data.checking.check_result import DatasetCheck
from capacity.data.contradictions import Contradictions, find_contradictions
from capacity.data.dataset import Dataset, Split
from capacity.data.fetching.catalogue import CATALOGUE
from capacity.data.fetching.known import get_dataset
from capacity.data.importers.cifar import CIFAR100_LABELS, import_cifar10, import_cifar100
from capacity.data.importers.csv_text import import_csv
from capacity.data.importers.idx import import_idx, import_idx_folder
from capacity.data.importers.ilsvrc2010 import ilsvrc2010_bytes_left, import_ilsvrc2010
from capacity.data.importers.image_import import import_image_pixels, import_image_words
from capacity.data.importers.images import ImageFolder, find_images
from capacity.data.importers.npz import import_npz
from capacity.data.importers.parquet import import_parquet
from capacity.data.importers.text import TEXT_UNITS, import_text
from capacity.data.importers.uci import import_adult, import_covtype
from capacity.data.importers.vocabulary import Vocabulary, learn_vocabulary, load_vocabulary
from capacity.data.opening import BUILT_IN, open_dataset
from capacity.data.reading.rows import RowReader
from capacity.data.relabel import LABEL_KINDS, SELECTIONS, derive_dataset
from capacity.data.shuffling import shuffle_dataset
from capacity.data.visual_words import write_visual_words
from capacity.data.writing import DatasetWriter

__all__ = [
    "BUILT_IN",
    "CATALOGUE",
    "CIFAR100_LABELS",
    "LABEL_KINDS",
    "SELECTIONS",
    "TEXT_UNITS",
    "Contradictions",
    "Dataset",
    "DatasetCheck",
    "DatasetWriter",
    "ImageFolder",
    "RowReader",
    "Split",
    "Vocabulary",
    "check_dataset",
    "derive_dataset",
    "find_contradictions",
    "find_images",
    "get_dataset",
    "ilsvrc2010_bytes_left",
    "import_adult",
    "import_cifar10",
    "import_cifar100",
    "import_covtype",
    "import_csv",
    "import_idx",
    "import_idx_folder",
    "import_ilsvrc2010",
    "import_image_pixels",
    "import_image_words",
    "import_npz",
    "import_parquet",
    "import_text",
    "learn_vocabulary",
    "load_vocabulary",
    "open_dataset",
    "save_dataset",
    "shuffle_dataset",
    "write_visual_words",
]
