"""The peers: modules with a class `Peer`, each run in a process of its own by bench/peer.py."""

from __future__ import annotations

OURS, PYTORCH = "capacity", "PyTorch eager"

MODULES = {OURS: "capacity_cpu", PYTORCH: "torch_eager"}
"""Name in results -> module."""
