"""CSV files that are strange or made to do harm: read rightly, or refused in a sentence, soon and in little memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import import_csv
from capacity.data.importers.columns import MAX_TEXT
from capacity.data.importers.table import MAX_COLUMNS
from capacity.errors import InputError
from tests.data_files import leftovers


def put(folder: Path, content: bytes | str) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffx,y\n1,0\n2,1\n",
        '\ufeff"x","y"\r\n"1","0"\r\n"2","1"\r\n',
        "x,y\r1,0\r2,1\r",
        "x,y\n1,0\n2,1",
        "x,y\n\n1,0\n\n\n2,1\n\n",
        " x , y \n 1\t,0\n2 , 1 \n",
    ],
)
def test_marks_quotes_and_line_ends(tmp_path: Path, text: str) -> None:
    data = import_csv(put(tmp_path, text), tmp_path / "d.h5")
    assert (data.feature_names, data.class_names) == (("x",), ("0", "1"))
    assert data.train.features.tolist() == [[1], [2]]


def test_a_byte_order_mark_without_a_header(tmp_path: Path) -> None:
    data = import_csv(put(tmp_path, "\ufeff7,0\n8,1\n"), tmp_path / "d.h5", header=False)
    assert data.train.features.tolist() == [[7], [8]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,0\n".encode("utf-16"), "is in UTF-16: expected UTF-8"),
        ("x,y\n1,0\n".encode("utf-16-be"), "NUL byte in a column's name"),
        (b"\xfe\xff" + "x,y\n1,0\n".encode("utf-16-be"), "is in UTF-16"),
        (b"a\xff,y\n1,0\n2,1\n", "in UTF-8"),
        (b"x\0,y\n1,0\n2,1\n", "NUL byte in a column's name"),
        (b"x,y\na\0,0\nb,1\n", "column 'x' holds a text with a NUL byte"),
        (b"x,y\n1\0,0\n2,1\n", "column 'x' holds a text with a NUL byte"),
        (b"x,y\n1,a\0\n2,b\n", "column 'y' holds a text with a NUL byte"),
        (b"\0" * 1000, "Empty CSV"),
        (b"x,y\n" + b"a" * (MAX_TEXT + 1) + b",0\nb,1\n", "column 'x' holds a text of 1001 characters"),
        (b"x,y\n1,1e300\n2,1\n", r"label column 'y' holds 1e\+300 in data row 1"),
        (b"x,y\n1,9007199254740993\n2,1\n", "label column 'y' holds 90071992547409.* in data row 1"),
        (b'x,y\n1,0\n"2,1\n', "not a comma-separated table"),
    ],
)
def test_what_is_no_text_leaves_nothing(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        import_csv(put(tmp_path, content), tmp_path / "d.h5")
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == ["t.csv"]


MILLION = 10**6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1," * MILLION + b"0\n" + b"1," * MILLION + b"0\n", "has 1000001 columns: expected at most 20000"),
        (",".join(f"c{n}" for n in range(MILLION)).encode() + b"\n", "a row longer than 4 MiB"),
        (b'"a,b\r\n",' + b"1," * MAX_COLUMNS + b"0\n", f"has {MAX_COLUMNS + 2} columns"),
        (b"x" * (5 * MILLION), "a row longer than 4 MiB"),
        (b"\0" * (50 * MILLION), "a row longer than 4 MiB"),
        (b'x,y\n1,0\n"' + b"2,1\n" * (2 * MILLION), "Expected 2 columns, got 1"),
    ],
    ids=["columns", "names", "quotes", "line", "zeros", "open quote"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_absurd_sizes_are_refused_soon(tmp_path: Path, content: bytes, message: str, packed: bool) -> None:
    source = put(tmp_path, gzip.compress(content, 1) if packed else content)
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message) as caught:
            import_csv(source, tmp_path / "d.h5", header=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert time.monotonic() - began < 30
    assert len(str(caught.value)) < 1000
    assert leftovers(tmp_path) == ["t.csv"]


def test_more_classes_than_a_label_column_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.importers.columns.MAX_CLASSES", 100)
    text = "x,id\n" + "".join(f"{row},{row}\n" for row in range(101))
    with pytest.raises(InputError, match="label column 'id' has more than 100 different values: expected classes"):
        import_csv(put(tmp_path, text), tmp_path / "d.h5")


def test_one_hot_rows_are_made_a_few_at_a_time(tmp_path: Path) -> None:
    """800 rows of 8 columns with 800 categories each: 41 MB of numbers, of a file of 50 kB."""
    rows = "".join(",".join(f"n{(row * 7) % 800}" for _ in range(8)) + f",{row % 2}\n" for row in range(800))
    source = put(tmp_path, "a,b,c,d,e,f,g,h,y\n" + rows)
    tracemalloc.start()
    try:
        data = import_csv(source, tmp_path / "d.h5")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 << 20
    names: Any = data.feature_names
    assert len(names) == 6400
    hot = np.flatnonzero(data.train.features[3])
    assert [names[column] for column in hot] == [f"{column}=n21" for column in "abcdefgh"]
