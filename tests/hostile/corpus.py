"""The table of formats: a row is a format. To add one, write its seed and what is odd about it, and add its row."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from tests.hostile import (
    cifar,
    csv,
    hdf5_crafted,
    hdf5_seeds,
    hdf5_sparse,
    idx,
    ilsvrc2010,
    images,
    npz,
    parquet,
    spoil,
    text,
    uci,
    vocabulary,
)
from tests.hostile.case import Case, Format

_HDF5 = (hdf5_seeds.words, hdf5_seeds.metadata)
_INFO = ("data", "info", hdf5_seeds.FILE)
_SWEEP = (
    "sweep",
    "--widths",
    "2",
    "--epochs",
    "1",
    "--seeds",
    "1",
    "--batch",
    "4",
    "--quiet",
    "--out",
    "study",
    hdf5_seeds.FILE,
)

FORMATS = (
    Format("hdf5", hdf5_seeds.ours, hdf5_seeds.FILE, _INFO, *_HDF5, None, hdf5_seeds.seal, 9, hdf5_crafted.cases),
    Format("hdf5-oldest", hdf5_seeds.oldest, hdf5_seeds.FILE, _INFO, *_HDF5, None, hdf5_seeds.seal, 14),
    Format("hdf5-newest", hdf5_seeds.newest, hdf5_seeds.FILE, _INFO, *_HDF5, None, hdf5_seeds.seal, 9),
    Format("hdf5-sweep", hdf5_seeds.oldest, hdf5_seeds.FILE, _SWEEP, *_HDF5, "study", hdf5_seeds.seal, 400),
    Format(
        "hdf5-sparse",
        hdf5_sparse.packed,
        hdf5_seeds.FILE,
        _INFO,
        *_HDF5,
        None,
        hdf5_seeds.seal,
        14,
        hdf5_sparse.cases,
    ),
    Format("hdf5-sparse-newest", hdf5_sparse.packed_anew, hdf5_seeds.FILE, _INFO, *_HDF5, None, hdf5_seeds.seal, 14),
    Format("hdf5-normalised", hdf5_sparse.normalised, hdf5_seeds.FILE, _INFO, *_HDF5, None, hdf5_seeds.seal, 30),
    Format("hdf5-check", hdf5_seeds.ours, hdf5_seeds.FILE, hdf5_sparse.CHECK, *_HDF5, None, hdf5_seeds.seal, 60),
    Format("hdf5-check-oldest", hdf5_seeds.oldest, hdf5_seeds.FILE, hdf5_sparse.CHECK, *_HDF5, None, stride=40),
    Format(
        "hdf5-check-sparse",
        hdf5_sparse.packed_anew,
        hdf5_seeds.FILE,
        hdf5_sparse.CHECK,
        *_HDF5,
        None,
        hdf5_seeds.seal,
        60,
    ),
    Format(
        "hdf5-shuffle",
        hdf5_sparse.normalised,
        hdf5_seeds.FILE,
        hdf5_sparse.SHUFFLE,
        *_HDF5,
        seal=hdf5_seeds.seal,
        stride=60,
    ),
    Format("hdf5-shuffle-sparse", hdf5_sparse.packed, hdf5_seeds.FILE, hdf5_sparse.SHUFFLE, *_HDF5, stride=40),
    Format("npz", npz.stored, npz.FILE, npz.IMPORT, npz.cuts, npz.every_byte, "out.h5", npz.seal, 3, npz.cases),
    Format("npz-deflated", npz.deflated, npz.FILE, npz.IMPORT, npz.cuts, npz.every_byte, "out.h5", None, 3),
    Format("idx", idx.plain, "x", idx.IMPORT, idx.every_byte, idx.every_byte, crafted=idx.cases),
    Format("idx-labels", idx.plain, "y", idx.IMPORT, idx.every_byte, idx.every_byte),
    Format("idx-gzipped", idx.gzipped, "x", idx.IMPORT, idx.every_byte, idx.every_byte),
    Format("idx-float32", idx.numbers, "x", idx.IMPORT, idx.every_byte, idx.every_byte),
    Format("idx-folder", idx.folder, "t10k-images-idx3-ubyte", idx.FOLDER, idx.every_byte, idx.every_byte, stride=2),
    Format("csv", csv.table, csv.FILE, csv.IMPORT, csv.every_byte, csv.every_byte, crafted=csv.cases),
    Format("csv-gzipped", csv.gzipped, csv.FILE, csv.IMPORT, csv.every_byte, csv.every_byte, stride=2),
    Format("csv-bare", csv.bare, csv.FILE, csv.NO_HEADER, csv.every_byte, csv.every_byte),
    Format(
        "parquet", parquet.plain, parquet.FILE, parquet.IMPORT, parquet.cuts, parquet.every_byte, crafted=parquet.cases
    ),
    Format("parquet-packed", parquet.packed, parquet.FILE, parquet.IMPORT, parquet.cuts, parquet.every_byte),
    Format("text", text.plain, text.FILE, text.CHARACTERS, text.every_byte, text.every_byte, crafted=text.cases),
    Format("text-words", text.plain, text.FILE, text.WORDS, text.every_byte, text.every_byte),
    Format("text-gzipped", text.gzipped, text.FILE, text.WORDS, text.every_byte, text.every_byte),
    Format("covtype", uci.cover, uci.COVER, uci.IMPORT_COVER, uci.every_byte, uci.every_byte, crafted=uci.cases),
    Format("covtype-gzipped", uci.cover_gzipped, uci.COVER, uci.IMPORT_COVER, uci.every_byte, uci.every_byte),
    Format("adult", uci.adult, uci.ADULT, uci.IMPORT_ADULT, uci.every_byte, uci.every_byte),
    Format("cifar", cifar.pickled, cifar.TRAIN, cifar.FOLDER, cifar.no_pixels, cifar.no_pixels, crafted=cifar.cases),
    Format("cifar-anew", cifar.pickled_anew, cifar.TRAIN, cifar.FOLDER, cifar.no_pixels, cifar.no_pixels),
    Format("cifar-names", cifar.pickled_as_text, cifar.META, cifar.FOLDER, cifar.every_byte, cifar.every_byte),
    Format("cifar-records", cifar.records, "c/train.bin", cifar.FOLDER, cifar.around_labels, cifar.around_labels),
    Format("cifar10", cifar.records_of_ten, "c/data_batch_2.bin", cifar.TEN, cifar.around_labels, cifar.around_labels),
    Format("cifar-archive", cifar.archive, cifar.ARCHIVE, cifar.FOLDER, cifar.every_byte, cifar.every_byte),
    Format(
        "cifar-tar",
        cifar.plain_archive,
        cifar.ARCHIVE,
        cifar.FOLDER,
        cifar.headers,
        cifar.headers,
        seal=cifar.seal,
    ),
    Format(
        "ilsvrc2010",
        ilsvrc2010.compressed,
        ilsvrc2010.FEATURES,
        ilsvrc2010.IMPORT,
        ilsvrc2010.cuts,
        ilsvrc2010.every_byte,
        crafted=ilsvrc2010.cases,
        kept=ilsvrc2010.KEPT,
    ),
    Format(
        "ilsvrc2010-plain",
        ilsvrc2010.plain,
        ilsvrc2010.FEATURES,
        ilsvrc2010.IMPORT,
        ilsvrc2010.cuts,
        ilsvrc2010.every_byte,
        kept=ilsvrc2010.KEPT,
    ),
    Format(
        "ilsvrc2010-classes",
        ilsvrc2010.plain_meta,
        ilsvrc2010.META,
        ilsvrc2010.IMPORT,
        ilsvrc2010.beginning,
        ilsvrc2010.beginning,
        stride=40,
        kept=ilsvrc2010.KEPT,
    ),
    Format(
        "ilsvrc2010-truth",
        ilsvrc2010.validated,
        ilsvrc2010.GROUND_TRUTH,
        ilsvrc2010.IMPORT,
        ilsvrc2010.every_byte,
        ilsvrc2010.every_byte,
        kept=ilsvrc2010.KEPT,
    ),
)

_PIXELS = (
    Format(
        "images",
        images.png,
        images.spoiled("png"),
        images.IMPORT,
        images.every_byte,
        images.every_byte,
        seal=images.seal,
        crafted=images.cases,
    ),
    Format("images-jpeg", images.jpeg, images.spoiled("jpg"), images.IMPORT, images.every_byte, images.every_byte),
    Format(
        "images-progressive",
        images.progressive,
        images.spoiled("jpeg"),
        images.IMPORT,
        images.every_byte,
        images.every_byte,
    ),
    Format("images-bmp", images.bmp, images.spoiled("bmp"), images.IMPORT, images.every_byte, images.every_byte),
    Format("images-tiff", images.tiff, images.spoiled("tif"), images.IMPORT, images.every_byte, images.every_byte),
    Format("images-webp", images.webp, images.spoiled("webp"), images.IMPORT, images.every_byte, images.every_byte),
    Format("images-ppm", images.ppm, images.spoiled("ppm"), images.IMPORT, images.every_byte, images.every_byte),
)
if importlib.util.find_spec("PIL"):  # an extra
    FORMATS += _PIXELS
if importlib.util.find_spec("PIL") and importlib.util.find_spec("cv2"):
    FORMATS += (
        Format(
            "vocabulary",
            vocabulary.seed,
            vocabulary.FILE,
            vocabulary.IMPORT,
            npz.cuts,
            npz.every_byte,
            seal=npz.seal,
            crafted=vocabulary.cases,
        ),
        Format(
            "vocabulary-photo",
            vocabulary.seed,
            vocabulary.PHOTO,
            vocabulary.IMPORT,
            images.every_byte,
            images.every_byte,
            seal=images.seal,
            stride=80,
        ),
    )


def corpus(*, every: bool = False) -> Iterator[Case]:
    """Yield the cases of all formats; with `every`, those that are left out for time, too."""
    for row in FORMATS:
        yield from spoil.cases(row, every=every)
