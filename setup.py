"""The native extensions; all else is in pyproject.toml.

CAPACITY_DEBUG=1 builds without optimisation, with assertions and with the address and undefined-behaviour sanitizers
(run it through .ci/sanitize, which preloads their runtime).
CAPACITY_CUDA=1 adds the products on tensor cores, capacity._cuda, which need nvcc.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import pybind11
from Cython.Build import cythonize
from pybind11.setup_helpers import ParallelCompile
from setuptools import Extension, find_namespace_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError
from setuptools.modified import newer_group

DEBUG = os.environ.get("CAPACITY_DEBUG", "0") == "1"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# -fno-trapping-math and -fno-math-errno let loops be vectorised; unlike -ffast-math they leave NaN and infinity alone.
FLAGS = [
    "-std=c++17",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-pthread",
    "-g0",
]
FLAGS += ["-O1", "-g", "-D_GLIBCXX_ASSERTIONS", "-fno-omit-frame-pointer", *SANITIZE] if DEBUG else ["-O3", "-DNDEBUG"]

X86_PATHS = {
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2", "-mfma"],
}
PATHS = X86_PATHS if platform.machine().lower() in ("x86_64", "amd64") else {}
if DEBUG and PATHS:  # all paths are one text: beside the baseline, the best that this processor has is enough
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else ()
    best = "avx512" if {"avx512f", "avx512bw", "avx512dq", "avx512vl"}.issubset(flags) else "avx2"
    PATHS = {best: PATHS[best]}

# In one file of the AVX-512 path, where the compiler knows them.
BF16_FLAGS = ["-mavx512bf16"]
BF16_SOURCE = str(Path("csrc/cpu/product_bf16.cpp"))
BF16_PROBE = """#include <immintrin.h>
__m512 probe(__m512 sum, __m512i words) {
  if (!__builtin_cpu_supports("avx512bf16")) return sum;
  return _mm512_dpbf16_ps(sum, __m512bh(words), __m512bh(words));
}
"""

# Compiled once per path; everything else once.
COMMON_SOURCES = [f"csrc/cpu/{name}.cpp" for name in ("module", "path", "program", "threads")]
KERNEL_SOURCES = sorted(
    str(path) for path in Path("csrc/cpu").glob("*.cpp") if str(path).replace(os.sep, "/") not in COMMON_SOURCES
)

CUDA = os.environ.get("CAPACITY_CUDA", "0") == "1"
NVCC = shutil.which("nvcc") or shutil.which("nvcc", path=f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin")
if CUDA and NVCC is None:
    raise SystemExit(
        "CAPACITY_CUDA=1 needs nvcc, which is neither on the PATH nor in CUDA_HOME/bin: install the CUDA toolkit or "
        "unset CAPACITY_CUDA."
    )
CUDA_ARCHITECTURES = (80, 90, 100)  # Ampere, Hopper, Blackwell; what is newer compiles the last one's PTX


def nvcc_command(ext, path):
    """Return the command that compiles and links the extension into `path`, with the CUDA runtime inside."""
    listed = subprocess.run([NVCC, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout.split()
    known = [a for a in CUDA_ARCHITECTURES if f"compute_{a}" in listed]
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in known]
    targets.append(f"-gencode=arch=compute_{known[-1]},code=compute_{known[-1]}")
    includes = [f"-I{folder}" for folder in (*ext.include_dirs, sysconfig.get_path("include"))]
    host = ["-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall,-Wextra,-g0"]
    return [NVCC, "-shared", "-std=c++17", "-O3", "-DCAP_CUDA=1", *host, *targets, *includes, *ext.sources, "-o", path]


class BuildKernels(build_ext):
    """Compiles the kernels of every path into the extension."""

    def build_extension(self, ext):
        path, there = self.get_ext_fullpath(ext.name), self.get_ext_filename(ext.name)
        made_of = [*ext.sources, *ext.depends, "setup.py"]
        if self.editable_mode and not (self.force or DEBUG or newer_group(made_of, there, "newer")):
            self.mkpath(os.path.dirname(path))
            return self.copy_file(there, path)  # it lies in the checkout, younger than all it is made of
        if ext.name == "capacity._cuda":
            self.mkpath(os.path.dirname(path))
            return self.spawn(nvcc_command(ext, path))
        if ext.name == "capacity.engine._cpu":
            bf16 = BF16_FLAGS if "avx512" in PATHS and self.knows_bf16() else []
            ext.define_macros += [("CAP_HAVE_AVX512_BF16", "1")] if bf16 else []
            others = [source for source in KERNEL_SOURCES if source != BF16_SOURCE]
            for path, flags in PATHS.items():
                for sources, more in ((others, []), ([BF16_SOURCE], bf16 if path == "avx512" else [])):
                    ext.extra_objects += self.compiler.compile(
                        sources,
                        output_dir=os.path.join(self.build_temp, path),
                        macros=[("CAP_PATH", path)],
                        include_dirs=ext.include_dirs,
                        extra_postargs=[*FLAGS, *flags, *more],
                        depends=ext.depends,
                    )
        return super().build_extension(ext)

    def knows_bf16(self):
        """Return whether the compiler has the instructions of AVX512_BF16 and can ask the processor for them."""
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.cpp")
            probe.write_text(BF16_PROBE)
            try:
                self.compiler.compile([str(probe)], folder, extra_postargs=[*PATHS["avx512"], *BF16_FLAGS])
            except CompileError:
                return False
        return True


extensions = [
    Extension(
        "capacity.engine._cpu",
        COMMON_SOURCES + KERNEL_SOURCES,
        include_dirs=[pybind11.get_include()],
        define_macros=[(f"CAP_HAVE_{path.upper()}", "1") for path in PATHS],
        depends=[str(p) for folder in ("csrc/cpu", "csrc/common") for p in sorted(Path(folder).glob("*.h*"))],
        extra_compile_args=[*FLAGS],
        extra_link_args=["-pthread", *(SANITIZE if DEBUG else [])],
        language="c++",
    ),
    Extension(
        "capacity.data._rows",
        ["csrc/data/module.cpp"],
        include_dirs=[pybind11.get_include()],
        depends=[str(p) for p in sorted(Path("csrc/data").glob("*.hpp"))],
        extra_compile_args=[*FLAGS],
        extra_link_args=SANITIZE if DEBUG else [],
        language="c++",
    ),
    *cythonize(
        [Extension("capacity.engine._blas", ["capacity/engine/_blas.pyx"])],
        build_dir="build/cython",
        language_level=3,
    ),
]

if CUDA:
    sources = ["csrc/tensor/bindings.cpp", "csrc/tensor/launch.cu"]
    extensions.append(Extension("capacity._cuda", sources, include_dirs=[pybind11.get_include()], language="c++"))

# The text of the CUDA kernels is data of the package: capacity/engine/cuda/text.py looks for it there.
TEXTS = {f"capacity._csrc.{folder}": f"csrc/{folder}" for folder in ("common", "cuda")}

ParallelCompile().install()  # a file per core
setup(
    packages=[*find_namespace_packages(include=["capacity", "capacity.*"]), *TEXTS],
    package_dir=TEXTS,
    ext_modules=extensions,
    cmdclass={"build_ext": BuildKernels},
)
