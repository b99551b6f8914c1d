"""CIFAR-10 and CIFAR-100: both versions, folders and archives, small files in exactly the original layout."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import import_cifar10, import_cifar100
from capacity.data.importers.cifar_names import CIFAR10, CIFAR100_COARSE, CIFAR100_FINE
from capacity.errors import InputError
from tests.data_files import leftovers, python2_pickle

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
ROWS = {"data_batch_1": 3, "data_batch_2": 1, "data_batch_3": 2, "data_batch_4": 2, "data_batch_5": 4, "test_batch": 2}
PIXELS = {
    name: np.random.default_rng(seed).integers(0, 256, (ROWS[name], 3072), "u1") for seed, name in enumerate(ROWS)
}
LABELS = {name: [(7 * row + len(PIXELS[name])) % 10 for row in range(ROWS[name])] for name in ROWS}


def ten_binary() -> dict[str, bytes]:
    """Records of a label and 3072 pixels, as cifar-10-batches-bin has them."""
    files = {
        f"{name}.bin": b"".join(bytes([y]) + x.tobytes() for x, y in zip(PIXELS[name], LABELS[name], strict=True))
        for name in BATCHES
    }
    return {**files, "batches.meta.txt": "\n".join([*CIFAR10, "", ""]).encode(), "readme.html": b"<html>"}


def ten_python() -> dict[str, bytes]:
    """Pickles of Python 2, as cifar-10-batches-py has them; batches.meta is of protocol 0."""
    files = {
        name: python2_pickle(
            {
                "batch_label": f"batch {name}",
                "labels": LABELS[name],
                "data": PIXELS[name],
                "filenames": [f"image_{row}.png" for row in range(ROWS[name])],
            }
        )
        for name in BATCHES
    }
    names = "".join(f"S'{name}'\np{number}\na" for number, name in enumerate(CIFAR10, 5))
    meta = f"(dp1\nS'num_cases_per_batch'\np2\nI10000\nsS'label_names'\np3\n(lp4\n{names}sS'num_vis'\np20\nI3072\ns."
    return {**files, "batches.meta": meta.encode()}


FINE, COARSE = [99, 0, 19, 50], [13, 4, 11, 2]


def hundred_binary() -> dict[str, bytes]:
    """Records of coarse label, fine label and 3072 pixels."""
    x = PIXELS["data_batch_5"]
    records = [bytes([COARSE[row], FINE[row]]) + x[row].tobytes() for row in range(4)]
    names = {f"{kind}_label_names.txt": "\n".join(names) + "\n" for kind, names in
             (("fine", CIFAR100_FINE), ("coarse", CIFAR100_COARSE))}  # fmt: skip
    return {"train.bin": b"".join(records[:3]), "test.bin": records[3]} | {k: v.encode() for k, v in names.items()}


def hundred_python() -> dict[str, bytes]:
    x = PIXELS["data_batch_5"]
    cuts = {"train": slice(0, 3), "test": slice(3, 4)}
    files = {
        name: python2_pickle({"fine_labels": FINE[cut], "coarse_labels": COARSE[cut], "data": x[cut], "filenames": []})
        for name, cut in cuts.items()
    }
    names = {"fine_label_names": list(CIFAR100_FINE), "coarse_label_names": list(CIFAR100_COARSE)}
    return {**files, "meta": python2_pickle(names)}


def folder(place: Path, files: dict[str, bytes], name: str = "cifar") -> Path:
    (place / name).mkdir()
    for file, content in files.items():
        (place / name / file).write_bytes(content)
    return place / name


def archive(place: Path, files: dict[str, bytes], *, gz: bool = True, form: int = tarfile.GNU_FORMAT) -> Path:
    """Make an archive whose members come in another order than the batches do, as in the originals."""
    path = place / ("cifar.tar.gz" if gz else "cifar.tar")
    with tarfile.open(path, "w:gz" if gz else "w", format=form) as tar:
        top = tarfile.TarInfo("cifar-batches")
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        for name in sorted(files, key=lambda name: name[::-1], reverse=True):
            info = tarfile.TarInfo(f"cifar-batches/{name}")
            info.size, info.pax_headers = len(files[name]), {"comment": "grüße"} if form == tarfile.PAX_FORMAT else {}
            tar.addfile(info, io.BytesIO(files[name]))
    return path


def check_ten(data: Any) -> None:
    train = [name for name in BATCHES if name != "test_batch"]
    np.testing.assert_array_equal(data.train.features, np.concatenate([PIXELS[name] for name in train]))
    assert data.train.labels.tolist() == [label for name in train for label in LABELS[name]]
    np.testing.assert_array_equal(data.test.features, PIXELS["test_batch"])
    assert data.test.labels.tolist() == LABELS["test_batch"]
    assert (data.train.features.dtype, data.scale, data.classes) == (np.uint8, 1 / 255, 10)
    assert data.class_names == CIFAR10


def test_both_versions_of_cifar10_are_one_data_set(tmp_path: Path) -> None:
    sources = [
        folder(tmp_path, ten_binary(), "bin"),
        folder(tmp_path, ten_python(), "py"),
        archive(tmp_path, ten_binary(), gz=False),
        archive(tmp_path, ten_python()),
    ]
    rows: list[int] = []
    found = [import_cifar10(source, tmp_path / "d.h5", progress=rows.append) for source in sources]
    check_ten(found[-1])
    assert len({data.digest for data in found}) == 1
    assert sum(rows) == 4 * 14
    origin = found[0].provenance
    assert origin["importer"] == "cifar10"
    assert [source["file"] for source in origin["sources"]] == [f"{name}.bin" for name in BATCHES] + [
        "batches.meta.txt"
    ]
    assert [source["file"] for source in found[-1].provenance["sources"]] == ["cifar.tar.gz"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_form(tmp_path: Path, form: int) -> None:
    check_ten(import_cifar10(archive(tmp_path, ten_binary(), form=form), tmp_path / "d.h5"))


def test_pickles_of_python_3_with_text_keys(tmp_path: Path) -> None:
    files = {name: pickle.dumps({"data": PIXELS[name], "labels": np.array(LABELS[name])}) for name in BATCHES}
    check_ten(import_cifar10(folder(tmp_path, files), tmp_path / "d.h5"))  # without a file of names


@pytest.mark.parametrize(
    ("labels", "values", "names"), [("fine", FINE, CIFAR100_FINE), ("coarse", COARSE, CIFAR100_COARSE)]
)
def test_both_versions_of_cifar100(tmp_path: Path, labels: str, values: list[int], names: tuple[str, ...]) -> None:
    binary = import_cifar100(archive(tmp_path, hundred_binary()), tmp_path / "b.h5", labels=labels)
    python = import_cifar100(folder(tmp_path, hundred_python()), tmp_path / "p.h5", labels=labels)
    assert binary.digest == python.digest
    assert python.test is not None
    assert [*python.train.labels, *python.test.labels] == values
    np.testing.assert_array_equal(python.train.features, PIXELS["data_batch_5"][:3])
    assert python.class_names == binary.class_names == names
    assert python.provenance["options"] == {"labels": labels}


def test_names_are_those_of_the_files(tmp_path: Path) -> None:
    mine = [f"thing {number}" for number in range(10)]
    text = ten_binary() | {"batches.meta.txt": "\r\n".join(mine).encode()}
    pickled = ten_python() | {"batches.meta": python2_pickle({"label_names": mine})}
    for number, files in enumerate((text, pickled)):
        source = folder(tmp_path, files, str(number))
        assert import_cifar10(source, tmp_path / "d.h5").class_names == tuple(mine)


def python(**batch_1: Any) -> dict[str, bytes]:
    """Return the python version with another first batch."""
    return ten_python() | {"data_batch_1": pickle.dumps(batch_1)}


TWO = PIXELS["test_batch"]
BROKEN = [
    (ten_binary() | {"data_batch_3.bin": None}, "has no file data_batch_3 or data_batch_3.bin; expected"),
    (ten_binary() | {"test_batch.bin": bytes(3072)}, "test_batch has 3072 bytes: expected a multiple of the 3073"),
    (ten_binary() | {"data_batch_2.bin": b"\x0a" + bytes(3072)}, "data_batch_2: labels hold 10 in row 0"),
    (ten_binary() | {"batches.meta.txt": b"one\ntwo\n"}, "does not hold 10 class names"),
    (ten_python() | {"batches.meta": python2_pickle({"label_names": ["\0"] * 10})}, "10 class names"),
    (ten_python() | {"batches.meta": b"I7\n."}, "10 class names"),
    (ten_python() | {"data_batch_1": ten_python()["data_batch_1"][:-100]}, "data_batch_1 is a damaged or truncated"),
    (python(labels=[1]), "no array 'data' of bytes"),
    (python(data=np.zeros((2, 3072)), labels=[1, 2]), "no array 'data' of bytes"),
    (python(data=TWO[:, :5], labels=[1, 2]), "no array 'data' of bytes"),
    (python(data=TWO, labels=[1]), "no list 'labels' of 2 whole numbers"),
    (python(data=TWO, labels=[1, "2"]), "no list 'labels' of 2"),
    (python(data=TWO, fine_labels=[1, 2]), "no list 'labels' of 2"),
    (python(data=TWO, labels=[1, -1]), "data_batch_1: labels hold -1 in row 1"),
    (hundred_binary(), "it looks like CIFAR-100"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN, ids=[message[-25:] for _, message in BROKEN])
def test_broken_files_leave_nothing(tmp_path: Path, content: dict[str, bytes | None], message: str) -> None:
    there = {name: data for name, data in content.items() if data is not None}
    for source in (folder(tmp_path, there), archive(tmp_path, there)):
        with pytest.raises(InputError, match=message) as caught:
            import_cifar10(source, tmp_path / "d.h5")
        assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == ["cifar", "cifar.tar.gz"]


class Evil:
    def __init__(self, victim: str) -> None:
        self._victim = victim

    def __reduce__(self) -> Any:
        return os.mkdir, (self._victim,)


def test_pickles_are_not_executed(tmp_path: Path) -> None:
    source = folder(tmp_path, ten_python() | {"data_batch_4": pickle.dumps(Evil(str(tmp_path / "made")))})
    with pytest.raises(InputError, match=r"data_batch_4 wants to use 'posix\.mkdir'"):
        import_cifar10(source, tmp_path / "d.h5")
    assert leftovers(tmp_path) == ["cifar"]


def test_other_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels is 'corse': .*did you mean 'coarse'"):
        import_cifar100(tmp_path, tmp_path / "d.h5", labels="corse")


def with_member(place: Path, change: Callable[[tarfile.TarInfo], Any]) -> Path:
    """Make an archive with one member changed, data_batch_1.bin."""
    path = place / "changed.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in ten_binary().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == "data_batch_1.bin":
                change(info)
            tar.addfile(info, io.BytesIO(content) if info.type == tarfile.REGTYPE else None)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0},
        {"type": tarfile.LNKTYPE, "linkname": "test_batch.bin", "size": 0},
        {"type": tarfile.FIFOTYPE, "size": 0},
        {"name": "/data_batch_1.bin"},
        {"name": "../data_batch_1.bin"},
        {"name": "a/../data_batch_1.bin"},
    ],
)
def test_links_and_paths_that_leave_the_archive_are_passed_over(tmp_path: Path, changes: dict[str, Any]) -> None:
    source = with_member(tmp_path, lambda info: [setattr(info, key, value) for key, value in changes.items()])
    with pytest.raises(InputError, match=r"has no file data_batch_1 or data_batch_1\.bin"):
        import_cifar10(source, tmp_path / "d.h5")


def tar_of(*members: tuple[str, bytes], size: int | None = None) -> bytes:
    """Make a tar file in memory; `size` is what the headers say, if that is a lie."""
    made = list[bytes]()
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content) if size is None else size
        made += [info.tobuf(tarfile.GNU_FORMAT), content, bytes(-len(content) % 512)]
    return b"".join(made) + bytes(1024)


WHOLE = tar_of(*ten_binary().items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no file data_batch_1"),
        (bytes(512), "has no file data_batch_1"),
        (b"no archive at all", "is no folder and no .tar"),
        (gzip.compress(b"x" * 1000), "is no folder and no .tar"),
        (b"D" + WHOLE[1:], "damaged .at byte 0 unpacked"),  # the name is part of a header's sum
        (WHOLE[:100], "damaged .at byte 0 unpacked"),
        (tar_of(("data_batch_1.bin", b""), size=2**33 - 1), "holds more than 2 GiB"),
        (tar_of(("data_batch_1.bin", b""), size=-1), "damaged .at byte 0"),
        (WHOLE[:-1024] + WHOLE, "holds more than one file data_batch_1.bin"),
        (gzip.compress(WHOLE)[:-30], "truncated or damaged"),
        (tar_of(*ten_binary().items(), size=10**6), "has no file data_batch_2"),
        (tar_of(*[("x", b"")] * 10001), "or 10000 files"),
    ],
    ids=["empty", "zeros", "text", "gzip", "sum", "cut", "huge", "negative", "twice", "torn", "short", "many"],
)
def test_archives_that_are_damaged(tmp_path: Path, content: bytes, message: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        import_cifar10(source, tmp_path / "d.h5")
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == ["source"]


def test_a_file_in_an_archive_that_ends_too_soon(tmp_path: Path) -> None:
    batches = [(f"{name}.bin", ten_binary()[f"{name}.bin"]) for name in BATCHES]
    (tmp_path / "cut.tar").write_bytes(tar_of(*batches)[:-2000])
    with pytest.raises(InputError, match="ends within a file"):
        import_cifar10(tmp_path / "cut.tar", tmp_path / "d.h5")
    with pytest.raises(InputError, match="not found"):
        import_cifar10(tmp_path / "none", tmp_path / "d.h5")
