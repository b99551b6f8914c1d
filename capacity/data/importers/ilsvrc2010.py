"""The data of Dauphin and Bengio 2013: bags of visual words of ILSVRC2010, from the challenge's own feature files.

The formats are those of the readme of the development kit (devkit-1.0) and of its demo.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.dataset import Dataset
from capacity.data.importers.counts import smallest_integer
from capacity.data.importers.ilsvrc2010_devkit import CLASSES, META, VALIDATION_TRUTH, Synset, read_synsets, read_truth
from capacity.data.importers.ilsvrc2010_features import FEATURE_SUFFIX, WORDS, FeatureFiles, find_features
from capacity.data.importers.ilsvrc2010_parts import Part, Parts
from capacity.data.layout import NORMALISATIONS
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.writing import DatasetWriter, check_target
from capacity.errors import InputError, did_you_mean


def import_ilsvrc2010(
    features: str | Path,
    out: str | Path,
    *,
    devkit: str | Path,
    normalisation: str = "none",
    name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Import the visual words of ILSVRC2010 as histograms over 1000 words, in 1000 classes.

    Memory holds one feature file at a time. Finished files are kept in the folder OUT.h5.parts until the data set is
    whole: an import that was stopped, or that met a broken file, goes on there when it is called again.

    Parameters
    ----------
    features : str or Path
        Folder with train/WNID.sbow.mat and val/val.NNNN.sbow.mat, or with all of them in it. Some of the files are
        enough. The validation images become the test split.
    out : str or Path
        The HDF5 file to make: counts in the smallest of uint8, int16 and int32 that holds the largest. The training
        rows are in a random order, that of seed 0: a file of the challenge holds one class, and rows that are read in
        windows should not.
    devkit : str or Path
        The folder of the development kit, for data/meta.mat and data/ILSVRC2010_validation_ground_truth.txt. A class'
        index is its ILSVRC2010_ID - 1, its name its WNID and first word.
    normalisation : {"none", "l1", "l2"}
        What a histogram is divided by when it is used: nothing, its sum, or its Euclidean norm as in the kit's demo.
    name : str, optional
        Default: the stem of `out`.
    progress : callable, optional
        Called with the size in bytes of each feature file that has been read; see `ilsvrc2010_bytes_left`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A file is missing, broken or not as the development kit describes it (file, image and value named), or the data
        set cannot be written.
    """
    features, out, devkit = Path(features), Path(out), Path(devkit)
    if normalisation not in NORMALISATIONS:
        hint = did_you_mean(normalisation, NORMALISATIONS)
        raise InputError(f"normalisation is '{normalisation}': expected a rule{hint}")
    check_target(out)
    files, synsets = find_features(features), read_synsets(devkit)
    labels = _Labels(synsets, read_truth(devkit) if files.validation else None, devkit)
    labels.check_classes(files)

    parts = Parts(out)
    for source in list(parts.missing(files)):
        parts.make(source)
        if progress:
            progress(source.stat().st_size)
    provenance = {
        "importer": "ilsvrc2010",
        "options": {"normalisation": normalisation, "shuffle": 0},
        "training_images_in_devkit": sum(synset.images for synset in synsets),
    }
    class_names = [f"{synset.wnid} {synset.word}" for synset in synsets]
    described = {"name": name, "class_names": class_names, "normalisation": normalisation, "provenance": provenance}
    _write(files, parts, labels, out, **described)
    parts.remove()
    return open_dataset(out)


def ilsvrc2010_bytes_left(features: str | Path, out: str | Path) -> int:
    """Return how many bytes of feature files an import to `out` has still to read."""
    return sum(source.stat().st_size for source in Parts(Path(out)).missing(find_features(Path(features))))


def _write(files: FeatureFiles, parts: Parts, labels: _Labels, out: Path, **described: Any) -> None:
    """Put the parts together: once through them for what is announced, once for their rows."""
    classes: dict[Path, NDArray[np.int32]] = {}
    largest, sources = 0, labels.sources()
    for source in files:
        part = parts.load(source)
        classes[source] = labels.of(part, source)
        largest = max(largest, int(part.counts.max()))
        sources.append(part.source)
    described["provenance"] |= {"sources": sources}
    with DatasetWriter(
        out,
        inputs=WORDS,
        dtype=smallest_integer(largest),
        classes=CLASSES,
        samples=sum(len(classes[source]) for source in files.train.values()),
        test_samples=sum(len(classes[source]) for source in files.validation),
        shuffle=0,
        **described,
    ) as writer:
        for split, chosen in (("train", files.train.values()), ("test", files.validation)):
            for source in chosen:
                writer.append(parts.load(source).counts, classes[source], split=split)


class _Labels:
    """The class index of each image, by the development kit.

    Parameters
    ----------
    synsets : tuple of Synset
        The classes in the order of their indices.
    truth : ndarray (n,) or None
        Class indices of the validation images, where there are any.
    devkit : Path
        The kit's folder.
    """

    def __init__(self, synsets: tuple[Synset, ...], truth: NDArray[np.int32] | None, devkit: Path) -> None:
        self._classes = {synset.wnid: index for index, synset in enumerate(synsets)}
        self._truth, self._devkit = truth, devkit
        self._seen: set[int] = set()

    def check_classes(self, files: FeatureFiles) -> None:
        for wnid, path in files.train.items():
            if wnid not in self._classes:
                raise InputError(
                    f"{path}: {wnid} is none of the {CLASSES} classes in {self._devkit / META}; move the file away"
                )

    def sources(self) -> list[dict[str, Any]]:
        """Return the lines of the provenance."""
        used = (META,) if self._truth is None else (META, VALIDATION_TRUTH)
        return [describe(self._devkit / path) for path in used]

    def of(self, part: Part, source: Path) -> NDArray[np.int32]:
        """Return the labels (n,) of the images of a feature file."""
        wnid = source.name.removesuffix(FEATURE_SUFFIX)
        return self._training(part, wnid, source) if wnid in self._classes else self._validation(part, source)

    def _training(self, part: Part, wnid: str, source: Path) -> NDArray[np.int32]:
        for image in part.ids:
            if not image.startswith(wnid):
                raise InputError(f"{source} holds the image {image}: expected images of {wnid} only; fetch it again")
        return np.full(len(part.ids), self._classes[wnid], dtype=np.int32)

    def _validation(self, part: Part, source: Path) -> NDArray[np.int32]:
        """Look up the number in each image's name among the lines of the ground truth, which count from 1."""
        assert self._truth is not None
        labels = np.empty(len(part.ids), dtype=np.int32)
        for row, image in enumerate(part.ids):
            match = re.fullmatch(r"ILSVRC2010_val_(\d{8})", image)
            if match is None:
                raise InputError(f"{source} holds the image {image}: expected names like ILSVRC2010_val_00000001")
            number = int(match[1])
            if not 1 <= number <= len(self._truth):
                lines = f"{VALIDATION_TRUTH.name} has {len(self._truth)} lines"
                raise InputError(f"{source} holds the image {image}, but {lines}: expected a line an image")
            if number in self._seen:
                raise InputError(f"{source} holds the image {image}, which came before: expected each image once")
            self._seen.add(number)
            labels[row] = self._truth[number - 1]
        return labels
