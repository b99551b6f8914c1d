"""Writing data sets: block by block, in bounded memory, and never half."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from capacity import __version__
from capacity.data.checks import as_labels, check_finite, check_header, check_several_classes, check_shapes
from capacity.data.layout import (
    FLOAT32,
    FORMAT,
    INT32,
    SPLITS,
    VERSION,
    SplitHash,
    content_digest,
    row_blocks,
    row_scale,
    storage_dtype,
    to_storage,
)
from capacity.data.reading.probe import vouch
from capacity.engine.random import PURPOSE_SHUFFLE, permutation
from capacity.errors import InputError
from capacity.files import flush_folder

_NO_DIGEST = np.bytes_(b"0" * 64)


@dataclass
class _Part:
    """One split while it is written: how many rows there will be, how many there are, and where they go."""

    labels: NDArray[np.int32]
    row_scale: NDArray[np.float32]
    shuffle: int | None = None
    written: int = 0
    features_at: int = 0
    labels_at: int = 0
    scale_at: int = 0
    content: SplitHash = field(default_factory=SplitHash)

    @property
    def samples(self) -> int:
        """How many rows were announced."""
        return len(self.labels)

    def places(self, count: int) -> NDArray[np.int64]:
        """Return the rows of the file that the next rows become, (n,)."""
        arrived = np.arange(self.written, self.written + count)
        if self.shuffle is None:
            return arrived
        return permutation(self.shuffle, PURPOSE_SHUFFLE, 0, self.samples, arrived)


class DatasetWriter:
    """Writes a data set file from blocks of rows. Use it as a context manager.

    The file appears under its name when the block ends without an error, complete and on disk; until then, and
    after any error, there is nothing (or the file that was there before).

    Parameters
    ----------
    path : str or Path
        The file to make. An existing HDF5 file is replaced; any other existing file is left alone and refused.
    inputs : int
        D.
    dtype : dtype
        Type of the features that will come; stored as uint8, int16, int32 or float16 where that is exact, else as
        float32.
    classes : int
        K.
    samples, test_samples : int
        How many rows will be appended to each split.
    shuffle : int, optional
        Seed, 0..2^64-1, of a random order in which the training rows are written. Whoever reads them in windows meets
        neighbours of the file together, and they should not be of one class. Default: the order in which they come.
    name, class_names, feature_names, scale, normalisation, provenance
        As in `Dataset`. Defaults: the file's stem; "0".."K-1"; none; 1; "none"; only the version that wrote the file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        inputs: int,
        dtype: DTypeLike,
        classes: int,
        samples: int,
        test_samples: int = 0,
        shuffle: int | None = None,
        name: str | None = None,
        class_names: Sequence[str] = (),
        feature_names: Sequence[str] = (),
        scale: float = 1.0,
        normalisation: str = "none",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self._inputs, self._classes, self._scale = inputs, classes, float(scale)
        self._normalisation = normalisation
        self._dtype = storage_dtype(np.dtype(dtype), f"{self.path}: features")
        self._feature_names = tuple(feature_names)
        class_names = tuple(class_names) or tuple(map(str, range(classes)))
        check_header(
            inputs=inputs,
            classes=classes,
            scale=self._scale,
            normalisation=normalisation,
            class_names=class_names,
            feature_names=self._feature_names,
            what=f"{self.path}",
        )
        counts = dict(zip(SPLITS, (samples, test_samples), strict=True))
        for split, count in counts.items():
            if count or split == "train":
                check_shapes((count, inputs), (count,), f"{self.path}: {split}")
        self._parts = {
            split: _Part(np.empty(count, INT32), np.empty(0 if normalisation == "none" else count, FLOAT32))
            for split, count in counts.items()
            if count
        }
        self._parts["train"].shuffle = shuffle
        self._used = np.zeros(classes, dtype=np.int64)
        self._attributes: dict[str, Any] = {
            "format": FORMAT,
            "format_version": VERSION,
            "name": (name or self.path.stem).encode("utf-8", "backslashreplace").decode(),  # a file's may not be UTF-8
            "classes": classes,
            "class_names": class_names,
            "scale": self._scale,
            "normalisation": normalisation,
            "provenance": json.dumps({**(provenance or {}), "created_by": f"capacity {__version__}"}),
        }
        if self._feature_names:
            self._attributes["feature_names"] = self._feature_names
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        self._file: BinaryIO | None = None

    def __enter__(self) -> DatasetWriter:
        check_target(self.path)
        try:
            with self._writing():
                self._create()
                self._file = self._temporary.open("r+b")
        except BaseException:
            self._discard()
            raise
        return self

    def append(self, features: ArrayLike, labels: ArrayLike, *, split: str = "train") -> None:
        """Add the next rows to a split.

        Parameters
        ----------
        features : array_like (n, D)
        labels : array_like (n,)
            Class indices 0..K-1.
        split : {"train", "test"}

        Raises
        ------
        InputError
            Shapes, types or values break a rule (row and column named), more rows came than announced, or the disk
            is full.
        """
        if self._file is None or split not in self._parts:
            raise InputError(f"{self.path}: no rows were announced for the split '{split}'")
        part, what = self._parts[split], f"{self.path}: {split}"
        values, classes = np.asarray(features), np.asarray(labels)
        if values.ndim == 2 and len(values) == 0:
            return
        check_shapes(values.shape, classes.shape, what)
        if values.shape[1] != self._inputs:
            raise InputError(f"{what} features have {values.shape[1]} columns: expected {self._inputs}")
        if part.written + len(values) > part.samples:
            raise InputError(f"{what} rows are more than the {part.samples} announced")
        block = self._stored(values, what)
        indices = as_labels(classes, what, classes=self._classes, first_row=part.written)
        check_finite(block, what, first_row=part.written, names=self._feature_names)
        places = part.places(len(block))
        part.labels[places] = indices
        if part.scale_at:
            part.row_scale[places] = row_scale(block, self._normalisation)
        with self._writing():
            if part.shuffle is None:
                self._put(part.features_at + part.written * block[:1].nbytes, block)
                part.content.update(block, indices)
            else:
                for place, row in zip(places.tolist(), block, strict=True):
                    self._put(part.features_at + place * row.nbytes, row)
        part.written += len(block)
        if split == "train":
            self._used += np.bincount(indices, minlength=self._classes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _stored(self, values: NDArray[Any], what: str) -> NDArray[Any]:
        if not np.can_cast(storage_dtype(values.dtype, f"{what} features"), self._dtype, "safe"):
            raise InputError(f"{what} features came as {values.dtype} after {self._dtype} was announced")
        return to_storage(values, self._dtype)

    def _put(self, offset: int, values: NDArray[Any]) -> None:
        assert self._file is not None
        rest = values.data.cast("B")
        while rest:
            done = os.pwrite(self._file.fileno(), rest, offset)
            rest, offset = rest[done:], offset + done

    def _create(self) -> None:
        """Make the file with its header and with room for the arrays, and note where they lie.

        HDF5 writes only these few bytes. The arrays are written with ordinary file calls: they raise an OSError on
        a full disk, where the HDF5 library would keep the file open and crash the process at its exit. For the same
        reason ordinary calls try first whether the header has room and the file may grow to its full length.
        """
        import h5py

        header = 65536 + 4 * len(repr(self._attributes))
        arrays = sum(part.samples * (self._inputs * self._dtype.itemsize + 8) for part in self._parts.values())
        with self._temporary.open("xb") as room:
            room.write(bytes(header))
            room.truncate(header + arrays)
            os.fsync(room.fileno())
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        # From version 1.8 of the format on an attribute may exceed 64 KiB: there may be many names.
        # Aligned to a cache line, so that mapped arrays suit every vector instruction.
        with h5py.File(
            self._temporary, "w", libver=("v108", "v108"), alignment_threshold=1, alignment_interval=64
        ) as file:
            for key, value in self._attributes.items():
                file.attrs[key] = value
            file.attrs["digest"] = file.attrs["validated"] = _NO_DIGEST
            for split, part in self._parts.items():
                group, shape = file.create_group(split), (part.samples, self._inputs)
                features = group.create_dataset("features", shape, self._dtype, dcpl=early)
                labels = group.create_dataset("labels", shape[:1], INT32, dcpl=early)
                part.features_at, part.labels_at = features.id.get_offset(), labels.id.get_offset()
                if self._normalisation != "none":
                    scales = group.create_dataset("row_scale", shape[:1], FLOAT32, dcpl=early)
                    part.scale_at = scales.id.get_offset()

    def _finish(self) -> None:
        import h5py

        for split, part in self._parts.items():
            if part.written < part.samples:
                raise InputError(f"{self.path}: {split} rows end after {part.written} of the {part.samples} announced")
        check_several_classes(self._used, f"{self.path}: training")
        with self._writing():
            for part in self._parts.values():
                self._put(part.labels_at, part.labels)
                if part.scale_at:
                    self._put(part.scale_at, part.row_scale)
                if part.shuffle is not None:
                    self._hash(part)
        digest = content_digest(
            {split: part.content for split, part in self._parts.items()},
            dtype=self._dtype,
            inputs=self._inputs,
            classes=self._classes,
            scale=self._scale,
            normalisation=self._normalisation,
        )
        with self._writing():
            assert self._file is not None
            self._file.close()
            with h5py.File(self._temporary, "r+") as file:
                for key in ("digest", "validated"):
                    file.attrs.modify(key, np.bytes_(digest))
            with self._temporary.open("r+b") as file:
                os.fsync(file.fileno())
            vouch(self._temporary)
            os.replace(self._temporary, self.path)
            flush_folder(self.path.parent)

    def _hash(self, part: _Part) -> None:
        """Read back the rows of a split that were not written in their order."""
        assert self._file is not None
        row_bytes = self._inputs * self._dtype.itemsize
        for rows in row_blocks(part.samples, row_bytes):
            count = rows.stop - rows.start
            data = os.pread(self._file.fileno(), count * row_bytes, part.features_at + rows.start * row_bytes)
            block = np.frombuffer(data, self._dtype).reshape(count, self._inputs)
            part.content.update(block, part.labels[rows])

    def _discard(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        self._temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:  # h5py raises both
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise InputError(f"cannot write {self.path}: {reason}") from error


def check_target(path: Path) -> None:
    """Refuse a place where no data set can be written, or where something else lies."""
    import h5py

    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and not (path.is_file() and h5py.is_hdf5(path)):
        raise InputError(f"cannot write {path}: what is there is not an HDF5 file and will not be replaced")
