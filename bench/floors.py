"""What one core can do at most, measured by bench/floors.cpp, which is compiled for this processor on the fly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.machine import ROOT
from bench.peer import pin

COMPILE = ("-std=c++17", "-O3", "-march=native")


class Floors:
    """The best that was measured so far, on the core that the peers are kept to; a context, which removes the program.

    Attributes
    ----------
    best : dict
        'float32_flop_per_second' and, where the processor has vdpbf16ps, 'bf16_flop_per_second', of multiply-adds in
        registers; 'copy_bytes_per_second' of a copy in memory and 'cache_copy_bytes_per_second' of one within a core's
        cache, bytes read and bytes written counted once each. Empty where nothing can be measured.
    missing : str
        Why not, or ''.
    """

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._program = Path(self._folder.name, "floors")
        self.missing = _compile(self._program)

    def __enter__(self) -> Floors:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def measure(self) -> None:
        """Measure all, in a second or so, and keep what is better than before: the floors are the least times."""
        if self.missing:
            return
        done = subprocess.run([self._program], capture_output=True, check=True, preexec_fn=pin)
        for name, value in json.loads(done.stdout).items():
            self.best[name] = max(value, self.best.get(name, 0.0))


def _compile(program: Path) -> str:
    """Compile the program; return why that is not possible, or ''."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        return "no floors: there is no g++ (nor another compiler that CXX names)"
    command = [compiler, *COMPILE, str(ROOT / "bench" / "floors.cpp"), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no floors: floors.cpp does not compile: {done.stderr.strip()[-500:]}" if done.returncode else ""
