"""The peers: modules with a class `Peer`, each run in a process of its own by bench/peer.py.

A peer takes a Workload and the options of its row below. It trains with `run(steps)`, measures with `evaluate()`, and
names its versions and settings with `describe()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS, OURS_BF16, PYTORCH = "capacity", "capacity bf16", "PyTorch eager"
PYTORCH_GRAPHS, JAX, JAX_APART = "PyTorch compile + graphs", "JAX jit + scan", "JAX, a process per core"
SKLEARN = "scikit-learn"


class RefusedError(Exception):
    """A peer cannot do what it is asked for here; says why."""


@dataclass(frozen=True)
class Spec:
    """How a peer is run.

    Attributes
    ----------
    module : str
        In bench/peers.
    library : str
        The module that must be installed.
    options : dict
        Passed to `Peer`.
    alone : bool
        Whether it trains one replica after the other, so that with many replicas and cores its user would start a
        process per core.
    tolerance : float
        By how much its final loss may differ from ours, relatively. Rounding in float32 differs between peers, and
        grows over the steps; bfloat16 rounds more, and its effect is in the results.
    """

    module: str
    library: str
    options: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    tolerance: float = 1e-3


ON_CPU = {
    OURS: Spec("ours", "capacity"),
    OURS_BF16: Spec("ours", "capacity", {"precision": "bf16"}, tolerance=0.05),
    PYTORCH: Spec("torch_eager", "torch", alone=True),
    JAX: Spec("jax_scan", "jax"),
    JAX_APART: Spec("jax_scan", "jax", {"vmap": False}, alone=True),
    SKLEARN: Spec("sklearn_mlp", "sklearn", alone=True),
}
ON_GPU = {
    OURS: Spec("ours", "capacity", {"device": "cuda"}),
    PYTORCH: Spec("torch_eager", "torch", {"device": "cuda"}),
    PYTORCH_GRAPHS: Spec("torch_cuda_graphs", "torch"),
    JAX: Spec("jax_scan", "jax", {"device": "cuda"}),
}
"""Name in results -> how it is run."""
