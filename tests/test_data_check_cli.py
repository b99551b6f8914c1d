"""The command `capacity data check`, through the program's own entrance."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from capacity.cli import data_progress
from capacity.data import open_dataset, save_dataset
from tests.data_files import write_hdf5
from tests.test_cli_data import Program


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def spoilt(path: Path) -> Path:
    """Make a file with every problem at once."""
    x = np.random.default_rng(0).integers(1, 99, (40, 8)).astype(np.float64)
    x[:, 6] = x[:, 1]
    x[3] = 0
    x[10] = x[11] = x[12]
    x[20, 4], x[21, 5] = np.nan, np.inf
    y = np.zeros(40)
    y[10], y[30], y[31], y[32] = 1, 0.5, -1, 7
    arrays = {"train/features": x.astype(">f8"), "train/labels": y, "test/features": x[12:14], "test/labels": [0, 2]}
    return write_hdf5(path, arrays, classes=4, scale=-1.0, digest="0" * 64, provenance="[")


def test_for_people(program: Program) -> None:
    code, printed, complaint = program.run("check", "digits")
    assert (code, complaint) == (0, "")
    lines = printed.splitlines()
    assert "train     1,437 samples, 64 features, contiguous uint8" in lines
    assert "  values  0 to 16, times 0.0625 when used" in lines
    assert "  labels  0 to 9 (int32), 10 of 10 classes in use" in lines
    assert "          3      146   10.2%" in lines
    assert "  rows    1,437 different" in lines
    assert f"digest    {open_dataset('digits').digest}, agrees with the content" in lines
    assert lines[-1] == "Usable: nothing was found that stands against these data."
    assert any(
        line.startswith("note     3 features are constant in training (column 0 ('pixel 0,0')") for line in lines
    )
    assert max(map(len, lines)) <= 120


def test_every_problem_at_once(program: Program, tmp_path: Path) -> None:
    code, printed, complaint = program.run("check", spoilt(tmp_path / "d.h5"))
    assert (code, complaint) == (2, "")
    levels = [line.split()[0] for line in printed.splitlines() if line.startswith(("error", "warning", "note"))]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert set(levels) == {"error", "warning", "note"}
    assert printed.splitlines()[-1] == "Not usable: 5 errors and 7 warnings; correct the errors before training."


def test_for_programs(program: Program, tmp_path: Path) -> None:
    code, printed, _ = program.run("check", spoilt(tmp_path / "d.h5"), "--json")
    found = json.loads(printed)
    assert code == 2
    assert (found["verdict"], found["usable"]) == ("errors", False)
    assert {(finding["level"], finding["kind"], finding["split"]) for finding in found["findings"]} == {
        ("error", "header", None),
        ("error", "labels", "train"),
        ("error", "nan", "train"),
        ("error", "infinity", "train"),
        ("warning", "absent classes", "train"),
        ("warning", "untaught classes", "test"),
        ("warning", "imbalance", "train"),
        ("warning", "zero rows", "train"),
        ("warning", "contradictions", "train"),
        ("warning", "duplicate rows", "train"),
        ("warning", "leakage", "test"),
        ("note", "duplicate features", "train"),
    }
    train = found["train"]
    assert train["nan"] == {"count": 1, "first": [[20, 4]]}
    assert train["infinite"] == {"count": 1, "first": [[21, 5]]}
    assert train["zero_rows"] == {"count": 1, "first": [[3]]}
    assert train["storage"]["dtype"] == "big-endian float64"
    assert train["duplicates"]["first"] == [[10, 11], [10, 12]]
    assert train["duplicates"]["fittable"] == 39
    assert found["duplicate_features"] == [[1, 6]]
    assert found["leakage"] == {"rows": 2, "same_label": 1, "other_label": 1, "first": [[0, 10], [1, 13]]}
    wrong = found["labels"]["train"]["wrong"]
    assert {item["kind"]: item["first"] for item in wrong} == {
        "fractional": [[30, "0.5"]],
        "negative": [[31, "-1.0"]],
        "too large": [[32, "7.0"]],
    }
    assert (found["stored_digest"], found["digest"], found["validated"]) == ("0" * 64, "", False)


def test_the_schema_is_the_same_for_good_and_bad_files(program: Program, tmp_path: Path) -> None:
    good = json.loads(program.succeed("check", "digits", "--json"))
    _, printed, _ = program.run("check", spoilt(tmp_path / "d.h5"), "--json")
    bad = json.loads(printed)
    assert list(good) == list(bad)
    assert list(good["train"]) == list(bad["train"])
    assert list(good["train"]["duplicates"]) == list(bad["train"]["duplicates"])


def test_warnings_do_not_stop_a_training(program: Program, tmp_path: Path) -> None:
    x = np.arange(200, dtype=np.uint8)[:, None] // 2 + 1
    save_dataset(tmp_path / "d.h5", x, np.arange(200) % 2)
    printed = program.succeed("check", tmp_path / "d.h5")
    assert "  rows    100 different, 200 contradictory; 100 can be fitted" in printed
    assert printed.splitlines()[-1].startswith("Usable, with 2 warnings: ")


def test_a_digest_of_other_content(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    save_dataset(path, np.arange(8)[:, None], [0, 1] * 4)
    with h5py.File(path, "r+") as file:
        file["train/labels"][0] = 1
    code, printed, _ = program.run("check", path)
    assert code == 2
    assert "which is not that of the content" in printed
    assert "it is damaged or was changed by hand" in " ".join(printed.split())


def test_what_is_no_file_of_ours(program: Program, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n")
    assert "is not an HDF5 file" in program.refuse("check", tmp_path / "t.csv")
    assert "did you mean 'digits'" in program.refuse("check", "digit")


def test_progress_goes_to_stderr(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_progress, "LINE_SECONDS", 0)
    code, _, complaint = program.run("check", "digits", "--json")
    assert code == 0
    assert complaint.splitlines()[-1].startswith("checking: 100%")
