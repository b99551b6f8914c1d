"""What the GPU can do at most: `python ceilings.py` prints, as JSON, the speed of a large copy and a large product."""

from __future__ import annotations

import json
from collections.abc import Callable

import cupy

COPY_BYTES, SIDE, REPEATS = 1 << 31, 8192, 10


def main() -> None:
    """Measure both; the least time of a few counts."""
    source, target = (cupy.zeros(COPY_BYTES, cupy.uint8) for _ in range(2))
    copy = _seconds(lambda: cupy.copyto(target, source))
    a, b, c = (cupy.ones((SIDE, SIDE), cupy.float32) for _ in range(3))
    product = _seconds(lambda: cupy.matmul(a, b, out=c))
    print(json.dumps({"bytes_per_second": 2 * COPY_BYTES / copy, "flop_per_second": 2 * SIDE**3 / product}))


def _seconds(run: Callable[[], object]) -> float:
    run()
    times: list[float] = []
    for _ in range(REPEATS):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end) / 1e3)
    return min(times)


if __name__ == "__main__":
    main()
