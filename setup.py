"""The native extensions; all else is in pyproject.toml.

CAPACITY_DEBUG=1 builds without optimisation, with assertions and with the address and undefined-behaviour sanitizers
(run it through .ci/sanitize, which preloads their runtime).
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pybind11
from Cython.Build import cythonize
from pybind11.setup_helpers import ParallelCompile
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("CAPACITY_DEBUG", "0") == "1"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# -fno-trapping-math and -fno-math-errno let loops be vectorised; unlike -ffast-math they leave NaN and infinity alone.
FLAGS = ["-std=c++17", "-fvisibility=hidden", "-Wall", "-Wextra", "-fno-math-errno", "-fno-trapping-math", "-g0"]
FLAGS += ["-O1", "-g", "-D_GLIBCXX_ASSERTIONS", "-fno-omit-frame-pointer", *SANITIZE] if DEBUG else ["-O3", "-DNDEBUG"]

X86_PATHS = {
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2", "-mfma"],
}
PATHS = X86_PATHS if platform.machine().lower() in ("x86_64", "amd64") else {}

# Compiled once per path; everything else once.
COMMON_SOURCES = ["csrc/cpu/module.cpp", "csrc/cpu/path.cpp", "csrc/cpu/program.cpp"]
KERNEL_SOURCES = sorted(
    str(path) for path in Path("csrc/cpu").glob("*.cpp") if str(path).replace(os.sep, "/") not in COMMON_SOURCES
)


class BuildKernels(build_ext):
    """Compiles the kernels of every path into the extension, and uses OpenMP where the compiler has it."""

    def build_extension(self, ext):
        if ext.name == "capacity.engine._cpu":
            openmp = self.openmp_flags()
            ext.extra_compile_args += openmp
            ext.extra_link_args += openmp
            for path, flags in PATHS.items():
                ext.extra_objects += self.compiler.compile(
                    KERNEL_SOURCES,
                    output_dir=os.path.join(self.build_temp, path),
                    macros=[("CAP_PATH", path)],
                    include_dirs=ext.include_dirs,
                    extra_postargs=[*FLAGS, *flags],
                    depends=ext.depends,
                )
        super().build_extension(ext)

    def openmp_flags(self):
        """Return the flag for OpenMP, or one that ignores it where a program that needs it does not build."""
        if DEBUG or os.environ.get("CAPACITY_OPENMP") == "0":
            return ["-Wno-unknown-pragmas"]  # sanitizers do not know libgomp's barriers
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.cpp")
            source.write_text("#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n")
            command = [*self.compiler.compiler_so_cxx, str(source), "-fopenmp", "-o", str(Path(folder, "probe"))]
            found = subprocess.run(command, capture_output=True, check=False).returncode == 0
        if not found:
            print("capacity: no OpenMP: the kernels will run on one thread", file=sys.stderr)
        return ["-fopenmp"] if found else ["-Wno-unknown-pragmas"]


link = SANITIZE if DEBUG else []
extensions = [
    Extension(
        "capacity.engine._cpu",
        COMMON_SOURCES + KERNEL_SOURCES,
        include_dirs=[pybind11.get_include()],
        define_macros=[(f"CAP_HAVE_{path.upper()}", "1") for path in PATHS],
        depends=[str(p) for folder in ("csrc/cpu", "csrc/common") for p in sorted(Path(folder).glob("*.h*"))],
        extra_compile_args=[*FLAGS],
        extra_link_args=[*link],
        language="c++",
    ),
    *cythonize(
        [Extension("capacity.engine._blas", ["capacity/engine/_blas.pyx"])],
        build_dir="build/cython",
        language_level=3,
    ),
]

ParallelCompile().install()  # a file per core
setup(ext_modules=extensions, cmdclass={"build_ext": BuildKernels})
