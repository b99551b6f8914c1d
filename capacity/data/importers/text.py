"""Text for language models: rows of consecutive characters or words, the label of a row is what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.dataset import Dataset
from capacity.data.importers.splitting import check_draw
from capacity.data.importers.tokens import characters, words
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError, did_you_mean

TEXT_UNITS = ("char", "word")
MAX_CONTEXT = 1 << 16
MAX_WORDS = 5_000_000
"""More different words than this are not counted: each costs some 150 bytes."""

UNKNOWN = "<unk>"
"""Class of the words that are not in the vocabulary."""

_CODE_POINTS = 0x110000


def import_text(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    unit: str,
    context: int = 64,
    test_fraction: float = 0.1,
    vocabulary_size: int = 10_000,
    name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Import plain text as a data set file of ids, for language models.

    A row is `context` consecutive ids, its label the id that follows; the next row begins with that one, so that no
    two rows overlap. The ids are class indices, and the class names are the vocabulary, which is that of the whole
    text.

    Parameters
    ----------
    sources : sequence of str or Path
        Text files in UTF-8, gzipped or not, joined in this order. A byte order mark is left out, and every line
        end becomes a line feed.
    out : str or Path
        The HDF5 file to make: ids (N, context) as uint8 where the vocabulary has at most 256 entries, as int16 up to
        32,768, else as int32.
    unit : {"char", "word"}
        "char": the text's characters (Unicode code points), in their order. "word": lower case; a token is a run of
        letters, digits and underscores, apostrophes within included, or any other single character but white space;
        most frequent first, in alphabetical order where frequencies are equal.
    context : int
        Length of a row, 1 to 65,536.
    test_fraction : float
        The last part of the text, as a fraction of its characters or words, that becomes the test split: no id is in
        both. 0 for none.
    vocabulary_size : int
        For words: how many of the most frequent ones are kept. If there are more, all others are the last class,
        "<unk>".
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
        A file is missing, damaged, not UTF-8 or holds a NUL character (its position is named), the text is too short,
        or an option does not fit; nothing is left behind.
    """
    if unit not in TEXT_UNITS:
        raise InputError(f"unit is '{unit}': expected characters or words{did_you_mean(unit, TEXT_UNITS)}")
    if not 1 <= context <= MAX_CONTEXT:
        raise InputError(f"context is {context}: expected a number of characters or words from 1 to {MAX_CONTEXT}")
    check_draw(test_fraction)
    if vocabulary_size < 1:
        raise InputError(f"vocabulary_size is {vocabulary_size}: expected at least 1")
    paths = [Path(source) for source in sources]
    vocabulary: _Characters | _Words = _Characters(paths) if unit == "char" else _Words(paths, vocabulary_size)

    tests = round(vocabulary.length * test_fraction)
    lengths = {"train": vocabulary.length - tests, "test": tests}
    rows = {split: max(0, length - 1) // context for split, length in lengths.items()}
    for split in ("train", "test") if test_fraction else ("train",):
        if rows[split] == 0:
            raise InputError(
                f"{', '.join(map(str, paths))}: {lengths[split]} {unit}s are not enough for the {split} split: a row "
                f"is {context} and the one that follows; expected more text or a shorter context"
            )
    sized = {"vocabulary_size": vocabulary_size} if unit == "word" else {}
    dtype = _id_dtype(len(vocabulary.names))
    with DatasetWriter(
        out,
        inputs=context,
        dtype=dtype,
        classes=len(vocabulary.names),
        samples=rows["train"],
        test_samples=rows["test"],
        name=name,
        class_names=vocabulary.names,
        provenance={
            "importer": "text",
            "sources": [describe(path) for path in paths],
            "options": {"unit": unit, "context": context, "test_fraction": test_fraction, **sized},
            "length": lengths,
        },
    ) as writer:
        for split, features, labels in _rows(vocabulary.ids(), lengths, context, dtype):
            writer.append(features, labels, split=split)
            if progress:
                progress(len(labels))
    return open_dataset(out)


def _id_dtype(classes: int) -> np.dtype[Any]:
    """Return the smallest type that holds the ids 0..K-1; the writer stores int32 as the layout has it."""
    return np.dtype(np.uint8 if classes <= 1 << 8 else np.int16 if classes <= 1 << 15 else np.int32)


def _rows(
    blocks: Iterator[NDArray[np.int32]], lengths: dict[str, int], context: int, dtype: np.dtype[Any]
) -> Iterator[tuple[str, NDArray[Any], NDArray[np.int32]]]:
    """Cut a stream of ids into the rows (n, context) and labels (n,) of the splits; a split's last few ids are left."""
    waiting = dict.fromkeys(lengths, np.empty(0, dtype=np.int32))
    done = 0
    for block in blocks:
        cut = max(0, lengths["train"] - done)
        done += len(block)
        for split, part in (("train", block[:cut]), ("test", block[cut:])):
            ids = np.concatenate([waiting[split], part])
            count = max(0, len(ids) - 1) // context
            waiting[split] = ids[count * context :]
            if count:
                rows = ids[: count * context].reshape(count, context)
                yield split, rows.astype(dtype), ids[context : count * context + 1 : context]


class _Characters:
    """The characters of a text: `names` in the order of their code points, `length` of the text."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        counts = np.zeros(_CODE_POINTS, dtype=np.int64)
        for text in characters(paths):
            counts += np.bincount(_code_points(text), minlength=_CODE_POINTS)
        self.length = int(counts.sum())
        used = np.flatnonzero(counts)
        self.names = [chr(point) for point in used]
        self._ids = np.zeros(_CODE_POINTS, dtype=np.int32)
        self._ids[used] = np.arange(len(used))

    def ids(self) -> Iterator[NDArray[np.int32]]:
        for text in characters(self._paths):
            yield self._ids[_code_points(text)]


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


class _Words:
    """The words of a text: `names` by falling frequency, `length` of the text in words."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self._paths = paths
        counts = Counter[str]()
        for found in words(paths):
            counts.update(found)
            if len(counts) > MAX_WORDS:
                raise InputError(
                    f"{', '.join(map(str, paths))}: more than {MAX_WORDS} different words; expected text of a language"
                )
        self.length = counts.total()
        self.names = sorted(counts, key=lambda word: (-counts[word], word))
        self._unknown = size
        if len(self.names) > size:
            self.names[size:] = [UNKNOWN]
        self._ids = {word: number for number, word in enumerate(self.names)}

    def ids(self) -> Iterator[NDArray[np.int32]]:
        for found in words(self._paths):
            yield np.array([self._ids.get(word, self._unknown) for word in found], dtype=np.int32)
