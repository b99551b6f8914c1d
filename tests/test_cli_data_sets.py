"""The commands `capacity data import cifar10`, `cifar100`, `covtype`, `adult`, `parquet` and `text`."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from capacity.data import open_dataset
from tests.data_files import leftovers
from tests.test_cli_data import Program
from tests.test_data_cifar import folder, hundred_binary, ten_python
from tests.test_data_uci import adult_folder, cover


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_cifar(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "d.h5"
    printed = program.succeed("import", "cifar10", folder(tmp_path, ten_python(), "ten"), out, "--name", "ten")
    assert printed == f"wrote {out}: 12 training and 2 test samples, 3072 features (uint8), 10 classes\n"
    assert open_dataset(out).name == "ten"
    hundred = folder(tmp_path, hundred_binary(), "hundred")
    assert "100 classes" in program.succeed("import", "cifar100", hundred, out)
    assert "20 classes" in program.succeed("import", "cifar100", hundred, out, "--labels", "coarse")


def test_covtype(program: Program, tmp_path: Path) -> None:
    source, out = cover(tmp_path, [(row, 1, 1 + row % 3) for row in range(8)]), tmp_path / "d.h5"
    assert "8 training and no test samples, 54 features" in program.succeed("import", "covtype", source, out)
    options = ["--test-fraction", "0.25", "--seed", "3", "--standardise"]
    assert "6 training and 2 test samples" in program.succeed("import", "covtype", source, out, *options)
    assert open_dataset(out).provenance["options"]["seed"] == 3


def test_adult(program: Program, tmp_path: Path) -> None:
    source, out = adult_folder(tmp_path), tmp_path / "d.h5"
    assert program.succeed("import", "adult", source, out).splitlines() == [
        f"wrote {out}: 3 training and 2 test samples, 16 features (float32), 2 classes",
        "columns: 6 numeric, 8 categorical; missing values: 1",
    ]
    assert "2 training and 2 test samples" in program.succeed("import", "adult", source, out, "--missing", "drop")


def test_parquet(program: Program, tmp_path: Path) -> None:
    source, out = tmp_path / "t.parquet", tmp_path / "d.h5"
    parquet.write_table(pa.table({"y": ["a", "b", "a"], "x": [1.0, None, 3.0]}), source)
    assert program.succeed("import", "parquet", source, out, "--label", "y", "--standardise").splitlines() == [
        f"wrote {out}: 3 training and no test samples, 1 features (float32), 2 classes",
        "columns: 1 numeric, 0 categorical; missing values: 1",
    ]
    np.testing.assert_array_equal(open_dataset(out).train.features, [[-1], [0], [1]])


def test_text(program: Program, tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("to be or not ")
    (tmp_path / "2.txt").write_text("to be, that is the question")
    out = tmp_path / "d.h5"
    files = [tmp_path / "1.txt", tmp_path / "2.txt", out]
    printed = program.succeed("import", "text", *files, "--unit", "char", "--context", "5", "--test-fraction", "0.25")
    assert printed == f"wrote {out}: 5 training and 1 test samples, 5 features (uint8), 14 classes\n"
    options = ["--unit", "word", "--context", "2", "--test-fraction", "0", "--vocabulary-size", "2"]
    assert "5 training and no test samples, 2 features (uint8), 3 classes" in program.succeed(
        "import", "text", *files, *options
    )
    assert open_dataset(out).class_names == ("be", "to", "<unk>")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("made-by-a-pickle",)


def test_errors_are_one_sentence_and_leave_nothing(
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = folder(tmp_path, ten_python() | {"test_batch": pickle.dumps(Evil())}, "ten")
    out = tmp_path / "d.h5"
    assert "nothing else in a pickle is executed" in program.refuse("import", "cifar10", source, out)
    assert "no file train" in program.refuse("import", "cifar100", source, out)
    assert "not found" in program.refuse("import", "covtype", tmp_path / "none", out)
    assert "lacks adult.data" in program.refuse("import", "adult", tmp_path, out)
    assert "is not a Parquet table" in program.refuse("import", "parquet", source / "test_batch", out, "--label", "y")
    assert "--label" in program.refuse("import", "parquet", source / "test_batch", out)
    assert "is not UTF-8" in program.refuse("import", "text", source / "test_batch", out, "--unit", "char")
    assert "expected FILE... OUT.h5" in program.refuse("import", "text", out, "--unit", "char")
    assert leftovers(tmp_path) == ["ten"]
