"""`capacity data import ilsvrc2010` and `capacity data import images`, through the program's own entrance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capacity.cli.stderr import python_alone_on_stderr
from capacity.data import open_dataset
from tests.data_files import leftovers
from tests.ilsvrc2010_files import wnid_of, write_kit, write_sbow
from tests.image_files import write_textures
from tests.test_cli_data import Program, program

__all__ = ["program"]  # the fixture


def test_ilsvrc2010(program: Program, tmp_path: Path) -> None:
    kit, features, out = write_kit(tmp_path / "k", [3]), tmp_path / "f", tmp_path / "out.h5"
    for number in (1, 2):
        wnid = wnid_of(number)
        write_sbow(features / "train" / f"{wnid}.sbow.mat", {f"{wnid}_{i}": [i] for i in range(3)})
    write_sbow(features / "val" / "val.0001.sbow.mat", {"ILSVRC2010_val_00000001": [999]})
    printed = program.succeed("import", "ilsvrc2010", features, out, "--devkit", kit, "--name", "words")
    assert printed == (
        f"wrote {out}: 6 training and 1 test samples, 1000 features (uint8), 1000 classes\n"
        "note: the development kit counts 3000 training images\n"
    )
    assert open_dataset(out).name == "words"
    assert "--devkit" in program.refuse("import", "ilsvrc2010", features, out)
    assert "is not a folder" in program.refuse("import", "ilsvrc2010", tmp_path / "no", out, "--devkit", kit)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'capacity-nn[images]'")
    return write_textures(tmp_path / "photos", each=4)


def test_words_of_photographs(program: Program, tmp_path: Path, photos: Path) -> None:
    out, vocabulary = tmp_path / "out.h5", tmp_path / "out.vocabulary.npz"
    (photos / "a" / "notes.txt").write_text("mine", encoding="utf-8")
    arguments = ["import", "images", photos, out, "--words", "6", "--test-fraction", "0.25", "--seed", "3"]
    printed = program.succeed(*arguments).splitlines()
    learnt = open_dataset(out)
    assert (
        printed[0] == f"wrote {vocabulary}: 6 words from {learnt.provenance['vocabulary']['descriptors']} descriptors"
    )
    assert printed[1] == f"wrote {out}: 6 training and 2 test samples, 6 features (uint8), 2 classes"
    assert printed[2] == "skipped files: 1 (no images by their names)"
    program.succeed("import", "images", photos, tmp_path / "b.h5", "--vocabulary", vocabulary, *arguments[6:])
    assert open_dataset(tmp_path / "b.h5").digest == learnt.digest
    assert leftovers(tmp_path) == ["b.h5", "out.h5", "out.vocabulary.npz", "photos"]


def test_pixels_of_photographs(program: Program, tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "out.h5"
    program.succeed("import", "images", photos, out, "--features", "pixels", "--size", "3", "--colour")
    assert open_dataset(out).inputs == 27
    program.succeed("import", "images", photos, out, "--features", "pixels")
    assert open_dataset(out).inputs == 32 * 32
    assert "size is 0" in program.refuse("import", "images", photos, out, "--features", "pixels", "--size", "0")
    assert "words is 0" in program.refuse("import", "images", photos, out, "--words", "0")


def test_options_that_do_not_go_together(program: Program, tmp_path: Path) -> None:
    def refused(*options: str) -> str:
        return program.refuse("import", "images", tmp_path, tmp_path / "out.h5", *options)

    assert "belong to --features sift-bow" in refused("--features", "pixels", "--words", "5")
    assert "belong to --features pixels" in refused("--size", "5")
    assert "expected one of them" in refused("--words", "5", "--vocabulary", "v.npz")


def test_without_opencv(program: Program, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "pip install 'capacity-nn[images]'" in program.refuse("import", "images", photos, tmp_path / "out.h5")
    assert leftovers(tmp_path) == ["photos"]


def test_what_libraries_write_to_stderr_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with python_alone_on_stderr():
            os.write(2, b"libtiff: no\n")
            print("progress", file=sys.stderr)
            raise ValueError("x")

    before = sys.stderr
    with pytest.raises(ValueError, match="x"):
        fail()
    os.write(2, b"again\n")
    assert sys.stderr is before
    assert capfd.readouterr().err in ("progress\nagain\n", "again\nprogress\n")  # pytest's own stderr comes late


def test_a_closed_stderr_is_no_obstacle() -> None:
    program = """
import os, sys
os.close(2)
sys.stderr = None
from capacity.cli.stderr import python_alone_on_stderr
with python_alone_on_stderr():
    print("done")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "done\n")
