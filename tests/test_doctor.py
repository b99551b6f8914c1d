"""`capacity doctor`: what it finds, and what it says of what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import capacity
from capacity.cli import main
from capacity.engine import _cpu
from capacity.engine.machine import usable_cores
from tests import fake_cuda
from tests.fake_cuda import machine
from tests.study_cases import tiny_data

THREADS = "OPENBLAS_NUM_THREADS"


def doctor(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what `capacity doctor` prints; it must succeed whatever is missing."""
    with pytest.raises(SystemExit) as end:
        main(["doctor", *options])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return str(out)


def lines(text: str) -> dict[str, str]:
    return {line[:13].strip(): line[13:] for line in text.splitlines()}


def test_what_is_always_there(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(doctor(capsys, "--json"))
    assert facts["capacity"] == capacity.__version__
    assert facts["libraries"]["numpy"] == numpy.__version__
    assert facts["cores"] == usable_cores()
    assert facts["cpu"]["usable"]
    assert facts["cpu"]["simd"] == _cpu.current_path()
    assert facts["cpu"]["simd_supported"] == _cpu.supported_paths()
    assert facts["cpu"]["bf16"] == (_cpu.why_no_bf16() is None)
    assert {"name", "version", "threads"} == set(facts["cpu"]["blas"][0])


def test_it_says_why_the_processor_has_no_bf16(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for why, said in ((None, "can be used"), ("this processor lacks AVX512_BF16",) * 2):
        monkeypatch.setattr(_cpu, "why_no_bf16", lambda why=why: why)
        line = lines(doctor(capsys))["bf16"]
        assert line == said if why is None else line == f"cannot be used: {said}"


def test_a_forced_instruction_set_and_threads_of_blas_are_seen() -> None:
    command = [sys.executable, "-c", "from capacity.cli import main; main(['doctor', '--json'])"]
    forced = os.environ | {"CAPACITY_SIMD": "portable", THREADS: "1"}
    facts = json.loads(subprocess.run(command, env=forced, capture_output=True, check=True).stdout)
    assert facts["cpu"]["simd"] == "portable"
    assert {blas["threads"] for blas in facts["cpu"]["blas"] if blas["name"] == "openblas"} <= {1}


def test_without_the_cpu_kernels_it_still_answers() -> None:
    code = "import sys; sys.modules['capacity.engine._cpu'] = None; from capacity.cli import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)["device cpu"].startswith("cannot be used: the CPU kernels cannot be loaded (")
    assert "reinstall the package" in lines(done.stdout)["device cpu"]


class TestOnAMadeUpMachine:
    pytestmark = fake_cuda.possible

    def test_with_gpus(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        settings = {"FAKE_CUDA_GPUS": "NVIDIA H200|9|0|140;Tesla P100|6|0|16", "FAKE_CUPY_FREE": str(3 << 29)}
        with machine(tmp_path, **settings):
            told, facts = lines(doctor(capsys)), json.loads(doctor(capsys, "--json"))
        assert told["device cuda"] == "can be used"
        assert told["driver"] == "supports CUDA 12.9"
        assert told["CuPy"] == "cupy-cuda12x 14.2.0"
        assert told["device auto"] == "is cuda"
        assert told["GPU"] == "Tesla P100 (sm_60), 16.0 GiB, 1.5 GiB free"
        assert facts["auto"] == "cuda"
        assert facts["cuda"] == {
            "usable": True,
            "driver": "12.9",
            "gpus": [
                {"name": "NVIDIA H200", "architecture": "sm_90", "memory": 140 << 30, "free": 3 << 29},
                {"name": "Tesla P100", "architecture": "sm_60", "memory": 16 << 30, "free": (3 << 29) - 1},
            ],
            "cupy": {"cupy-cuda12x": "14.2.0"},
        }

    def test_without_cupy(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with machine(tmp_path, packages=()):
            told, facts = lines(doctor(capsys)), json.loads(doctor(capsys, "--json"))
        assert told["device cuda"] == "cannot be used: CuPy is not installed"
        assert told["remedy"] == "install it with pip install 'capacity-nn[cuda12]'"
        assert told["GPU"] == "NVIDIA H200 (sm_90), 140.0 GiB"
        assert told["CuPy"].startswith("not installed (pip install ")
        assert told["device auto"] == "is cpu"
        assert facts["cuda"]["reason"] == "CuPy is not installed"
        assert facts["cuda"]["remedy"] == told["remedy"]

    @pytest.mark.parametrize("args", [["sweep"], ["sweep", "--quiet", "--json"]])
    def test_a_sweep_says_the_same_in_one_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, args: list[str]
    ) -> None:
        studies = tmp_path / "studies"
        studies.mkdir()
        monkeypatch.chdir(studies)
        with machine(tmp_path, packages=()), pytest.raises(SystemExit) as end:
            main([*args, "--device", "cuda"])
        out, err = capsys.readouterr()
        assert (end.value.code, out) == (2, "")
        assert err == (
            "capacity: error: device 'cuda' cannot be used: CuPy is not installed; "
            "install it with pip install 'capacity-nn[cuda12]', or use device 'cpu'\n"
        )
        assert list(studies.iterdir()) == [], "something was left behind"

    def test_auto_is_the_gpu_where_there_is_one_and_the_command_line_says_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data, study = tiny_data(tmp_path), tmp_path / "study"
        with fake_cuda.gpu(tmp_path), pytest.raises(SystemExit) as end:
            main(
                [
                    "sweep",
                    str(data),
                    "--widths",
                    "2",
                    "--lrs",
                    "0.5",
                    "--epochs",
                    "2",
                    "--seeds",
                    "2",
                    "--out",
                    str(study),
                ]
            )
        err = capsys.readouterr().err
        assert not end.value.code, err
        assert "device cuda;" in err
        assert {row["outcome"] for row in capacity.open_study(study).rows()} == {"step_limit"}


def test_import_does_not_look_for_a_gpu() -> None:
    """Asking the driver takes time, and would make a context in every process."""
    code = "import sys, capacity, capacity.cli, capacity.engine.devices; print([m for m in sys.modules if 'cupy' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
