"""Parquet import: the types of the file, the rules of CSV, and what is refused."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from capacity.data import import_csv, import_parquet
from capacity.data.importers.columns import MAX_TEXT
from capacity.errors import InputError
from tests.data_files import leftovers

MIXED = {
    "size": pa.array([1, 2, None, 6, 8], pa.int64()),
    "colour": pa.array(["red", " blue ", "green", "NA", "red"]),
    "weight": pa.array([0.5, float("nan"), 2.5, 3.0, 1.0], pa.float32()),
    "kind": pa.array(["cat", "dog", "cat", "dog", "dog"]).dictionary_encode(),
}


def write(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pa.table(columns), path, **options)
    return path


def test_the_rules_are_those_of_csv(tmp_path: Path) -> None:
    rows = "1,red,0.5,cat\n2,blue,,dog\n,green,2.5,cat\n6,NA,3,dog\n8,red,1,dog\n"
    (tmp_path / "t.csv").write_text("size,colour,weight,kind\n" + rows)
    for options in ({}, {"standardise": True}, {"missing": "drop"}, {"test_fraction": 0.6, "seed": 2}):
        data = import_parquet(write(tmp_path, MIXED), tmp_path / "p.h5", label="kind", **options)
        same = import_csv(tmp_path / "t.csv", tmp_path / "c.h5", label="kind", **options)
        assert data.digest == same.digest
        assert (data.feature_names, data.class_names) == (same.feature_names, same.class_names)
        assert data.provenance["columns"] == same.provenance["columns"]
    assert data.provenance["importer"] == "parquet"
    assert data.provenance["sources"][0]["file"] == "t.parquet"
    assert data.provenance["options"] == {
        "label": "kind", "missing": "mean", "standardise": False, "test_fraction": 0.6, "seed": 2
    }  # fmt: skip


def test_types_are_those_of_the_file(tmp_path: Path) -> None:
    columns = {
        "truth": pa.array([True, False, None]),
        "digits": pa.array(["1", "2", "1"], pa.large_string()),
        "byte": pa.array([255, 0, 1], pa.uint8()),
        "half": pa.array(np.array([0.5, 1, 2], "f2")),
        "price": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("3.75")]),
        "level": pa.array([10, 20, 10]).dictionary_encode(),
        "vector": pa.array([[1, 2], [3, None], None], pa.list_(pa.float32(), 2)),
        "y": pa.array([1, 0, 1], pa.int8()),
    }
    data = import_parquet(write(tmp_path, columns), tmp_path / "d.h5", label="y")
    assert data.feature_names == (
        "truth", "digits=1", "digits=2", "byte", "half", "price", "level", "vector[0]", "vector[1]"
    )  # fmt: skip
    np.testing.assert_array_equal(
        data.train.features,
        [[1, 1, 0, 255, 0.5, 1.25, 10, 1, 2], [0, 0, 1, 0, 1, 2.5, 20, 3, 2], [0.5, 1, 0, 1, 2, 3.75, 10, 2, 2]],
    )
    assert data.class_names == ("0", "1")
    assert data.train.labels.tolist() == [1, 0, 1]


def test_blocks_and_row_groups_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "text": [None] * 50 + [f"name {row % 9}" for row in range(50)],
        "number": [row / 8 for row in range(100)],
        "y": [row % 3 for row in range(100)],
    }
    whole = import_parquet(write(tmp_path, columns), tmp_path / "d.h5", label="y", test_fraction=0.25)
    monkeypatch.setattr("capacity.data.importers.parquet._BLOCK_BYTES", 8 * 3 * 7)
    rows: list[int] = []
    cut = write(tmp_path, columns, row_group_size=13, use_dictionary=False, compression="gzip")
    again = import_parquet(cut, tmp_path / "d.h5", label="y", test_fraction=0.25, progress=rows.append)
    assert again.digest == whole.digest
    assert (sum(rows), max(rows)) == (300, 7)


def test_the_index_of_pandas_is_left_out(tmp_path: Path) -> None:
    columns = {"x": [1.0, 2.0], "y": ["a", "b"], "__index_level_0__": [5, 3]}
    data = import_parquet(write(tmp_path, columns), tmp_path / "d.h5", label=-1)
    assert (data.feature_names, data.class_names) == (("x",), ("a", "b"))


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"x": [datetime.datetime(2020, 1, 1)] * 2},
            {},
            r"column 'x' is of the type timestamp\[us\]: expected numbers",
        ),
        ({"x": [[1], [2, 3]]}, {}, "column 'x' is of the type list"),
        ({"x": [{"a": 1}, {"a": 2}]}, {}, "column 'x' is of the type struct"),
        ({"x": [b"a", b"b"]}, {}, "column 'x' is of the type binary"),
        ({"x": pa.array([["a"], ["b"]], pa.list_(pa.string(), 1))}, {}, "of the type fixed_size_list"),
        ({"x": [1.0, float("inf")]}, {}, "column 'x' holds inf in data row 2"),
        ({"x": [1, None]}, {"missing": "error"}, "no value in data row 2, column 'x'"),
        ({"x": pa.nulls(2)}, {}, "column 'x' has no value in the training rows"),
        ({"x": pa.nulls(2, pa.string())}, {}, "column 'x' has no value in the training rows"),
        ({"x": ["a\0", "b"]}, {}, "column 'x' holds a text with a NUL byte"),
        ({"x": ["a" * (MAX_TEXT + 1), "b"]}, {}, "column 'x' holds a text of 1001 characters"),
        ({"x": [1, 2], "n\0": [1, 2]}, {}, "NUL byte in a column's name"),
        ({"x": [1, 2]}, {"label": "z"}, "has no column 'z'"),
        ({"x": [1, 2], "z": [2**60, 2**60 + 1]}, {"label": "z"}, "label column 'z' holds 1.15.*e.18 in data row 1"),
        ({}, {}, "one column or none"),
        ({"x": [1, 2], "z": pa.array([["a"], ["b"]], pa.list_(pa.string()))}, {}, "column 'z'"),
    ],
)
def test_bad_tables_leave_nothing(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    source = write(tmp_path, {**columns, "y": [0, 1]})
    with pytest.raises(InputError, match=message) as caught:
        import_parquet(source, tmp_path / "d.h5", **{"label": "y", **options})
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == ["t.parquet"]


def test_damaged_files(tmp_path: Path) -> None:
    """Every cut and many flipped bytes end in a sentence or, where they hit values only, in a data set."""
    whole = write(tmp_path, {**MIXED, "n": [1, 2, 3, 4, 5]}).read_bytes()
    source = tmp_path / "t.parquet"
    random = np.random.default_rng(0)
    broken = [whole[:cut] for cut in range(0, len(whole), 97)]
    for place in random.integers(0, len(whole), 150):
        broken.append(whole[:place] + bytes([whole[place] ^ (1 << random.integers(8))]) + whole[place + 1 :])
    refused = 0
    for content in broken:
        source.write_bytes(content)
        try:
            import_parquet(source, tmp_path / "d.h5", label="kind")
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017
    assert refused > 60
    with pytest.raises(InputError, match="not found"):
        import_parquet(tmp_path / "none", tmp_path / "d.h5", label="kind")
    with pytest.raises(InputError, match="it is a folder"):
        import_parquet(tmp_path, tmp_path / "d.h5", label="kind")


def test_texts_that_are_not_utf8(tmp_path: Path) -> None:
    texts = pa.array([b"\xe4", b"b"]).view(pa.string()) if hasattr(pa.Array, "view") else None
    with pytest.raises(InputError, match="UTF8"):
        import_parquet(write(tmp_path, {"x": texts, "y": [0, 1]}), tmp_path / "d.h5", label="y")
