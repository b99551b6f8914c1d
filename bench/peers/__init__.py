"""The peers: modules with a class `Peer`, each run in a process of its own by bench/peer.py."""

from __future__ import annotations

OURS, PYTORCH = "capacity", "PyTorch eager"
PYTORCH_GRAPHS, JAX = "PyTorch compile + graphs", "JAX jit + scan"

ON_CPU = {OURS: "capacity_cpu", PYTORCH: "torch_eager"}
ON_GPU = {OURS: "capacity_cuda", PYTORCH: "torch_cuda_eager", PYTORCH_GRAPHS: "torch_cuda_graphs", JAX: "jax_scan"}
"""Name in results -> module."""
