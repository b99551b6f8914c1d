"""CSV import: types of columns, missing values, standardisation, splits, and what is refused."""

from __future__ import annotations

import gzip
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.data import import_csv
from capacity.data.importers.columns import MAX_CATEGORIES, Numeric
from capacity.errors import InputError
from tests.data_files import SHARED, leftovers

MIXED = """size,colour,weight,kind
1,red,0.5,cat
2, blue ,?,dog
,green,2.5,cat
6,NA,3,dog
"""


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def columns(data: Any) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in data.provenance["columns"]}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "renamed.gz.data"])
def test_numbers_categories_and_missing_values(tmp_path: Path, name: str) -> None:
    data = import_csv(table(tmp_path, MIXED, name), tmp_path / "d.h5")
    assert data.feature_names == ("size", "colour=blue", "colour=green", "colour=red", "weight")
    assert data.class_names == ("cat", "dog")
    np.testing.assert_array_equal(
        data.train.features,
        [[1, 0, 0, 1, 0.5], [2, 1, 0, 0, 2], [3, 0, 1, 0, 2.5], [6, 0, 0, 0, 3]],  # means: 9/3, 6/3
    )
    np.testing.assert_array_equal(data.train.labels, [0, 1, 0, 1])
    assert (data.train.features.dtype, data.scale, data.test) == (np.float32, 1.0, None)


def test_constants_are_kept(tmp_path: Path) -> None:
    source = table(tmp_path, MIXED)
    found = columns(import_csv(source, tmp_path / "d.h5", standardise=True))
    assert found["size"] == {"name": "size", "kind": "numeric", "missing": 1, "mean": 3.0, "std": math.sqrt(14 / 3)}
    colours = ["blue", "green", "red"]
    assert found["colour"] == {"name": "colour", "kind": "categorical", "missing": 1, "categories": colours}
    plain = columns(import_csv(table(tmp_path, "a,b\n1,0\n2,1\n"), tmp_path / "d.h5"))
    assert plain["a"] == {"name": "a", "kind": "numeric", "missing": 0}  # neither was used


def test_standardised_columns(tmp_path: Path) -> None:
    source = table(tmp_path, "x,constant,y\n1,5,0\n3,5,1\n,5,1\n")
    data = import_csv(source, tmp_path / "d.h5", standardise=True)
    np.testing.assert_array_equal(data.train.features, [[-1, 0], [1, 0], [0, 0]])


def test_rule_drop_leaves_out_rows(tmp_path: Path) -> None:
    data = import_csv(table(tmp_path, MIXED + "8,red,1,?\n9,red,1,dog\n"), tmp_path / "d.h5", missing="drop")
    np.testing.assert_array_equal(data.train.features, [[1, 1, 0.5], [9, 1, 1]])
    assert data.feature_names == ("size", "colour=red", "weight")  # categories of the rows that stay


def test_rule_error_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no value in data row 3, column 'size'"):
        import_csv(table(tmp_path, MIXED), tmp_path / "d.h5", missing="error")


@pytest.mark.parametrize("label", ["kind", -1, 3, "3", "-1"])
def test_label_by_name_or_position(tmp_path: Path, label: str | int) -> None:
    assert import_csv(table(tmp_path, MIXED), tmp_path / "d.h5", label=label).class_names == ("cat", "dog")


def test_label_in_another_column(tmp_path: Path) -> None:
    data = import_csv(table(tmp_path, "y,x\n7,a\n-2,b\n10,a\n"), tmp_path / "d.h5", label=0)
    assert data.class_names == ("-2", "7", "10")  # whole numbers in their order, not in that of their texts
    np.testing.assert_array_equal(data.train.labels, [1, 0, 2])


def test_whole_numbers_written_as_fractions_are_one_class(tmp_path: Path) -> None:
    assert import_csv(table(tmp_path, "x,y\n1,1.0\n2,1\n3,2e0\n"), tmp_path / "d.h5").class_names == ("1", "2")


def test_without_header(tmp_path: Path) -> None:
    data = import_csv(table(tmp_path, "1,2,0\n3,4,1\n"), tmp_path / "d.h5", header=False)
    assert data.feature_names == ("f0", "f1")
    np.testing.assert_array_equal(data.train.features, [[1, 2], [3, 4]])


def test_quotes_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    text = '\ufeff"a, b",y\r\n"one, ""two""\nthree",0\r\n\r\nplain,1\r\n'
    data = import_csv(table(tmp_path, text), tmp_path / "d.h5")
    assert data.feature_names == ('a, b=one, "two"\nthree', "a, b=plain")
    np.testing.assert_array_equal(data.train.features, [[1, 0], [0, 1]])


def test_a_column_that_turns_to_text_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.importers.csv_text._BLOCK_BYTES", 64)
    text = "x,y\n" + "".join(f"{row % 5},{row % 2}\n" for row in range(100)) + "many,0\n"
    data = import_csv(table(tmp_path, text), tmp_path / "d.h5")
    assert data.feature_names == ("x=0", "x=1", "x=2", "x=3", "x=4", "x=many")
    assert data.train.features.sum(axis=0).tolist() == [20, 20, 20, 20, 20, 1]


def test_small_blocks_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{row},red,{row / 7},{'cat' if row % 3 else 'dog'}\n" for row in range(60))
    source = table(tmp_path, MIXED + rows)
    options = {"test_fraction": 0.25, "seed": 3, "missing": "drop"}
    whole = import_csv(source, tmp_path / "a.h5", **options)
    monkeypatch.setattr("capacity.data.importers.csv_text._BLOCK_BYTES", 80)
    assert import_csv(source, tmp_path / "b.h5", **options).digest == whole.digest


def numbered(folder: Path, rows: int) -> Path:
    return table(folder, "x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(rows)))


def test_test_split_is_a_seeded_draw(tmp_path: Path) -> None:
    source = numbered(tmp_path, 40)
    draws = [import_csv(source, tmp_path / f"{seed}.h5", test_fraction=0.25, seed=seed) for seed in (0, 1)]
    again = import_csv(source, tmp_path / "again.h5", test_fraction=0.25, seed=0)
    for data in draws:
        assert data.test is not None
        train, test = data.train.features.ravel().tolist(), data.test.features.ravel().tolist()
        assert len(test) == 10
        assert sorted(train + test) == list(range(40))
        assert (train, test) == (sorted(train), sorted(test))  # the file's order is kept
        np.testing.assert_array_equal(data.test.labels, np.array(test) % 2)
    assert draws[0].digest == again.digest != draws[1].digest
    assert draws[1].provenance["options"]["seed"] == 1


def test_constants_are_of_the_training_rows_only(tmp_path: Path) -> None:
    source = numbered(tmp_path, 40)
    raw = import_csv(source, tmp_path / "raw.h5", test_fraction=0.5)
    data = import_csv(source, tmp_path / "d.h5", test_fraction=0.5, standardise=True)
    assert raw.test is not None
    assert data.test is not None
    train = raw.train.features.astype(float)
    mean, std = train.mean(), train.std()
    assert columns(data)["x"]["mean"] == pytest.approx(mean, rel=1e-14)
    assert columns(data)["x"]["std"] == pytest.approx(std, rel=1e-14)
    np.testing.assert_allclose(data.test.features, (raw.test.features - mean) / std, rtol=1e-6)


numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(st.lists(st.one_of(st.none(), numbers), max_size=8), min_size=1, max_size=5))
def test_merged_mean_and_deviation_are_those_of_all_values(blocks: list[list[float | None]]) -> None:
    column = Numeric("x", standardise=True)
    for block in blocks:
        texts = pa.array([None if value is None else repr(value) for value in block], pa.string())
        column.learn(texts, np.arange(len(block)), np.ones(len(block), dtype=bool))
    values = [value for block in blocks for value in block if value is not None]
    if not values:
        with pytest.raises(InputError, match="no value in the training rows"):
            column.finish()
        return
    column.finish()
    record = column.record()
    assert record["mean"] == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert record["std"] == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-6)
    assert record["missing"] == sum(value is None for block in blocks for value in block)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "Empty CSV"),
        ("x,y\n", {}, "has no data rows"),
        ("x,y\n1,?\n?,0\n", {"missing": "drop"}, "has no complete data rows"),
        ("x;y\n1;0\n2;1\n", {}, "has one column: expected comma-separated"),
        ("1,0\n2,1\n3,0\n", {}, "only numbers for column names: if the first line is not a header"),
        ("x,x,y\n1,2,0\n2,3,1\n", {}, "more than one column 'x'"),
        ("a,b,a\nc,d,b\n", {}, "--no-header"),
        ("x,y\n1,0\n2\n3,1\n", {}, "not a comma-separated table .*Expected 2 columns, got 1"),
        ("x,y\n1,0\n2,1,5\n", {}, "Expected 2 columns, got 3"),
        ("x,y\n1,0\ninf,1\n", {}, "column 'x' holds inf in data row 2: expected finite"),
        ("x,y\n1,0\n-Infinity,1\n", {}, "column 'x' holds -inf in data row 2"),
        ("x,y\n1,0\n1e39,1\n", {}, r"too large for float32\) in row 1, column 0 \('x'\)"),
        ("x,y\n1,0\n2,?\n", {}, "label column 'y' has no value in data row 2"),
        ("x,y\n1,0\n2,0.5\n", {}, r"label column 'y' holds 0\.5 in data row 2: expected a class"),
        ("x,y\n1,0\n2,inf\n", {}, "label column 'y' holds inf in data row 2"),
        ("x,y\n1,0\n2,0\n", {}, "has 1 class: expected at least two"),
        ("x,y\n?,0\nNA,1\n", {}, "column 'x' has no value in the training rows"),
        ("x,y\n1,0\n2,1\n", {"label": "Y"}, r"has no column 'Y' \(.*y"),
        ("age,y\n1,0\n2,1\n", {"label": "aeg"}, "has no column 'aeg' .did you mean 'age'"),
        ("x,y\n1,0\n2,1\n", {"label": 2}, r"has no column 2: expected -2\.\.1"),
        ("x,y\n1,0\n2,1\n", {"missing": "men"}, "missing is 'men': .*did you mean 'mean'"),
        ("x,y\n1,0\n2,1\n", {"test_fraction": 1.0}, r"test_fraction is 1\.0"),
        ("x,y\n1,0\n2,1\n", {"test_fraction": math.nan}, "test_fraction is nan"),
        ("x,y\n1,0\n2,1\n", {"test_fraction": 0.1}, "leaves a split empty"),
        ("x,y\n1,0\n2,1\n", {"test_fraction": 0.5, "seed": -1}, "seed is -1"),
        ("x,y\n" + "".join(f"name{n},{n % 2}\n" for n in range(MAX_CATEGORIES + 1)), {}, "'name0' in data row 1"),
        ("x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(1500)) + "12o,1\n", {}, "'12o' in data row 1501"),
    ],
)
def test_bad_tables_leave_nothing(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        import_csv(table(tmp_path, text), tmp_path / "d.h5", **options)
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == ["t.csv"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    out = tmp_path / "d.h5"
    with pytest.raises(InputError, match=r"none\.csv not found"):
        import_csv(tmp_path / "none.csv", out)
    with pytest.raises(InputError, match="cannot be read"):
        import_csv(tmp_path, out)
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"x,y\n\xe4,0\nb,1\n")
    with pytest.raises(InputError, match="UTF-8"):
        import_csv(latin, out)
    cut = table(tmp_path, MIXED, "cut.csv.gz")
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cut\.csv\.gz .*[Tt]runcated"):
        import_csv(cut, out)
    assert leftovers(tmp_path) == ["cut.csv.gz", "latin.csv"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Adult table beside the checkout")
def test_adult_imports_with_the_defaults(tmp_path: Path) -> None:
    source = SHARED / "adult" / "adult.csv.gz"
    data = import_csv(source, tmp_path / "adult.h5", label="income", standardise=True)
    assert data.train.features.shape == (48842, 105)
    assert dict(zip(data.class_names, np.bincount(data.train.labels).tolist(), strict=True)) == {
        "<=50K": 37155,
        ">50K": 11687,
    }
    kinds = [column["kind"] for column in data.provenance["columns"]]
    assert (kinds.count("numeric"), kinds.count("categorical")) == (6, 8)
    with gzip.open(source, "rt") as file:  # the same by the plainest means
        header, *rows = [line.rstrip("\n").split(",") for line in file]
    age = np.array([float(row[header.index("age")]) for row in rows])
    np.testing.assert_allclose(data.train.features[:, 0], (age - age.mean()) / age.std(), rtol=1e-5, atol=1e-6)
    assert columns(data)["occupation"]["missing"] == sum(row[header.index("occupation")] == "?" for row in rows)
    private = data.train.features[:, data.feature_names.index("workclass=Private")]
    np.testing.assert_array_equal(private, [row[header.index("workclass")] == "Private" for row in rows])


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Covertype table beside the checkout")
def test_covertype_imports_without_header(tmp_path: Path) -> None:
    data = import_csv(SHARED / "covtype" / "covtype.data.gz", tmp_path / "covtype.h5", header=False)
    assert data.train.features.shape == (581012, 54)
    assert data.class_names == tuple("1234567")
    assert np.bincount(data.train.labels).tolist() == [211840, 283301, 35754, 2747, 9493, 17367, 20510]
