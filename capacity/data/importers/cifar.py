"""CIFAR-10 and CIFAR-100 as their authors distribute them: binary records, or pickles of Python 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checks import as_labels
from capacity.data.dataset import Dataset
from capacity.data.importers.archive import Place, find_files
from capacity.data.importers.cifar_names import CIFAR10, CIFAR100_COARSE, CIFAR100_FINE
from capacity.data.importers.pickles import read_pickle
from capacity.data.layout import row_blocks
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError, did_you_mean

CIFAR100_LABELS = ("fine", "coarse")
_PIXELS = 3 * 32 * 32
_FIRST_BYTES = (b"\x80", b"(", b"}")  # of a pickle; a binary file begins with a label below 20


@dataclass(frozen=True)
class _Kind:
    """What is where.

    batches : the files of each split; names : class names that the authors give;
    text, pickled : file of the class names, and the key of them in a pickle;
    key : of the labels in a pickle; label_bytes, label_at : of a binary record, and which of them is the label.
    """

    title: str
    batches: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    text: str
    pickled: tuple[str, str]
    key: str
    label_bytes: int
    label_at: int


_TEN = _Kind(
    "CIFAR-10",
    {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    CIFAR10,
    "batches.meta.txt",
    ("batches.meta", "label_names"),
    "labels",
    1,
    0,
)
_HUNDRED = {
    labels: _Kind(
        "CIFAR-100",
        {"train": ("train",), "test": ("test",)},
        names,
        f"{labels}_label_names.txt",
        ("meta", f"{labels}_label_names"),
        f"{labels}_labels",
        2,
        at,
    )
    for labels, names, at in (("fine", CIFAR100_FINE, 1), ("coarse", CIFAR100_COARSE, 0))
}


def import_cifar10(
    source: str | Path, out: str | Path, *, name: str | None = None, progress: Callable[[int], None] | None = None
) -> Dataset:
    """Import CIFAR-10 (Krizhevsky 2009) as a data set file: uint8 (N, 3072), scale 1/255, 10 classes.

    A row is an image of 32 x 32 pixels: its red values, row by row, then the green, then the blue ones, as in the
    source. The training split is data_batch_1 to data_batch_5 in their order, the test split test_batch.

    Parameters
    ----------
    source : str or Path
        cifar-10-binary.tar.gz, cifar-10-python.tar.gz, or the folder that one of them unpacks to. Which version a file
        is, its content says. Pickles are read, never executed. Any number of images a file will do.
    out : str or Path
        The HDF5 file to make.
    name : str, optional
        Default: the stem of `out`.
    progress : callable, optional
        Called with the number of rows added, block after block.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A file is missing, damaged or not of CIFAR-10, or a pickle holds more than numbers and texts; nothing is left
        behind.
    """
    return _import(Path(source), Path(out), _TEN, {}, name, progress)


def import_cifar100(
    source: str | Path,
    out: str | Path,
    *,
    labels: str = "fine",
    name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Import CIFAR-100 (Krizhevsky 2009) as a data set file: uint8 (N, 3072), scale 1/255.

    Parameters
    ----------
    source : str or Path
        cifar-100-binary.tar.gz, cifar-100-python.tar.gz, or the folder that one of them unpacks to.
    out : str or Path
        The HDF5 file to make.
    labels : {"fine", "coarse"}
        The 100 classes, or the 20 groups of five that they make.
    name, progress
        As in `import_cifar10`, like all that is not said here.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As in `import_cifar10`.
    """
    if labels not in _HUNDRED:
        raise InputError(f"labels is '{labels}': expected 'fine' or 'coarse'{did_you_mean(labels, CIFAR100_LABELS)}")
    return _import(Path(source), Path(out), _HUNDRED[labels], {"labels": labels}, name, progress)


def _import(
    source: Path,
    out: Path,
    kind: _Kind,
    options: dict[str, Any],
    name: str | None,
    progress: Callable[[int], None] | None,
) -> Dataset:
    places = _places(source, kind)
    class_names, named_by = _class_names(places, kind, source)
    # Twice over the files, as they lie in an archive the first time: counting needs no order, rows do.
    order = sorted((stem for stems in kind.batches.values() for stem in stems), key=lambda stem: places[stem].offset)
    counts = {stem: len(_batch(places[stem], stem, kind, source)[1]) for stem in order}
    samples = {split: sum(counts[stem] for stem in stems) for split, stems in kind.batches.items()}
    used = [places[stem] for stem in kind.batches["train"] + kind.batches["test"]] + named_by
    with DatasetWriter(
        out,
        inputs=_PIXELS,
        dtype=np.uint8,
        classes=len(class_names),
        samples=samples["train"],
        test_samples=samples["test"],
        name=name,
        class_names=class_names,
        scale=1 / 255,
        provenance={
            "importer": kind.title.lower().replace("-", ""),
            "sources": [describe(path) for path in dict.fromkeys(place.path for place in used)],
            "options": options,
            "image": {"channels": 3, "height": 32, "width": 32, "order": "red, green, blue planes, each row by row"},
        },
    ) as writer:
        for split, stems in kind.batches.items():
            for stem in stems:
                images, labels = _batch(places[stem], stem, kind, source)
                for rows in row_blocks(len(images), _PIXELS):
                    writer.append(images[rows], labels[rows], split=split)
                    if progress:
                        progress(rows.stop - rows.start)
    return open_dataset(out)


def _places(source: Path, kind: _Kind) -> dict[str, Place]:
    """Find the files by their names, with .bin or without; all batches must be there."""
    stems = [stem for split in kind.batches.values() for stem in split]
    others = (*_TEN.batches["train"][:1], "train")
    wanted = {file for stem in (*stems, *others) for file in (stem, f"{stem}.bin")}
    found = find_files(source, {*wanted, kind.text, kind.pickled[0]})
    places = {file.removesuffix(".bin"): found[file] for file in sorted(found)}  # NAME.bin goes before NAME
    lacking = [stem for stem in stems if stem not in places]
    if lacking:
        other = "CIFAR-100" if kind is _TEN else "CIFAR-10"
        hint = f": it looks like {other}" if any(stem in places for stem in others if stem not in stems) else ""
        raise InputError(
            f"{source} has no file {lacking[0]} or {lacking[0]}.bin{hint}; expected {kind.title}'s folder or archive, "
            "as its authors distribute it"
        )
    return places


def _batch(place: Place, stem: str, kind: _Kind, source: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Read a file of images (n, 3072) with their labels (n,)."""
    what = f"{source}: {stem}"
    data = place.read()
    labels: NDArray[Any]
    if data[:1] in _FIRST_BYTES:
        images, labels = _unpickled(data, kind, what)
    else:
        length = kind.label_bytes + _PIXELS
        if len(data) % length:
            raise InputError(
                f"{what} has {len(data)} bytes: expected a multiple of the {length} of an image of {kind.title}; it is "
                "truncated or not such a file"
            )
        records: NDArray[np.uint8] = np.frombuffer(data, np.uint8).reshape(-1, length)
        images, labels = records[:, kind.label_bytes :], records[:, kind.label_at]
    return images, as_labels(labels, f"{what}:", classes=len(kind.names))


def _unpickled(data: bytes, kind: _Kind, what: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    values = _keyed(read_pickle(data, what))
    images, labels = values.get("data"), values.get(kind.key)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (_PIXELS,):
        raise InputError(f"{what} has no array 'data' of bytes (N, {_PIXELS}): is it a file of {kind.title}?")
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        labels = np.array(labels, dtype=np.int64)
    if not isinstance(labels, np.ndarray) or labels.shape != images.shape[:1]:
        raise InputError(
            f"{what} has no list '{kind.key}' of {len(images)} whole numbers: is it a file of {kind.title}?"
        )
    return images, labels


def _class_names(places: dict[str, Place], kind: _Kind, source: Path) -> tuple[tuple[str, ...], list[Place]]:
    """Return the class names and the files they are from; those that the authors give when no file says them."""
    file, key = kind.pickled
    found: Any
    if kind.text in places:
        what, place = f"{source}: {kind.text}", places[kind.text]
        found = [line.strip() for line in place.read().splitlines() if line.strip()]
    elif file in places:
        what, place = f"{source}: {file}", places[file]
        found = _keyed(read_pickle(place.read(), what)).get(key)
    else:
        return kind.names, []
    names = found if isinstance(found, list) and len(found) == len(kind.names) else []
    texts = [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]
    if not texts or not all(isinstance(text, str) and len(text) < 100 and text.isprintable() for text in texts):
        raise InputError(f"{what} does not hold {len(kind.names)} class names: is it a file of {kind.title}?")
    return tuple(texts), [place]


def _keyed(values: Any) -> dict[str, Any]:
    """Return a dict by text: its keys are bytes where Python 2 wrote them."""
    items = values.items() if isinstance(values, dict) else ()
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in items}
