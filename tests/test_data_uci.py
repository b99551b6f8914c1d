"""CoverType and Adult in UCI's own layouts: names, classes, splits; the real files where they are."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import import_adult, import_covtype, import_csv
from capacity.data.importers.uci import COVER_TYPES
from capacity.errors import InputError
from tests.data_files import SHARED, leftovers

COUNTS = [211840, 283301, 35754, 2747, 9493, 17367, 20510]  # of the classes, covtype.info


def cover(folder: Path, rows: list[tuple[int, int, int]], name: str = "covtype.data") -> Path:
    """Write rows of (elevation, soil type, class)."""
    lines = []
    for elevation, soil, kind in rows:
        hot = ["1" if place == soil else "0" for place in range(1, 41)]
        lines.append(",".join([str(elevation), *"123456789", "1", "0", "0", "0", *hot, str(kind)]))
    text = "".join(f"{line}\n" for line in lines).encode()
    (folder / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    return folder / name


def test_covtype_has_its_names_and_classes(tmp_path: Path) -> None:
    source = cover(tmp_path, [(2596, 29, 5), (2000, 1, 2), (2298, 40, 5)], "covtype.data.gz")
    data = import_covtype(source, tmp_path / "d.h5")
    assert data.class_names == COVER_TYPES
    assert data.train.labels.tolist() == [4, 1, 4]
    assert len(data.feature_names) == 54
    assert data.feature_names[:2] == ("Elevation", "Aspect")
    assert data.feature_names[9:14] == (
        "Horizontal_Distance_To_Fire_Points", "Wilderness_Area=Rawah", "Wilderness_Area=Neota",
        "Wilderness_Area=Comanche Peak", "Wilderness_Area=Cache la Poudre",
    )  # fmt: skip
    assert data.feature_names[-1] == "Soil_Type=40"
    np.testing.assert_array_equal(data.train.features[:, 0], [2596, 2000, 2298])
    assert data.train.features[1, data.feature_names.index("Soil_Type=1")] == 1
    assert data.train.features.sum() == 2596 + 2000 + 2298 + 3 * (45 + 1 + 1)
    assert data.provenance["importer"] == "covtype"
    assert data.provenance["options"]["split"] == "UCI"
    assert data.test is None


def test_covtype_is_split_as_uci_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.importers.uci._COVTYPE_TRAINING", 3)
    source = cover(tmp_path, [(row, 1, 1 + row % 3) for row in range(1, 9)])
    data = import_covtype(source, tmp_path / "d.h5", standardise=True)
    assert data.test is not None
    np.testing.assert_allclose(data.train.features[:, 0], (np.array([1, 2, 3]) - 2) / np.sqrt(2 / 3), rtol=1e-6)
    np.testing.assert_allclose(data.test.features[:, 0], (np.arange(4, 9) - 2) / np.sqrt(2 / 3), rtol=1e-6)
    assert data.test.labels.tolist() == [1, 2, 0, 1, 2]
    drawn = import_covtype(source, tmp_path / "d.h5", test_fraction=0.25, seed=1)
    assert drawn.test is not None
    assert (len(drawn.train.labels), len(drawn.test.labels)) == (6, 2)
    assert drawn.provenance["options"] == {
        "label": "Cover_Type", "split": "drawn", "missing": "error", "standardise": False,
        "test_fraction": 0.25, "seed": 1,
    }  # fmt: skip
    assert import_covtype(source, tmp_path / "d.h5", test_fraction=0).test is None


HEAD = "age,workclass,fnlwgt,education,educational-num,marital-status,occupation,relationship,race,gender,capital-gain,"
HEAD += "capital-loss,hours-per-week,native-country,income\n"


def person(age: int, work: str, income: str, *, gap: str = ", ") -> str:
    cells = [age, work, 1, "HS-grad", 9, "Divorced", "Sales", "Unmarried", "White", "Male", 0, 0, 40, "Peru", income]
    return gap.join(map(str, cells)) + "\n"


def adult_folder(place: Path) -> Path:
    folder = place / "adult"
    folder.mkdir()
    train = person(39, "State-gov", "<=50K") + person(50, "?", ">50K") + person(31, "Private", ">50K") + "\n"
    (folder / "adult.data").write_text(train)
    test = "|1x3 Cross validator\n" + person(25, "Private", "<=50K.") + person(28, "Local-gov", ">50K.") + "\n"
    (folder / "adult.test.gz").write_bytes(gzip.compress(test.encode()))
    (folder / "adult.names").write_text("| comments\n>50K, <=50K.\n")
    return folder


def test_adult_has_its_names_classes_and_split(tmp_path: Path) -> None:
    data = import_adult(adult_folder(tmp_path), tmp_path / "d.h5")
    assert data.feature_names == (
        "age", "workclass=Local-gov", "workclass=Private", "workclass=State-gov", "fnlwgt", "education=HS-grad",
        "education-num", "marital-status=Divorced", "occupation=Sales", "relationship=Unmarried", "race=White",
        "sex=Male", "capital-gain", "capital-loss", "hours-per-week", "native-country=Peru",
    )  # fmt: skip
    assert data.class_names == ("<=50K", ">50K")
    rest = [1, 1, 9, 1, 1, 1, 1, 1, 0, 0, 40, 1]
    np.testing.assert_array_equal(
        data.train.features, [[39, 0, 0, 1, *rest], [50, 0, 0, 0, *rest], [31, 0, 1, 0, *rest]]
    )
    assert data.test is not None
    np.testing.assert_array_equal(data.test.features, [[25, 0, 1, 0, *rest], [28, 1, 0, 0, *rest]])
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 1], [0, 1])
    assert [source["file"] for source in data.provenance["sources"]] == ["adult.data", "adult.test.gz"]
    complete = import_adult(tmp_path / "adult", tmp_path / "d.h5", missing="drop")
    assert (complete.train.labels.tolist(), complete.test.labels.tolist()) == ([0, 1], [0, 1])


def test_adult_drawn_from_both_files_or_from_one(tmp_path: Path) -> None:
    folder = adult_folder(tmp_path)
    data = import_adult(folder, tmp_path / "d.h5", test_fraction=0.4, seed=3)
    assert data.test is not None
    assert sorted([*data.train.features[:, 0], *data.test.features[:, 0]]) == [25, 28, 31, 39, 50]
    assert import_adult(folder, tmp_path / "d.h5", test_fraction=0).test is None
    alone = import_adult(folder / "adult.test.gz", tmp_path / "d.h5")
    assert (alone.train.labels.tolist(), alone.test) == ([0, 1], None)


def test_adult_merged_with_a_header(tmp_path: Path) -> None:
    source = tmp_path / "adult.csv"
    source.write_text(HEAD + person(39, "Private", "<=50K", gap=",") + person(50, "?", ">50K", gap=","))
    data = import_adult(source, tmp_path / "d.h5")
    same = import_csv(source, tmp_path / "c.h5", label="income")
    assert data.digest == same.digest
    assert "gender=Male" in data.feature_names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            person(1, "a", "<=50K") + person(1, "a", "maybe"),
            "label column 'income' holds 'maybe': expected one of <=50K",
        ),
        (person(1, "a", "<=50K") + "1, 2\n", "Expected 15 columns, got 2"),
        (person(1, "a", "0") + person(1, "a", "1"), "label column 'income' holds '0': expected one of"),
        ("|1x3 Cross validator\n", "has no data rows"),
        ("", "Empty CSV"),
    ],
)
def test_what_is_not_adult_leaves_nothing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "adult.data").write_text(text)
    with pytest.raises(InputError, match=message):
        import_adult(tmp_path / "adult.data", tmp_path / "d.h5")
    with pytest.raises(InputError, match=r"lacks adult\.data or adult\.test"):
        import_adult(tmp_path, tmp_path / "d.h5")
    assert leftovers(tmp_path) == ["adult.data"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, 1, 8), (1, 1, 1)], "label column 'Cover_Type' holds '8': expected one of 1, 2, 3, 4, 5, 6, 7"),
        ([(1, 1, 1), (1, 1, "x")], "label column 'Cover_Type' holds 'x': expected one of"),
        ([(1, 1, 2), (1, 1, 2)], "all of class 1"),
    ],
)
def test_what_is_not_covtype_leaves_nothing(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_covtype(cover(tmp_path, rows), tmp_path / "d.h5")
    assert leftovers(tmp_path) == ["covtype.data"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Adult table beside the checkout")
def test_the_real_adult(tmp_path: Path) -> None:
    data = import_adult(SHARED / "adult" / "adult.csv.gz", tmp_path / "d.h5")
    assert np.bincount(data.train.labels).tolist() == [37155, 11687]
    assert data.train.features.shape == (48842, 105)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Covertype table beside the checkout")
def test_the_real_covtype(tmp_path: Path) -> None:
    data = import_covtype(SHARED / "covtype" / "covtype.data.gz", tmp_path / "d.h5")
    assert data.test is not None
    assert (len(data.train.labels), len(data.test.labels)) == (15120, 565892)
    assert np.bincount(data.train.labels).tolist() == [2160] * 7  # 1620 for training and 540 for validation of each
    assert np.bincount(data.test.labels).tolist() == [count - 2160 for count in COUNTS]
    assert set(data.train.features[:, 10:].sum(axis=1)) == {2.0}  # one wilderness area, one type of soil
