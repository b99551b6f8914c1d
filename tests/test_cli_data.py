"""The commands `capacity data ...`, through the program's own entrance."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from capacity.cli import main
from capacity.data import open_dataset
from tests.data_files import leftovers, write_idx

IMAGES, LABELS = np.arange(24).reshape(4, 2, 3), [0, 1, 2, 1]


class Program:
    """The program `capacity data`, in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Return exit code, stdout, stderr."""
        with pytest.raises(SystemExit) as end:
            main(["data", *map(str, arguments)])
        captured = self._capture.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    def succeed(self, *arguments: str | Path) -> str:
        code, printed, complaint = self.run(*arguments)
        assert (code, complaint) == (0, "")
        return printed

    def refuse(self, *arguments: str | Path) -> str:
        """Run a command that must fail as users see it: exit code 2, one line on stderr, nothing on stdout."""
        code, printed, complaint = self.run(*arguments)
        assert (code, printed) == (2, "")
        assert complaint.startswith("capacity: error: ")
        assert complaint.count("\n") == 1
        return complaint


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_import_idx(program: Program, tmp_path: Path) -> None:
    images, labels = write_idx(tmp_path / "x", IMAGES), write_idx(tmp_path / "y.gz", LABELS)
    out = tmp_path / "d.h5"
    options = ["--test-images", images, "--test-labels", labels, "--name", "four"]
    printed = program.succeed("import", "idx", images, labels, out, *options)
    assert printed == f"wrote {out}: 4 training and 4 test samples, 6 features (uint8), 3 classes\n"
    assert open_dataset(out).name == "four"


def test_import_idx_folder(program: Program, tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", LABELS)
    assert "4 training and no test samples" in program.succeed("import", "idx", tmp_path, tmp_path / "d.h5")


def test_import_csv(program: Program, tmp_path: Path) -> None:
    source, out = tmp_path / "t.csv", tmp_path / "d.h5"
    source.write_text("a,7,1.5\nb,8,?\na,9,2.5\nb,7,3.5\n")
    options = ["--no-header", "--label", "-3", "--missing", "drop", "--standardise", "--name", "abc"]
    printed = program.succeed("import", "csv", source, out, *options)
    assert printed.splitlines() == [
        f"wrote {out}: 3 training and no test samples, 2 features (float32), 2 classes",
        "columns: 2 numeric, 0 categorical; missing values: 0",
    ]
    data = open_dataset(out)
    assert (data.class_names, data.name) == (("a", "b"), "abc")
    np.testing.assert_allclose(data.train.features.mean(axis=0), 0, atol=1e-7)
    program.succeed(
        "import", "csv", source, out, "--no-header", "--label", "0", "--test-fraction", "0.25", "--seed", "5"
    )
    assert open_dataset(out).provenance["options"]["seed"] == 5


def test_import_npz(program: Program, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=IMAGES, b=LABELS, c=IMAGES, d=LABELS)
    names = ["--features", "a", "--labels", "b", "--test-features", "c", "--test-labels", "d", "--scale", "0.5"]
    assert "4 training and 4 test samples" in program.succeed(
        "import", "npz", tmp_path / "a.npz", tmp_path / "d.h5", *names
    )
    assert open_dataset(tmp_path / "d.h5").scale == 0.5


def test_visual_words(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "v.h5"
    printed = program.succeed("visual-words", out, "--samples", "30", "--test-samples", "5", "--seed", "4")
    assert printed == f"wrote {out}: 30 training and 5 test samples, 1000 features (uint8), 1000 classes\n"
    assert "training samples a class: 0 to " in program.succeed("info", out)


def test_info_for_people(program: Program) -> None:
    printed = program.succeed("info", "digits")
    for fact in (
        "1437 training and 360 test samples",
        "64 of uint8, times 0.0625",
        "143   10.0%",
        "Alpaydin",
        "CC BY 4.0",
    ):
        assert fact in printed
    assert open_dataset("digits").digest in printed


def test_info_for_programs(program: Program) -> None:
    found = json.loads(program.succeed("info", "digits", "--json"))
    assert (found["samples"], found["test_samples"], found["inputs"], found["classes"]) == (1437, 360, 64, 10)
    assert (found["dtype"], found["scale"], found["digest"]) == ("uint8", 1 / 16, open_dataset("digits").digest)
    assert sum(found["class_counts"]["train"]) == 1437
    assert sum(found["class_counts"]["test"]) == 360
    assert len(found["feature_names"]) == 64
    assert found["provenance"]["doi"] == "10.24432/C50P49"


def test_errors_are_one_sentence_and_leave_nothing(program: Program, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    out = tmp_path / "d.h5"
    assert "did you mean 'digits'" in program.refuse("info", "digit")
    assert "is not an HDF5 file" in program.refuse("info", tmp_path / "t.csv")
    assert "no column 'z'" in program.refuse("import", "csv", tmp_path / "t.csv", out, "--label", "z")
    assert "is not an IDX file" in program.refuse("import", "idx", tmp_path / "t.csv", tmp_path / "t.csv", out)
    assert "is not an .npz archive" in program.refuse("import", "npz", tmp_path / "t.csv", out)
    assert "will not be replaced" in program.refuse("import", "csv", tmp_path / "t.csv", tmp_path / "t.csv")
    assert "expected at least 1" in program.refuse("visual-words", out, "--samples", "0")
    assert leftovers(tmp_path) == ["t.csv"]


@pytest.mark.parametrize("count", [1, 4])
def test_import_idx_wants_two_or_three_paths(program: Program, count: int) -> None:
    assert "expected IMAGES LABELS OUT.h5" in program.refuse("import", "idx", *["p"] * count)


def test_importing_the_room_loads_no_heavy_library() -> None:
    heavy = {"h5py", "pyarrow", "scipy", "matplotlib"}
    code = f"import capacity.data, capacity.cli.data, sys; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
