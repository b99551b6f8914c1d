"""Text import: characters and words by hand, splits that share nothing, encodings, and what is refused."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.data import import_text
from capacity.data.importers.tokens import characters, words
from capacity.errors import InputError
from tests.data_files import SHARED, leftovers


def put(folder: Path, content: str | bytes, name: str = "t.txt") -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


def rows_of(data: Any) -> list[tuple[str, str]]:
    """Return a split's rows and labels in letters."""

    def join(ids: Any) -> str:
        return "".join(data.class_names[int(number)] for number in ids)

    splits = [split for split in (data.train, data.test) if split]
    return [(join(x), join([y])) for split in splits for x, y in zip(split.features, split.labels, strict=True)]


@pytest.mark.parametrize("name", ["t.txt", "t.txt.gz"])
def test_characters(tmp_path: Path, name: str) -> None:
    data = import_text(
        [put(tmp_path, "abcabdé\nabc", name)], tmp_path / "d.h5", unit="char", context=3, test_fraction=0
    )
    assert data.class_names == ("\n", "a", "b", "c", "d", "é")
    np.testing.assert_array_equal(data.train.features, [[1, 2, 3], [1, 2, 4], [5, 0, 1]])
    np.testing.assert_array_equal(data.train.labels, [1, 5, 2])
    assert (data.train.features.dtype, data.scale, data.test) == (np.uint8, 1.0, None)
    assert data.provenance["options"] == {"unit": "char", "context": 3, "test_fraction": 0}
    assert data.provenance["length"] == {"train": 11, "test": 0}
    assert data.provenance["sources"][0]["file"] == name


def test_the_test_split_is_the_end_and_shares_nothing(tmp_path: Path) -> None:
    text = "abcdefghijklmnopqrst"
    data = import_text([put(tmp_path, text)], tmp_path / "d.h5", unit="char", context=2, test_fraction=0.4)
    assert rows_of(data) == [  # 12 letters, then 8: "l" and "t" are left over
        ("ab", "c"), ("cd", "e"), ("ef", "g"), ("gh", "i"), ("ij", "k"), ("mn", "o"), ("op", "q"), ("qr", "s"),
    ]  # fmt: skip
    assert len(data.train.labels) == 5


def test_words(tmp_path: Path) -> None:
    text = "The cat's hat, the\tDOG!\nDon't -- the end_1 dog's cat's"
    data = import_text([put(tmp_path, text)], tmp_path / "d.h5", unit="word", context=1, test_fraction=0)
    # the 3; - and cat's 2; all others once, alphabetically
    assert data.class_names == ("the", "-", "cat's", "!", ",", "dog", "dog's", "don't", "end_1", "hat")
    assert [*data.train.features[:, 0], data.train.labels[-1]] == [0, 2, 9, 4, 0, 5, 3, 7, 1, 1, 0, 8, 6, 2]
    small = import_text(
        [tmp_path / "t.txt"], tmp_path / "d.h5", unit="word", context=1, test_fraction=0, vocabulary_size=3
    )
    assert small.class_names == ("the", "-", "cat's", "<unk>")
    assert [*small.train.features[:, 0], small.train.labels[-1]] == [0, 2, 3, 3, 0, 3, 3, 3, 1, 1, 0, 3, 3, 2]
    assert small.provenance["options"]["vocabulary_size"] == 3


def test_files_are_joined_in_their_order(tmp_path: Path) -> None:
    files = [put(tmp_path, "\ufeffb\r\nc\rd", "2"), put(tmp_path, "\ufeffa b\r", "1.gz")]
    assert "".join(characters(files)) == "b\nc\nda b\n"
    assert [*chain(*words(files))] == ["b", "c", "d", "a", "b"]


@given(st.text(st.sampled_from("ab \n\r'é€😀\t.\ufeff"), max_size=40), st.integers(1, 9))
def test_pieces_do_not_show(tmp_path_factory: pytest.TempPathFactory, text: str, piece: int) -> None:
    path = tmp_path_factory.mktemp("t") / "t"
    path.write_bytes(text.encode())
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    whole = list(words([path]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("capacity.data.importers.tokens._CHUNK", piece)
        assert "".join(characters([path])) == plain
        patch.setattr("capacity.data.importers.tokens.LONGEST_WORD", 100)
        if all(len(part) <= piece for part in plain.split()):
            assert [*chain(*words([path]))] == [*chain(*whole)]


def test_small_pieces_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = put(tmp_path, "".join(chr(97 + row * row % 23) for row in range(1000)))
    options = {"unit": "char", "context": 7, "test_fraction": 0.3}
    whole = import_text([source], tmp_path / "d.h5", **options)
    monkeypatch.setattr("capacity.data.importers.tokens._CHUNK", 10)
    done: list[int] = []
    assert import_text([source], tmp_path / "d.h5", **options, progress=done.append).digest == whole.digest
    assert sum(done) == (700 - 1) // 7 + (300 - 1) // 7


@pytest.mark.parametrize(("count", "dtype"), [(256, np.uint8), (257, np.int16), (32768, np.int16)])
def test_ids_are_as_small_as_they_can_be(tmp_path: Path, count: int, dtype: Any) -> None:
    text = "".join(chr(0x4E00 + row) if row < 20000 else chr(0x20000 + row) for row in range(count)) + "\u4e00\u4e01"
    data = import_text([put(tmp_path, text)], tmp_path / "d.h5", unit="char", context=1, test_fraction=0)
    assert data.train.features.dtype == dtype
    assert data.classes == count
    assert data.train.features[:, 0].tolist() == [*range(count), 0]


def test_more_ids_than_16_bits_hold_are_exact(tmp_path: Path) -> None:
    """Whichever type the layout has for them (int32, or float32, exact up to 2^24)."""
    text = "".join(f"w{row:05} " for row in range(40000))
    data = import_text(
        [put(tmp_path, text)], tmp_path / "d.h5", unit="word", context=1, test_fraction=0, vocabulary_size=40000
    )
    assert data.train.features[:, 0].tolist() == list(range(39999))
    assert data.train.labels.tolist() == list(range(1, 40000))


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"ab\xffcd", {}, "is not UTF-8: its byte 2 is no part"),
        (b"\xef\xbb\xbfab\xffcd", {}, "its byte 5 is no part"),
        (b"ab\xe2\x82", {}, "its byte 2 is no part"),
        ("é" * 600_000 + "\0", {}, "holds a NUL character at byte 1200000"),
        ("\ufeffé\0", {}, "holds a NUL character at byte 5"),
        ("abc".encode("utf-16"), {}, "is in UTF-16: expected UTF-8"),
        (b"", {}, "0 chars are not enough for the train split"),
        ("abc", {}, "3 chars are not enough"),
        ("abcdefgh", {"test_fraction": 0.25}, "2 chars are not enough for the test split"),
        ("aaaaaaaaaaaaaaaaaa", {}, "has 1 class"),
        ("a b c d e f g", {"unit": "words"}, r"unit is 'words': .*did you mean 'word'"),
        ("a b c d e f g", {"context": 0}, "context is 0"),
        ("a b c d e f g", {"context": 65537}, "context is 65537"),
        ("a b c d e f g", {"test_fraction": 1.0}, r"test_fraction is 1\.0"),
        ("a b c d e f g", {"test_fraction": float("nan")}, "test_fraction is nan"),
        ("a b c d e f g", {"vocabulary_size": 0}, "vocabulary_size is 0"),
        ("a" * 1001, {"unit": "word"}, "a word longer than 1000"),
        ("-" * 2_200_000, {"unit": "word"}, "a word longer than 1000"),
    ],
)
def test_bad_texts_leave_nothing(tmp_path: Path, content: Any, options: dict[str, Any], message: str) -> None:
    for name in ("t.txt", "t.txt.gz"):
        source = put(tmp_path, content, name)
        with pytest.raises(InputError, match=message) as caught:
            import_text([source], tmp_path / "d.h5", **{"unit": "char", "context": 3, "test_fraction": 0, **options})
        assert "\n" not in str(caught.value)
        source.unlink()
    assert leftovers(tmp_path) == []


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cut = put(tmp_path, "abcdefgh" * 100, "cut.gz")
    cut.write_bytes(cut.read_bytes()[:-10])
    for source, message in (
        (tmp_path / "none", "not found"),
        (tmp_path, "cannot be read"),
        (cut, "truncated or damaged"),
    ):
        with pytest.raises(InputError, match=message):
            import_text([source], tmp_path / "d.h5", unit="char")
    assert leftovers(tmp_path) == ["cut.gz"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real text beside the checkout")
def test_shakespeare(tmp_path: Path) -> None:
    source = SHARED / "shakespeare" / "shakespeare.txt.gz"
    text = gzip.decompress(source.read_bytes()).decode().replace("\r\n", "\n")
    data = import_text([source], tmp_path / "d.h5", unit="char")
    assert data.class_names == tuple(sorted(set(text)))
    assert data.test is not None
    cut = len(text) - round(len(text) / 10)
    assert (len(data.train.labels), len(data.test.labels)) == ((cut - 1) // 64, (len(text) - cut - 1) // 64)
    row = len(data.train.labels) - 1
    letters = "".join(data.class_names[number] for number in [*data.train.features[row], data.train.labels[row]])
    assert letters == text[64 * row : 64 * row + 65]
    assert "".join(data.class_names[number] for number in data.test.features[0]) == text[cut : cut + 64]
    counts = Counter(word for part in words([source]) for word in part)
    assert [word for word, _ in counts.most_common(4)] == [",", ".", "the", "and"]
