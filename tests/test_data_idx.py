"""IDX import."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capacity.data import import_idx, import_idx_folder
from capacity.errors import InputError
from tests.data_files import SHARED, leftovers, write_idx

IMAGES = np.arange(5 * 2 * 3).reshape(5, 2, 3) * 8
LABELS = np.array([3, 0, 1, 2, 3])


def files(folder: Path, suffix: str = "") -> tuple[Path, Path]:
    return write_idx(folder / f"images{suffix}", IMAGES), write_idx(folder / f"labels{suffix}", LABELS)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bytes_are_kept_and_get_the_scale_of_images(tmp_path: Path, suffix: str) -> None:
    data = import_idx(*files(tmp_path, suffix), tmp_path / "out.h5")
    np.testing.assert_array_equal(data.train.features, IMAGES.reshape(5, 6))
    np.testing.assert_array_equal(data.train.labels, LABELS)
    assert (data.train.features.dtype, data.scale, data.classes, data.name) == (np.uint8, 1 / 255, 4, "out")


@pytest.mark.parametrize(
    ("code", "stored"),
    [("i1", "int16"), (">i2", "int16"), (">i4", "int32"), (">f4", "float32"), (">f8", "float32")],
)
def test_other_types_keep_their_values(tmp_path: Path, code: str, stored: str) -> None:
    values = IMAGES // 8 - 10
    images = write_idx(tmp_path / "images", values, code)
    data = import_idx(images, write_idx(tmp_path / "labels", LABELS, ">i4"), tmp_path / "out.h5")
    np.testing.assert_array_equal(data.train.features, values.reshape(5, 6))
    assert (data.train.features.dtype, data.scale) == (stored, 1.0)


def test_test_split_and_provenance(tmp_path: Path) -> None:
    images, labels = files(tmp_path)
    more = write_idx(tmp_path / "more", IMAGES[:2] + 1)
    fours = write_idx(tmp_path / "fours", [4, 4])  # a class that only the test split has
    data = import_idx(images, labels, tmp_path / "out.h5", test_images=more, test_labels=fours, name="mine")
    assert data.test is not None
    np.testing.assert_array_equal(data.test.features, IMAGES[:2].reshape(2, 6) + 1)
    assert (data.classes, data.name) == (5, "mine")
    assert [source["file"] for source in data.provenance["sources"]] == ["images", "labels", "more", "fours"]
    assert data.provenance["sources"][0]["bytes"] == images.stat().st_size


def test_blocks_of_a_few_rows_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = import_idx(*files(tmp_path), tmp_path / "a.h5").digest
    monkeypatch.setattr("capacity.data.layout._BLOCK_BYTES", 13)  # two rows of images, three of labels
    assert import_idx(*files(tmp_path, ".gz"), tmp_path / "b.h5").digest == whole


@pytest.mark.parametrize("style", ["{}-idx{}-ubyte.gz", "{}-idx{}-ubyte", "{}.idx{}-ubyte"])
def test_a_folder_with_the_classic_names(tmp_path: Path, style: str) -> None:
    for split, rows in (("train", 5), ("t10k", 2)):
        write_idx(tmp_path / style.format(f"{split}-images", 3), IMAGES[:rows])
        write_idx(tmp_path / style.format(f"{split}-labels", 1), LABELS[:rows])
    data = import_idx_folder(tmp_path, tmp_path / "out.h5")
    assert data.test is not None
    assert (len(data.train.labels), len(data.test.labels)) == (5, 2)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    assert import_idx_folder(tmp_path, tmp_path / "out.h5").test is None


def test_a_folder_without_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks train-images"):
        import_idx_folder(tmp_path, tmp_path / "out.h5")
    with pytest.raises(InputError, match="is not a folder"):
        import_idx_folder(tmp_path / "nowhere", tmp_path / "out.h5")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def patch(offset: int, value: int) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[offset] = value
        path.write_bytes(content)

    return apply


@pytest.mark.parametrize(
    ("spoil", "which", "message"),
    [
        (Path.unlink, "images", "images not found"),
        (shorten, "images", "images is truncated"),
        (shorten, "labels", "labels is truncated"),
        (lengthen, "images", r"images goes on after the \(5, 2, 3\) values"),
        (lengthen, "labels", r"labels goes on after the \(5,\) values"),
        (lambda path: path.write_bytes(b""), "images", "images is truncated"),
        (lambda path: path.write_bytes(b"\x00\x00\x08\x03\x00"), "images", "images is truncated"),
        (lambda path: path.write_text("a,b\n"), "images", "images is not an IDX file"),
        (patch(2, 0x07), "images", "images is not an IDX file"),
        (patch(3, 0), "labels", "labels is not an IDX file"),
        (lambda path: write_idx(path, LABELS), "images", "expected images of two or more axes, then labels of one"),
        (lambda path: write_idx(path, IMAGES), "labels", "expected images of two or more axes, then labels of one"),
        (lambda path: write_idx(path, LABELS[:4]), "labels", "labels has 4 rows, .*images 5"),
        (lambda path: write_idx(path, LABELS - 1, "i1"), "labels", "labels hold -1 in row 1"),
        (lambda path: write_idx(path, LABELS + 0.5, ">f4"), "labels", r"labels hold 3\.5 in row 0"),
        (lambda path: write_idx(path, LABELS * 0 + 2), "labels", "all of class 2"),
        (
            lambda path: write_idx(path, np.where(IMAGES == 64, np.nan, IMAGES), ">f4"),
            "images",
            "NaN in row 1, column 2",
        ),
    ],
)
def test_bad_files_leave_nothing(tmp_path: Path, spoil: Callable[[Path], object], which: str, message: str) -> None:
    images, labels = files(tmp_path)
    spoil(tmp_path / which)
    with pytest.raises(InputError, match=message) as caught:
        import_idx(images, labels, tmp_path / "out.h5")
    assert "\n" not in str(caught.value)
    assert set(leftovers(tmp_path)) <= {"images", "labels"}


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rows"):
        import_idx(
            write_idx(tmp_path / "images", IMAGES[:0]), write_idx(tmp_path / "labels", LABELS[:0]), tmp_path / "out.h5"
        )


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-9], lambda raw: raw[:-6] + b"\0\0" + raw[-4:]], ids=["cut", "checksum"]
)
def test_a_damaged_gzip_stream_is_noticed(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    images, labels = files(tmp_path, ".gz")
    images.write_bytes(spoil(images.read_bytes()))
    with pytest.raises(InputError, match=r"images\.gz is truncated or damaged"):
        import_idx(images, labels, tmp_path / "out.h5")
    assert leftovers(tmp_path) == ["images.gz", "labels.gz"]


def test_the_two_splits_must_agree(tmp_path: Path) -> None:
    images, labels = files(tmp_path)
    with pytest.raises(InputError, match="expected both or neither"):
        import_idx(images, labels, tmp_path / "out.h5", test_images=images)
    for other in (write_idx(tmp_path / "wide", IMAGES[:, :, :2]), write_idx(tmp_path / "wide", IMAGES, ">i2")):
        with pytest.raises(InputError, match="expected the same"):
            import_idx(images, labels, tmp_path / "out.h5", test_images=other, test_labels=labels)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Fashion-MNIST files beside the checkout")
def test_fashion_mnist_imports_as_it_is(tmp_path: Path) -> None:
    folder = SHARED / "fashion-mnist"
    data = import_idx_folder(folder, tmp_path / "fashion.h5")
    assert data.test is not None
    assert data.train.features.shape == (60000, 784)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    pixels = np.frombuffer(gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    np.testing.assert_array_equal(data.test.features.ravel(), pixels)
