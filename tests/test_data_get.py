"""Well-known sets by name: cache, offline, one's own files, and the command."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from capacity.data import CATALOGUE, get_dataset, import_idx, import_idx_folder, open_dataset
from capacity.data.fetching import cache
from capacity.data.fetching.cache import Fingerprint, RemoteFile, cache_folder, fault, is_offline
from capacity.data.fetching.catalogue import KnownSet
from capacity.errors import InputError
from tests.data_files import SHARED, leftovers, write_idx
from tests.test_cli_data import Program, program  # noqa: F401  (a fixture)
from tests.web_server import Server, file, serving

IMAGES, LABELS = np.arange(24).reshape(4, 2, 3), [0, 1, 2, 1]


def _of(content: bytes) -> Fingerprint:
    return Fingerprint(len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """A folder with the two files of the set `tiny`."""
    folder = tmp_path / "originals"
    folder.mkdir()
    write_idx(folder / "images.gz", IMAGES)
    write_idx(folder / "labels", LABELS)
    return folder


@pytest.fixture
def server(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve `tiny`, and `single`, which is one file; the cache is in `tmp_path`."""
    monkeypatch.setenv("CAPACITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("CAPACITY_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    images, labels = (originals / "images.gz").read_bytes(), (originals / "labels").read_bytes()
    with serving() as running:
        running.pages |= {"/images.gz": file(images), "/labels": file(labels)}
        files = (
            RemoteFile("images.gz", _of(images), (running.url("/images.gz"),), _of(gzip.decompress(images))),
            RemoteFile("labels", _of(labels), (running.url("/labels"),)),
        )
        tiny = KnownSet("four", "none", "-", files, lambda paths, out, name: import_idx(*paths, out, name=name))
        single = KnownSet(
            "one file",
            "none",
            "-",
            files[:1],
            lambda paths, out, name: import_idx(paths[0], originals / "labels", out, name=name),
        )
        monkeypatch.setitem(CATALOGUE, "tiny", tiny)
        monkeypatch.setitem(CATALOGUE, "single", single)
        yield running


def test_a_set_is_fetched_once_and_imported_under_its_name(server: Server, originals: Path, tmp_path: Path) -> None:
    told: list[int] = []
    data = get_dataset("tiny", progress=told.append)
    expected = import_idx(originals / "images.gz", originals / "labels", tmp_path / "x.h5")
    assert (data.path, data.name, data.digest) == (Path("tiny.h5"), "tiny", expected.digest)
    assert sum(told) == CATALOGUE["tiny"].size
    assert [source["sha256"] for source in data.provenance["sources"]] == [
        each.original.sha256 for each in CATALOGUE["tiny"].files
    ]
    assert get_dataset("tiny", tmp_path / "again.h5", progress=told.append).digest == expected.digest
    assert len(server.requests) == 2
    assert sum(told) == 2 * CATALOGUE["tiny"].size
    assert set(leftovers(tmp_path / "cache" / "data" / "tiny")) >= {"images.gz", "labels"}


def test_a_damaged_file_of_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    digest = get_dataset("tiny").digest
    cached = tmp_path / "cache" / "data" / "tiny" / "images.gz"
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"images\.gz is damaged, and no connection is made"):
        get_dataset("tiny", offline=True)
    assert get_dataset("tiny").digest == digest
    assert len(server.requests) == 3


@pytest.mark.parametrize("word", ["1", "yes", "True"])
def test_offline_makes_no_connection_and_says_what_is_missing(
    server: Server, tmp_path: Path, originals: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("CAPACITY_OFFLINE", word)
    missing = tmp_path / "cache" / "data" / "tiny" / "images.gz"
    with pytest.raises(InputError) as caught:
        get_dataset("tiny")
    assert str(caught.value).startswith(f"{missing} is not there")
    assert server.url("/images.gz") in str(caught.value)
    assert "--from" in str(caught.value)
    assert server.requests == []
    assert not (tmp_path / "cache").exists()
    missing.parent.mkdir(parents=True)
    for each in originals.iterdir():  # put where the sentence said
        (missing.parent / each.name).write_bytes(each.read_bytes())
    assert get_dataset("tiny").name == "tiny"
    assert server.requests == []
    missing.unlink()
    assert get_dataset("tiny", offline=False).name == "tiny"


def test_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("", "0", "no", "off", "FALSE"):
        monkeypatch.setenv("CAPACITY_OFFLINE", word)
        assert not is_offline()
    monkeypatch.setenv("CAPACITY_CACHE", "~/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "elsewhere"
    monkeypatch.setenv("CAPACITY_CACHE", "~nobody-of-this-name/x")
    with pytest.raises(InputError, match="CAPACITY_CACHE is ~nobody"):
        cache_folder()
    monkeypatch.setenv("CAPACITY_CACHE", "x" * 300)
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        get_dataset("mnist", offline=True)
    monkeypatch.delenv("CAPACITY_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder().is_relative_to(tmp_path)
    assert cache_folder().name == "capacity"


def test_files_one_has_are_verified_and_need_no_connection(server: Server, originals: Path, tmp_path: Path) -> None:
    expected = get_dataset("tiny").digest
    server.requests.clear()
    assert get_dataset("tiny", source=originals).digest == expected
    images = originals / "images.gz"
    images.write_bytes(gzip.compress(gzip.decompress(images.read_bytes()), 1))
    assert get_dataset("tiny", source=originals).digest == expected  # compressed anew
    (originals / "images").write_bytes(gzip.decompress(images.read_bytes()))
    images.write_bytes(b"damaged")
    assert get_dataset("tiny", source=originals).digest == expected  # decompressed, beside a damaged one
    assert get_dataset("single", source=originals / "images").digest == expected
    assert server.requests == []
    assert not (tmp_path / "cache" / "data" / "single").exists()


def test_wrong_files_are_refused_before_anything_is_written(server: Server, originals: Path, tmp_path: Path) -> None:
    def refused(source: Path, name: str = "tiny") -> str:
        with pytest.raises(InputError) as caught:
            get_dataset(name, source=source)
        assert not (tmp_path / f"{name}.h5").exists()
        return str(caught.value)

    labels = originals / "labels"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\2")
    message = refused(originals)
    assert f"{labels} is not the original labels: it has the SHA-256 {_of(labels.read_bytes()).sha256}: exp" in message
    labels.write_bytes(b"short")
    assert "it has 5 bytes: expected 12" in refused(originals)
    labels.unlink()
    assert f"{originals} lacks labels" in refused(originals)
    assert "expected a folder with images.gz, labels" in refused(originals / "images.gz")
    assert "nowhere not found" in refused(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is neither a folder nor a file" in refused(tmp_path / "pipe", "single")
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(30_000_000)))
    assert "is not the original images.gz" in refused(bomb, "single")
    bomb.write_bytes(gzip.compress(b"abc")[:-3])
    assert "is not the original images.gz" in refused(bomb, "single")
    assert server.requests == []


def test_no_more_is_decompressed_than_the_original_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return bytes(size or 0)

    copy = write_idx(tmp_path / "x.gz", IMAGES)
    monkeypatch.setattr(cache, "open_source", lambda _: Endless())
    assert "expected 10" in (fault(copy, RemoteFile("x.gz", _of(b"0123456789"), (), _of(b"abc"))) or "")


def test_a_place_that_is_not_there_is_said_before_the_download(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*x\.h5: there is no folder"):
        get_dataset("tiny", tmp_path / "nowhere" / "x.h5")
    assert server.requests == []
    (tmp_path / "tiny.h5").write_text("mine")
    with pytest.raises(InputError, match="will not be replaced"):
        get_dataset("tiny")
    assert (tmp_path / "tiny.h5").read_text() == "mine"


def test_the_command(server: Server, originals: Path, tmp_path: Path, program: Program) -> None:  # noqa: F811
    out = tmp_path / "out.h5"
    printed = program.succeed("get", "tiny", out)
    assert printed == f"wrote {out}: 4 training and no test samples, 6 features (uint8), 3 classes\n"
    assert "wrote tiny.h5" in program.succeed("get", "tiny", "--offline")
    assert "wrote single.h5" in program.succeed("get", "single", "--from", originals / "images.gz")
    assert "no known data set 'minst' (did you mean 'mnist'?)" in program.refuse("get", "minst")
    assert "images.gz is not there, and no connection is made" in program.refuse("get", "single", "--offline")
    assert "nothing not found" in program.refuse("get", "single", "--from", tmp_path / "nothing")
    assert len(server.requests) == 2


def test_the_command_lists_the_sets_and_what_is_there(
    server: Server,
    tmp_path: Path,
    program: Program,  # noqa: F811
) -> None:
    half = tmp_path / "cache" / "data" / "single" / "images.gz.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(bytes(CATALOGUE["single"].size // 2))
    get_dataset("tiny")
    listed = program.succeed("get")
    assert listed == program.succeed("get", "--list")
    entries = {lines[0].split()[0]: lines for lines in zip(*[iter(listed.splitlines()[:-1])] * 3, strict=True)}
    assert list(entries) == list(CATALOGUE)
    assert "30.9 MB, not in the cache; licence: MIT" in entries["fashion-mnist"][1]
    assert entries["mnist"][2].split() == ["http://yann.lecun.com/exdb/mnist"]
    assert "in the cache" in entries["tiny"][1]
    assert re.search(r" (49|50)% in the cache", entries["single"][1])
    assert listed.endswith(f"cache: {tmp_path / 'cache'}\n")


def test_every_entry_is_complete() -> None:
    assert list(CATALOGUE) == ["mnist", "fashion-mnist", "cifar10", "cifar100", "covtype", "adult"]
    files = [each for known in CATALOGUE.values() for each in known.files]
    prints = [mark for each in files for mark in (each.original, each.content) if mark]
    assert len({mark.sha256 for mark in prints}) == len(prints)
    assert all(len(bytes.fromhex(mark.sha256)) == 32 and mark.size > 0 for mark in prints)
    for each in files:
        assert all(urlsplit(url).scheme in {"http", "https"} and url.endswith(f"/{each.name}") for url in each.urls)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original files beside the checkout")
@pytest.mark.parametrize("name", ["mnist", pytest.param("fashion-mnist", marks=pytest.mark.slow)])
def test_real_files_give_what_the_importer_gives(tmp_path: Path, program: Program, name: str) -> None:  # noqa: F811
    program.succeed("get", name, "--from", SHARED / name, tmp_path / "a.h5")
    assert open_dataset(tmp_path / "a.h5").digest == import_idx_folder(SHARED / name, tmp_path / "b.h5").digest


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original files beside the checkout")
def test_the_real_covtype_is_recognised() -> None:
    assert fault(SHARED / "covtype" / "covtype.data.gz", CATALOGUE["covtype"].files[0]) is None
