"""What is shipped: the sdist builds the wheel, and both the wheel and an editable install run a trial from elsewhere.

Builds and installs use the packages of the environment that runs the tests, so nothing is downloaded.
"""

from __future__ import annotations

import email.message
import email.parser
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import capacity
from capacity.engine.cuda.text import KERNELS, kernel_text

ROOT = Path(__file__).parent.parent
ROOMS = ("bench", "capacity", "csrc", "docs", "examples", "tests")
TOP_LEVEL = {
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md",
    "pyproject.toml", "setup.cfg", "setup.py",
}  # fmt: skip
BUILT = ("*.so", "*.egg-info", "__pycache__", "*.py[cod]", ".*")

# One worker of pytest-xdist takes them all (--dist loadgroup), so that they share what is built.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout without anything built, as a fresh clone would be."""
    folder = tmp_path_factory.mktemp("source")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns(*BUILT))
    for name in TOP_LEVEL - {"PKG-INFO", "setup.cfg"}:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sdist of the copy."""
    out = tmp_path_factory.mktemp("sdist")
    build = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
    _run([sys.executable, "-c", build, str(out)], source)
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the unpacked sdist."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    return folder / f"capacity_nn-{capacity.__version__}"


@pytest.fixture(scope="session")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel built from the unpacked sdist."""
    out = tmp_path_factory.mktemp("wheel")
    pip_wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    _run([*pip_wheel, "-w", str(out), str(unpacked)], out)
    (path,) = out.iterdir()
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return a virtual environment that has the dependencies, but not this package."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched, but the .pth files in it are not read: so an editable install of this
    # package in the environment of the tests stays out.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    return folder


def test_sdist_has_every_source_and_nothing_built(source: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    rooms = {str(path.relative_to(source)) for room in ROOMS for path in (source / room).rglob("*") if path.is_file()}
    assert any(name.endswith(".pyx") for name in rooms)
    assert {name for name in names if ".egg-info/" not in name} == rooms | TOP_LEVEL


def test_wheel_has_the_package_and_nothing_else(source: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = [path for path in (source / "capacity").rglob("*") if path.suffix in {".py", ".pyi", ".h5", ".typed"}]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    modules = {f"capacity/{name}{suffix}" for name in ("data/_rows", "engine/_blas", "engine/_cpu")}
    texts = {
        f"capacity/_{path.relative_to(source)}" for room in ("common", "cuda") for path in source.glob(f"csrc/{room}/*")
    }
    assert "capacity/data/digits.h5" in names
    assert "capacity/py.typed" in names
    assert "capacity/_csrc/cuda/dense.cu" in names
    assert names == {str(path.relative_to(source)) for path in package} | modules | texts


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata: email.message.Message = email.parser.Parser().parsestr(archive.read(path).decode())
        assert f"{Path(path).parent}/licenses/LICENSE" in archive.namelist()
    assert (metadata["Name"], metadata["Version"]) == ("capacity-nn", capacity.__version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.10")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_wheel_runs_a_trial_and_finds_the_texts(wheel: Path, environment: Path, tmp_path: Path) -> None:
    _pip_install(environment, str(wheel))
    package = _run_a_trial(environment, tmp_path).parent
    assert environment in package.parents
    assert _find_texts(environment, tmp_path) == package / "_csrc"


def test_editable_install_runs_a_trial_and_finds_the_texts(
    unpacked: Path, wheel: Path, environment: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:  # built once is enough: what is younger than its sources is left alone
        archive.extractall(unpacked, [name for name in archive.namelist() if name.endswith(".so")])
    for built in unpacked.rglob("*.so"):
        os.utime(built)
    _pip_install(environment, "--no-build-isolation", "-e", str(unpacked))
    assert _run_a_trial(environment, tmp_path) == unpacked / "capacity" / "__init__.py"
    assert _find_texts(environment, tmp_path) == unpacked / "csrc"


def _pip_install(environment: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    _run([*pip, "install", "-q", "--no-deps", "--no-index", *what], environment)


def _run_a_trial(environment: Path, folder: Path) -> Path:
    """Run a sweep of one trial with the native kernels in `folder`; return the file of the package that was used."""
    command = "sweep digits --widths 2 --lrs 0.1 --seeds 1 --epochs 1 --device cpu --out study --quiet"
    _run([str(environment / "bin" / "capacity"), *command.split()], folder)
    assert len(list(folder.glob("study/trials/*.h5"))) == 1
    where = "import capacity; print(capacity.__file__)"
    return Path(_run([str(environment / "bin" / "python"), "-c", where], folder).strip())


def _find_texts(environment: Path, folder: Path) -> Path:
    """Let the installed package put together the kernels' texts, as here; return the folder where it found them."""
    program = """
from capacity.engine.cuda.text import FOLDER, KERNELS, kernel_text
print(FOLDER)
print(*(kernel_text(op, "float32") for op in KERNELS))
"""
    found, _, texts = _run([str(environment / "bin" / "python"), "-c", program], folder).partition("\n")
    assert texts.rstrip() == " ".join(kernel_text(op, "float32") for op in KERNELS).rstrip()
    return Path(found)


def _run(command: list[str], folder: Path) -> str:
    """Run `command` in `folder`, away from this checkout, and return its output."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_"))}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
