"""The well-known sets that can be downloaded: where their files lie, what these must be, and who reads them.

Sizes and SHA-256 of the files as served are those of TensorFlow Datasets (`tensorflow_datasets/url_checksums/NAME.txt`,
recorded from these addresses), for CoverType of scikit-learn (`sklearn/datasets/_covtype.py`). Those of decompressed
content were computed from copies, and agree with what the sources beside the entries publish.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capacity.data.dataset import Dataset
from capacity.data.fetching.cache import Fingerprint, RemoteFile
from capacity.data.importers.cifar import import_cifar10, import_cifar100
from capacity.data.importers.idx import import_idx
from capacity.data.importers.uci import import_adult, import_covtype

Importer = Callable[[Sequence[Path], Path, str], Dataset]
"""Takes the files in the order of the entry, the HDF5 file to make and the data set's name."""


@dataclass(frozen=True)
class KnownSet:
    """A set that `get_dataset` knows.

    Attributes
    ----------
    title : str
        One line for people.
    licence : str
        As its authors state it.
    page : str
        Where it is described.
    files : tuple of RemoteFile
    importer : callable
        Makes a data set file of them: (paths in the order of `files`, out, name) -> Dataset.
    """

    title: str
    licence: str
    page: str
    files: tuple[RemoteFile, ...]
    importer: Importer

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.original.size for file in self.files)


def _idx(files: Sequence[Path], out: Path, name: str, class_names: Sequence[str] = ()) -> Dataset:
    images, labels, test_images, test_labels = files
    return import_idx(
        images, labels, out, test_images=test_images, test_labels=test_labels, name=name, class_names=class_names
    )


def _one_file(importer: Callable[..., Dataset]) -> Importer:
    """Return the call of an importer that takes one file."""
    return lambda files, out, name: importer(files[0], out, name=name)


def _folder(importer: Callable[..., Dataset]) -> Importer:
    """Return the call of an importer that takes a folder with the files."""
    return lambda files, out, name: importer(files[0].parent, out, name=name)


def _file(name: str, size: int, sha256: str, *folders: str, content: tuple[int, str] | None = None) -> RemoteFile:
    urls = tuple(f"{folder}/{name}" for folder in folders)
    return RemoteFile(name, Fingerprint(size, sha256), urls, Fingerprint(*content) if content else None)


_GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
# yann.lecun.com, where they began, is often out of reach; these are the mirrors of PyTorch and of TensorFlow.
_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
_FASHION = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",)
_KRIZHEVSKY = ("https://www.cs.toronto.edu/~kriz",)
_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

CATALOGUE: dict[str, KnownSet] = {
    # SHA-256: url_checksums/mnist.txt. Content: its MD5 are those that loaders check decompressed files by: train
    # 6bbc9ace898e44ae57da46a324031adb and a25bea736e30d166cdddb491f175f624, t10k 2646ac647ad5339dbf082846283269ea and
    # 27ae3e4e09519cfbb04c329615203637.
    "mnist": KnownSet(
        "handwritten digits, 28x28 grey, 60,000 + 10,000, 10 classes",
        "none stated; cite LeCun et al. 1998",
        "http://yann.lecun.com/exdb/mnist",
        (
            _file(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                *_MNIST,
                content=(47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            ),
            _file(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                *_MNIST,
                content=(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ),
            _file(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                *_MNIST,
                content=(7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ),
            _file(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                *_MNIST,
                content=(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ),
        ),
        _idx,
    ),
    # SHA-256: url_checksums/fashion_mnist.txt. Content: its MD5 are those that loaders check decompressed files by:
    # train f4a8712d7a061bf5bd6d2ca38dc4d50a and 9018921c3c673c538a1fc5bad174d6f9, t10k 8181f5470baa50b63fa0f6fddb340f0a
    # and 15d484375f8d13e6eb1aabb0c3f46965.
    "fashion-mnist": KnownSet(
        "garments, 28x28 grey, 60,000 + 10,000, 10 classes",
        "MIT; cite Xiao, Rasul and Vollgraf 2017",
        "https://github.com/zalandoresearch/fashion-mnist",
        (
            _file(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                *_FASHION,
                content=(47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            ),
            _file(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                *_FASHION,
                content=(60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            ),
            _file(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                *_FASHION,
                content=(7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            ),
            _file(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                *_FASHION,
                content=(10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ),
        ),
        functools.partial(_idx, class_names=_GARMENTS),
    ),
    # SHA-256: url_checksums/cifar10.txt, and the same in GoMLX (examples/cifar/cifar.go).
    "cifar10": KnownSet(
        "photographs, 32x32 colour, 50,000 + 10,000, 10 classes",
        "none stated; cite Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        (
            _file(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                *_KRIZHEVSKY,
            ),
        ),
        _one_file(import_cifar10),
    ),
    # SHA-256: url_checksums/cifar100.txt, and the same in GoMLX.
    "cifar100": KnownSet(
        "photographs, 32x32 colour, 50,000 + 10,000, 100 classes",
        "none stated; cite Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        (
            _file(
                "cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                *_KRIZHEVSKY,
            ),
        ),
        _one_file(import_cifar100),
    ),
    # SHA-256: scikit-learn, of its mirror of this file; loaders that take UCI's address pin the same, and its size.
    # Content: the crate dataset-ml (covtype.rs).
    "covtype": KnownSet(
        "forest cover by cartography, 54 numbers, 581,012, 7 classes",
        "CC BY 4.0; cite Blackard and Dean 1999",
        "https://archive.ics.uci.edu/dataset/31/covertype",
        (
            _file(
                "covtype.data.gz",
                11_240_707,
                "614360d0257557dd1792834a85a1cdebfadc3c4f30b011d56afee7ffb5b15771",
                f"{_UCI}/covtype",
                content=(75_169_317, "0a9371cef7c964b5475d6053cc3e0894a5aa6f65ad1ed3ecb01c45aa96217945"),
            ),
        ),
        _one_file(import_covtype),
    ),
    # SHA-256: url_checksums/adult.txt.
    "adult": KnownSet(
        "incomes of a census, 14 columns, 32,561 + 16,281, 2 classes",
        "CC BY 4.0; cite Becker and Kohavi 1996",
        "https://archive.ics.uci.edu/dataset/2/adult",
        (
            _file(
                "adult.data",
                3_974_305,
                "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                f"{_UCI}/adult",
            ),
            _file(
                "adult.test",
                2_003_153,
                "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                f"{_UCI}/adult",
            ),
        ),
        _folder(import_adult),
    ),
}
