"""Import of ILSVRC2010's bags of visual words."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from capacity.data import import_ilsvrc2010, open_dataset
from capacity.data.importers.counts import smallest_integer
from capacity.data.importers.ilsvrc2010_devkit import read_synsets, read_truth
from capacity.data.importers.ilsvrc2010_features import read_histograms
from capacity.data.importers.ilsvrc2010_parts import Parts
from capacity.data.importers.matlab import read_structs
from capacity.engine.random import PURPOSE_SHUFFLE, permutation
from capacity.errors import InputError
from tests.data_files import leftovers
from tests.ilsvrc2010_files import KIT, TRUTH, structs, wnid_of, write_kit, write_sbow

READ_ONCE = functools.cache(read_synsets)


@pytest.fixture(scope="module")
def written_kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kit(tmp_path_factory.mktemp("kit"), truth=[2, 1, 1000, 7])


@pytest.fixture
def kit(written_kit: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a development kit; it is read once for all tests, as that takes a third of a second."""
    monkeypatch.setattr("capacity.data.importers.ilsvrc2010.read_synsets", READ_ONCE)
    return written_kit


def write_features(folder: Path) -> Path:
    """Write three images of class 1, one of class 2, and three validation images out of order, in two files."""
    one, two = wnid_of(1), wnid_of(2)
    write_sbow(
        folder / "train" / f"{one}.sbow.mat", {f"{one}_5": [0, 999, 0], f"{one}_31": [7], f"{one}_8": np.zeros((1, 0))}
    )
    write_sbow(folder / "train" / f"{two}.sbow.mat", {f"{two}_1": [[3], [3], [4]]})  # a column
    write_sbow(folder / "val" / "val.0001.sbow.mat", {"ILSVRC2010_val_00000003": [1], "ILSVRC2010_val_00000001": [2]})
    write_sbow(folder / "val" / "val.0002.sbow.mat", {"ILSVRC2010_val_00000004": [5, 5]})
    return folder


def histogram(**words: int) -> list[int]:
    """Return a row of counts: w3=2 is word 3 twice."""
    row = [0] * 1000
    for word, count in words.items():
        row[int(word[1:])] = count
    return row


ORDER = permutation(0, PURPOSE_SHUFFLE, 0, 4, np.arange(4))
"""Where the four training rows come to lie."""


def test_by_hand(tmp_path: Path, kit: Path) -> None:
    data = import_ilsvrc2010(write_features(tmp_path / "f"), tmp_path / "out.h5", devkit=kit)
    assert data.test is not None
    # By file name, and the WNID of class 2 comes first; then shuffled.
    train = [histogram(w3=2, w4=1), histogram(w0=2, w999=1), histogram(w7=1), histogram()]
    np.testing.assert_array_equal(data.train.features[ORDER], train)
    np.testing.assert_array_equal(data.train.labels[ORDER], [1, 0, 0, 0])
    np.testing.assert_array_equal(data.test.features, [histogram(w1=1), histogram(w2=1), histogram(w5=2)])
    np.testing.assert_array_equal(data.test.labels, [999, 1, 6])
    assert (data.classes, data.class_names[1], data.train.features.dtype) == (1000, f"{wnid_of(2)} thing 2", np.uint8)
    assert leftovers(tmp_path) == ["f", "out.h5"]


def test_histograms_of_norm_1_as_in_the_kits_demo(tmp_path: Path, kit: Path) -> None:
    data = import_ilsvrc2010(write_features(tmp_path / "f"), tmp_path / "out.h5", devkit=kit, normalisation="l2")
    np.testing.assert_array_equal(data.train.row_scale[ORDER], np.float32([1 / 5**0.5, 1 / 5**0.5, 1, 1]))
    assert data.train.features[ORDER[0], 3] == 2  # stored as they are
    assert (data.normalisation, data.provenance["options"]) == ("l2", {"normalisation": "l2", "shuffle": 0})


def test_provenance(tmp_path: Path, kit: Path) -> None:
    origin = import_ilsvrc2010(write_features(tmp_path / "f"), tmp_path / "out.h5", devkit=kit).provenance
    names = [source["file"] for source in origin["sources"]]
    two_one = [f"{wnid_of(2)}.sbow.mat", f"{wnid_of(1)}.sbow.mat"]
    assert names == ["meta.mat", Path(TRUTH).name, *two_one, "val.0001.sbow.mat", "val.0002.sbow.mat"]
    assert (origin["importer"], origin["options"]) == ("ilsvrc2010", {"normalisation": "none", "shuffle": 0})
    assert origin["training_images_in_devkit"] == 3000


def test_labels_are_ids_whatever_the_order_in_the_devkit(tmp_path: Path, kit: Path) -> None:
    features = write_features(tmp_path / "f")
    shuffled = write_kit(tmp_path / "k", [2, 1, 1000, 7], np.random.default_rng(0).permutation(np.arange(1, 1003)))
    assert (
        import_ilsvrc2010(features, tmp_path / "a.h5", devkit=shuffled).digest
        == import_ilsvrc2010(features, tmp_path / "b.h5", devkit=kit).digest
    )


def test_a_flat_folder_without_validation(tmp_path: Path, kit: Path) -> None:
    for number in (1, 2):
        write_sbow(tmp_path / f"{wnid_of(number)}.sbow.mat", {f"{wnid_of(number)}_1": [number]}, compressed=number == 1)
    write_sbow(tmp_path / "test.0001.sbow.mat", {"ILSVRC2010_test_00000001": [1]})  # without labels: left alone
    data = import_ilsvrc2010(tmp_path, tmp_path / "out.h5", devkit=kit)
    np.testing.assert_array_equal(data.train.labels, [1, 0])
    assert data.test is None


@pytest.mark.parametrize(("times", "dtype"), [(255, "uint8"), (256, "int16"), (32767, "int16"), (32768, "int32")])
def test_counts_take_the_smallest_type(tmp_path: Path, times: int, dtype: str) -> None:
    path = write_sbow(tmp_path / "x.sbow.mat", {"x_1": [9] * times, "x_2": [0]})
    counts, ids = read_histograms(path)
    assert (counts.dtype, int(counts[0, 9]), ids.tolist()) == (dtype, times, ["x_1", "x_2"])
    assert smallest_integer(times) == dtype


def test_one_file_with_large_counts_widens_all(tmp_path: Path, kit: Path) -> None:
    for number, times in ((1, 300), (2, 1)):
        write_sbow(tmp_path / f"{wnid_of(number)}.sbow.mat", {f"{wnid_of(number)}_1": [3] * times})
    data = import_ilsvrc2010(tmp_path, tmp_path / "out.h5", devkit=kit)
    assert (data.train.features.dtype, data.train.features[:, 3].tolist()) == (np.int16, [1, 300])


def test_the_structure_check_lets_pass_what_scipy_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    values = [np.array([[1 + 2j]]), "text", np.zeros((0, 0)), np.arange(6).reshape(1, 2, 3), [1.5, "cell"], True]
    savemat(path, {"other": [1], "x": structs({"field": values})})
    read, expected = read_structs(path, "x", ["field"]), loadmat(path)["x"].ravel()
    np.testing.assert_equal([row["field"] for row in read], [row["field"] for row in expected])


# Stopped imports


def test_an_import_goes_on_where_it_stopped(tmp_path: Path, kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, out = write_features(tmp_path / "f"), tmp_path / "out.h5"
    whole = import_ilsvrc2010(features, tmp_path / "whole.h5", devkit=kit).digest
    broken = features / "val" / "val.0001.sbow.mat"
    content = broken.read_bytes()
    broken.write_bytes(content[:-40])
    with pytest.raises(InputError, match=r"val\.0001\.sbow\.mat is truncated"):
        import_ilsvrc2010(features, out, devkit=kit)
    assert leftovers(tmp_path) == ["f", "out.h5.parts", "whole.h5"]

    broken.write_bytes(content)
    read: list[Path] = []
    make = Parts.make
    monkeypatch.setattr(Parts, "make", lambda parts, source: (read.append(source), make(parts, source)))
    done: list[int] = []
    assert import_ilsvrc2010(features, out, devkit=kit, progress=done.append).digest == whole
    assert [path.name for path in read] == ["val.0001.sbow.mat", "val.0002.sbow.mat"]
    assert done == [path.stat().st_size for path in read]
    assert leftovers(tmp_path) == ["f", "out.h5", "whole.h5"]


def test_a_changed_file_and_a_damaged_part_are_read_again(tmp_path: Path) -> None:
    sources = [write_sbow(tmp_path / f"{name}.sbow.mat", {"x_1": [3]}) for name in "abc"]
    parts = Parts(tmp_path / "out.h5")
    for source in sources:
        parts.make(source)
    assert list(parts.missing(sources)) == []
    os.utime(sources[0], ns=(0, 0))
    damaged = parts.folder / "b.sbow.mat.npz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert list(parts.missing(sources)) == sources[:2]
    assert parts.load(sources[1]).counts[0, 3] == 1
    assert list(parts.missing(sources)) == sources[:1]
    (parts.folder / "notes.txt").write_text("mine", encoding="utf-8")
    parts.remove()
    assert leftovers(parts.folder) == ["notes.txt"]


@pytest.mark.slow
def test_killed_at_a_random_moment(tmp_path: Path, kit: Path) -> None:
    features = tmp_path / "f"
    rng = np.random.default_rng(0)
    for number in range(1, 41):
        wnid = wnid_of(number)
        write_sbow(features / f"{wnid}.sbow.mat", {f"{wnid}_{i}": rng.integers(0, 1000, 50) for i in range(20)})
    whole, out = import_ilsvrc2010(features, tmp_path / "whole.h5", devkit=kit).digest, tmp_path / "out.h5"
    call = [sys.executable, "-c", "from capacity.cli import main; main()"]
    command = ["data", "import", "ilsvrc2010", str(features), str(out), "--devkit", str(kit)]
    victim = subprocess.Popen([*call, *command])
    moment, deadline = random.randrange(1, 35), time.monotonic() + 60
    while len(list((tmp_path / "out.h5.parts").glob("*.npz"))) < moment:
        assert time.monotonic() < deadline
        assert victim.poll() is None
        time.sleep(0.001)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not out.exists()
    left = len(list(Parts(out).missing(sorted(features.iterdir()))))
    assert left < 40
    assert import_ilsvrc2010(features, out, devkit=kit).digest == whole
    assert leftovers(tmp_path) == ["f", "out.h5", "whole.h5"]
    assert open_dataset(out).train.features.shape == (800, 1000)


# Broken files


def refusals(path: Path) -> Iterator[tuple[str, str]]:
    """Write a broken feature file at `path` again and again; yield what is wrong with it and a word of the message."""
    write_sbow(path, {"x_1": [1, 1000]})
    yield "a word that is too large", "image x_1 has the word 1000: expected whole numbers in 0..999"
    write_sbow(path, {"x_1": [1], "x_2": [-1]})
    yield "a negative word", "image x_2 has the word -1"
    write_sbow(path, {"x_1": np.array([1.5, np.nan])})
    yield "words that are no whole numbers", "image x_1 has the word 1.5"
    write_sbow(path, {"x_1": np.array([1j])})
    yield "complex words", "is no array of numbers"
    savemat(path, {"image_vldsift": structs({"ID": ["x"], "vldsift": [1.0]})})
    yield "the descriptors' file", "no variable 'image_sbow': it holds 'image_vldsift'"
    savemat(path, {"image_sbow": structs({"ID": ["x"]})})
    yield "a missing field", "'image_sbow' has no field 'sbow'"
    savemat(path, {"image_sbow": np.arange(4)})
    yield "numbers instead of structs", "'image_sbow' has no field 'ID'"
    savemat(path, {"image_sbow": structs({"ID": ["x"], "sbow": [structs({"x": [1.0]})]})})
    yield "no words", "image x has no 'sbow.word'"
    savemat(path, {"image_sbow": structs({"ID": [1.0], "sbow": [structs({"word": [[1]]})]})})
    yield "an ID that is no text", "a field 'ID' is not a text"
    savemat(path, {"image_sbow": structs({"ID": ["x"], "sbow": [structs({"word": ["text"]})]})})
    yield "words that are texts", "is no array of numbers"
    savemat(path, {"image_sbow": np.zeros((0, 1), dtype=[("ID", object), ("sbow", object)])})
    yield "no images", "image_sbow"
    savemat(path, {"image_sbow": [1.0]}, format="4")
    yield "version 4", "not a MATLAB v5 file"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    yield "version 7.3", "v7.3 file (HDF5): save it in MATLAB with '-v7'"
    path.write_bytes(b"")
    yield "nothing", "not a MATLAB v5 file"
    nested: object = 1.0
    for _ in range(12):
        nested = structs({"a": [nested]})
    savemat(path, {"image_sbow": nested})
    yield "structs in structs in structs", "nested more than 8 deep"


def test_broken_feature_files(tmp_path: Path) -> None:
    path = tmp_path / "broken.sbow.mat"
    for what, message in refusals(path):
        with pytest.raises(InputError) as refused:
            read_histograms(path)
        assert message in str(refused.value), what
        assert str(path) in str(refused.value), what


CLASS_OF_ARRAY = 128 + 8 + 8  # position of the first array's class in an uncompressed file


@pytest.mark.parametrize(
    ("code", "word"), [(3, "an object"), (16, "a function handle"), (17, "an object"), (5, "a sparse matrix")]
)
def test_values_of_unexpected_classes(tmp_path: Path, code: int, word: str) -> None:
    path = write_sbow(tmp_path / "x.sbow.mat", {"x_1": [1]}, compressed=False)
    content = bytearray(path.read_bytes())
    assert content[CLASS_OF_ARRAY] == 2
    content[CLASS_OF_ARRAY] = code
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"holds {word}"):
        read_histograms(path)


def test_a_text_that_is_longer_than_its_letters(tmp_path: Path) -> None:
    """SciPy would fill it with blanks: of 4 GB."""
    path = write_sbow(tmp_path / "x.sbow.mat", {"x_1": [1]}, compressed=False)
    flags, dims, content = struct.pack("<IIII", 6, 8, 4, 0), "<IIII", path.read_bytes()
    real, false = (flags + struct.pack(dims, 5, 8, 1, length) for length in (3, 2**30))
    assert content.count(real) == 1
    path.write_bytes(content.replace(real, false))
    with pytest.raises(InputError, match="an array of 1 x 1073741824 whose values do not fill it"):
        read_histograms(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncation_and_flipped_bytes(tmp_path: Path, compressed: bool) -> None:
    """Each ends in a result or one sentence: sizes, dimensions and classes are among the bytes."""
    path = write_sbow(tmp_path / "x.sbow.mat", {"x_1": [1, 2], "x_2": [3]}, compressed=compressed)
    content = path.read_bytes()
    rng = np.random.default_rng(int(compressed))
    for cut in range(0, len(content) - 8, 17):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError):
            read_histograms(path)
    for at in rng.permutation(len(content))[:200]:
        changed = bytearray(content)
        changed[at] = rng.integers(256)
        path.write_bytes(changed)
        with contextlib.suppress(InputError):
            read_histograms(path)


def test_a_file_that_unpacks_to_more_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sbow(tmp_path / "x.sbow.mat", {"x_1": [1]}, much=np.zeros(100_000))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("capacity.data.importers.matlab._LONGEST_FILE", 50_000)
    with pytest.raises(InputError, match="unpacks to more than 50,000 bytes"):
        read_structs(path, "nothing", [])


# Files that do not fit together


def test_features_that_do_not_fit_the_devkit(tmp_path: Path, kit: Path) -> None:
    def refused(images: dict[str, list[int]], name: str) -> str:
        path = write_sbow(tmp_path / "f" / name, images)
        with pytest.raises(InputError) as error:
            import_ilsvrc2010(tmp_path / "f", tmp_path / "out.h5", devkit=kit)
        path.unlink()
        return str(error.value)

    one = wnid_of(1)
    assert "holds no training features" in refused({"ILSVRC2010_val_00000001": [1]}, "val.0001.sbow.mat")
    assert "n00000001 is none of the 1000 classes" in refused({"n00000001_1": [1]}, "n00000001.sbow.mat")
    assert "expected names like" in refused({"x": [1]}, "mine.sbow.mat")
    assert f"expected images of {one} only" in refused({f"{one}_1": [1], "n1_1": [1]}, f"{one}.sbow.mat")
    assert "are all of class 0" in refused({f"{one}_1": [1]}, f"{one}.sbow.mat")

    write_sbow(tmp_path / "f" / f"{one}.sbow.mat", {f"{one}_1": [1]})
    val = "val.0001.sbow.mat"
    assert "00000005, but ILSVRC2010_validation_ground_truth.txt has 4" in refused(
        {"ILSVRC2010_val_00000005": [1]}, val
    )
    assert "expected names like ILSVRC2010_val_0" in refused({"val_1": [1]}, val)
    assert not (tmp_path / "out.h5").exists()
    write_sbow(tmp_path / "f" / "val.0002.sbow.mat", {"ILSVRC2010_val_00000001": [1]})
    assert "which came before" in refused({"ILSVRC2010_val_00000001": [1]}, val)


def test_a_devkit_that_is_broken(tmp_path: Path) -> None:
    features = write_features(tmp_path / "f")

    def refused(folder: Path) -> str:
        with pytest.raises(InputError) as error:
            import_ilsvrc2010(features, tmp_path / "out.h5", devkit=folder)
        return str(error.value)

    assert "expected the folder of the ILSVRC2010 development kit" in refused(tmp_path)
    assert "two synsets with the ILSVRC2010_ID 5" in refused(write_kit(tmp_path / "k", ids=[4, 5, 5]))
    assert "no synset with the ILSVRC2010_ID 3" in refused(write_kit(tmp_path / "k", ids=[2, 4, 1]))
    half = structs({"ILSVRC2010_ID": [1.5], "WNID": ["n"], "words": ["w"], "num_train_images": [1]})
    savemat(tmp_path / "k" / KIT, {"synsets": half})
    assert "a field 'ILSVRC2010_ID' is not a whole number" in refused(tmp_path / "k")
    assert leftovers(tmp_path) == ["f", "k"]


def test_a_ground_truth_that_is_broken(tmp_path: Path) -> None:
    write_kit(tmp_path, ids=[1])
    for content, message in (("1\n1001\n", "has '1001' in line 2"), ("1\nx\n", "has 'x' in line 2")):
        (tmp_path / TRUTH).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_truth(tmp_path)
    (tmp_path / TRUTH).unlink()
    with pytest.raises(InputError, match="not found"):
        read_truth(tmp_path)


def test_out_is_looked_at_before_hours_are_spent(tmp_path: Path, kit: Path) -> None:
    (tmp_path / "out.h5").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not an HDF5 file and will not be replaced"):
        import_ilsvrc2010(write_features(tmp_path / "f"), tmp_path / "out.h5", devkit=kit)
    assert leftovers(tmp_path) == ["f", "out.h5"]
