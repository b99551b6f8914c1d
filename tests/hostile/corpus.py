"""The table of formats: a row is a format. To add one, write its seed and what is odd about it, and add its row.

The strides keep the corpus within a minute of processor time. `python -m tests.hostile --part 1/1` says what each row
takes: most of it goes into what is good in spite of all that was done to it.
"""

from __future__ import annotations

import functools
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

_INFO, _CHECK, _SHUFFLE, _SWEEP = hdf5_sparse.INFO, hdf5_sparse.CHECK, hdf5_sparse.SHUFFLE, hdf5_crafted.SWEEP

_hdf5 = functools.partial(
    Format,
    spoiled=hdf5_seeds.FILE,
    target=None,
    cuts=hdf5_seeds.words,
    bytes=hdf5_seeds.metadata,
    seal=hdf5_seeds.seal,
)
_npz = functools.partial(Format, spoiled=npz.FILE, arguments=npz.IMPORT, cuts=npz.cuts)
_idx = functools.partial(Format, spoiled="x", arguments=idx.IMPORT)
_csv = functools.partial(Format, spoiled=csv.FILE, arguments=csv.IMPORT)
_parquet = functools.partial(Format, spoiled=parquet.FILE, arguments=parquet.IMPORT, cuts=parquet.cuts)
_text = functools.partial(Format, spoiled=text.FILE, arguments=text.WORDS)
_cover = functools.partial(Format, spoiled=uci.COVER, arguments=uci.IMPORT_COVER)
_cifar = functools.partial(Format, arguments=cifar.FOLDER)
_kit = functools.partial(Format, arguments=ilsvrc2010.IMPORT, kept=ilsvrc2010.KEPT)
_image = functools.partial(Format, arguments=images.IMPORT)
_words = functools.partial(Format, arguments=vocabulary.IMPORT)

FORMATS = (
    _hdf5("hdf5", hdf5_seeds.ours, arguments=_INFO, stride=50, crafted=hdf5_crafted.cases),
    _hdf5("hdf5-oldest", hdf5_seeds.oldest, arguments=_INFO, stride=50),
    _hdf5("hdf5-newest", hdf5_seeds.newest, arguments=_INFO, stride=40),
    _hdf5("hdf5-sparse", hdf5_sparse.packed, arguments=_INFO, stride=60, crafted=hdf5_sparse.cases),
    _hdf5("hdf5-sparse-newest", hdf5_sparse.packed_anew, arguments=_INFO, stride=60),
    _hdf5("hdf5-normalised", hdf5_sparse.normalised, arguments=_INFO, stride=90),
    _hdf5("hdf5-check", hdf5_seeds.ours, arguments=_CHECK, stride=120),
    _hdf5("hdf5-check-oldest", hdf5_seeds.oldest, arguments=_CHECK, stride=120),
    _hdf5("hdf5-check-sparse", hdf5_sparse.packed_anew, arguments=_CHECK, stride=120),
    _hdf5("hdf5-check-normalised", hdf5_sparse.normalised, arguments=_CHECK, stride=150),
    _hdf5("hdf5-shuffle", hdf5_sparse.normalised, arguments=_SHUFFLE, target="out.h5", stride=200),
    _hdf5("hdf5-shuffle-sparse", hdf5_sparse.packed, arguments=_SHUFFLE, target="out.h5", stride=200),
    _hdf5("hdf5-sweep", hdf5_seeds.oldest, arguments=_SWEEP, target="study", stride=2000),
    _npz("npz", npz.stored, seal=npz.seal, stride=8, crafted=npz.cases),
    _npz("npz-deflated", npz.deflated, stride=5),
    _idx("idx", idx.plain, stride=2, crafted=idx.cases),
    _idx("idx-labels", idx.plain, spoiled="y"),
    _idx("idx-gzipped", idx.gzipped, stride=2),
    _idx("idx-float32", idx.numbers, stride=3),
    _idx("idx-folder", idx.folder, spoiled="t10k-images-idx3-ubyte", arguments=idx.FOLDER, stride=4),
    _csv("csv", csv.table, stride=2, crafted=csv.cases),
    _csv("csv-gzipped", csv.gzipped, stride=3),
    _csv("csv-bare", csv.bare, arguments=csv.NO_HEADER),
    _parquet("parquet", parquet.plain, stride=6, crafted=parquet.cases),
    _parquet("parquet-packed", parquet.packed, stride=14),
    _text("text", text.plain, arguments=text.CHARACTERS, stride=3, crafted=text.cases),
    _text("text-words", text.plain, stride=3),
    _text("text-gzipped", text.gzipped, stride=3),
    _cover("covtype", uci.cover, stride=5, crafted=uci.cases),
    _cover("covtype-gzipped", uci.cover_gzipped, stride=3),
    Format("adult", uci.adult, uci.ADULT, uci.IMPORT_ADULT, stride=5),
    _cifar(
        "cifar", cifar.pickled, cifar.TRAIN, cuts=cifar.no_pixels, bytes=cifar.no_pixels, stride=3, crafted=cifar.cases
    ),
    _cifar("cifar-anew", cifar.pickled_anew, cifar.TRAIN, cuts=cifar.no_pixels, bytes=cifar.no_pixels, stride=3),
    _cifar("cifar-names", cifar.pickled_as_text, cifar.META, stride=30),
    _cifar(
        "cifar-records", cifar.records, "c/train.bin", cuts=cifar.around_labels, bytes=cifar.around_labels, stride=4
    ),
    _cifar(
        "cifar10",
        cifar.records_of_ten,
        "c/data_batch_2.bin",
        arguments=cifar.TEN,
        cuts=cifar.around_labels,
        bytes=cifar.around_labels,
        stride=4,
    ),
    _cifar("cifar-archive", cifar.archive, cifar.ARCHIVE, stride=8),
    _cifar(
        "cifar-tar",
        cifar.plain_archive,
        cifar.ARCHIVE,
        cuts=cifar.headers,
        bytes=cifar.headers,
        seal=cifar.seal,
        stride=15,
    ),
    _kit(
        "ilsvrc2010",
        ilsvrc2010.compressed,
        ilsvrc2010.FEATURES,
        cuts=ilsvrc2010.cuts,
        stride=5,
        crafted=ilsvrc2010.cases,
    ),
    _kit("ilsvrc2010-plain", ilsvrc2010.plain, ilsvrc2010.FEATURES, cuts=ilsvrc2010.cuts, stride=12),
    _kit(
        "ilsvrc2010-classes",
        ilsvrc2010.plain_meta,
        ilsvrc2010.META,
        cuts=ilsvrc2010.beginning,
        bytes=ilsvrc2010.beginning,
        stride=150,
    ),
    _kit("ilsvrc2010-truth", ilsvrc2010.validated, ilsvrc2010.GROUND_TRUTH, stride=2),
)
if importlib.util.find_spec("PIL"):  # an extra
    FORMATS += (
        _image("images", images.png, images.spoiled("png"), seal=images.seal, stride=8, crafted=images.cases),
        _image("images-jpeg", images.jpeg, images.spoiled("jpg"), stride=16),
        _image("images-progressive", images.progressive, images.spoiled("jpeg"), stride=16),
        _image("images-bmp", images.bmp, images.spoiled("bmp"), stride=12),
        _image("images-tiff", images.tiff, images.spoiled("tif"), stride=9),
        _image("images-webp", images.webp, images.spoiled("webp"), stride=8),
        _image("images-ppm", images.ppm, images.spoiled("ppm"), stride=12),
    )
if importlib.util.find_spec("PIL") and importlib.util.find_spec("cv2"):
    FORMATS += (
        _words(
            "vocabulary",
            vocabulary.seed,
            vocabulary.FILE,
            cuts=npz.cuts,
            seal=npz.seal,
            stride=30,
            crafted=vocabulary.cases,
        ),
        _words("vocabulary-photo", vocabulary.seed, vocabulary.PHOTO, seal=images.seal, stride=80),
    )


def corpus(*, every: bool = False) -> Iterator[Case]:
    """Yield the cases of all formats; with `every`, those that are left out for time, too."""
    for row in FORMATS:
        yield from spoil.cases(row, every=every)
