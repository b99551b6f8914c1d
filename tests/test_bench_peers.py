"""The peers of the benchmarks do the same work as capacity: the same losses and errors before, during and after."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import workload
from bench.peers import ON_CPU, ON_GPU, RefusedError
from bench.workload import Shape, Workload, make_trainer, make_workload
from tests import fake_cuda

STEPS = 12
SHAPES = [
    Shape(6, 5, 4, 16),
    Shape(6, 5, 2, 16),  # two classes
    Shape(6, 5, 4, 16, replicas=3),
    Shape(6, 5, 4, 16, depth=3, activation="relu"),
    Shape(6, 5, 4, 16, optimizer="adam"),
    Shape(6, 5, 4, 16, replicas=2, optimizer="adam"),
]
PEERS = {
    "PyTorch": ("torch_eager", "torch", {}),
    "PyTorch graphs": ("torch_cuda_graphs", "torch", {"device": "cpu"}),
    "JAX": ("jax_scan", "jax", {}),
    "JAX one by one": ("jax_scan", "jax", {"vmap": False}),
    "scikit-learn": ("sklearn_mlp", "sklearn", {}),
    "ours": ("ours", "capacity", {}),
}


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "SAMPLES", 64)


def peer_class(module: str, library: str) -> Any:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    return importlib.import_module(f"bench.peers.{module}").Peer


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", PEERS)
def test_the_same_work(name: str, shape: Shape) -> None:
    module, library, options = PEERS[name]
    if module == "torch_cuda_graphs" and (shape.depth, shape.optimizer) != (1, "sgd"):
        pytest.skip("it has one hidden layer, and SGD")
    given = make_workload(shape, STEPS)
    ours, peer = make_trainer(given, "cpu"), peer_class(module, library)(given, **options)
    before = peer.evaluate()[0]
    assert before == pytest.approx(float(ours.evaluate().loss.mean()), rel=1e-5)
    for steps in (5, STEPS - 5):
        peer.run(steps)
        ours.advance(steps)
    loss, errors = peer.evaluate()
    metrics = ours.evaluate()
    assert loss == pytest.approx(float(metrics.loss.mean()), rel=1e-4)
    assert errors == pytest.approx(float(metrics.top1.mean()), abs=1e-6)
    assert loss < 0.999 * before
    assert peer.describe()["version"]


def test_another_learning_rate_is_not_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses that the benchmark compares do tell different work apart."""
    given = make_workload(SHAPES[0], STEPS)
    ours = make_trainer(given, "cpu")
    ours.advance(STEPS)
    monkeypatch.setitem(workload.LRS, "sgd", 0.2)
    other = make_trainer(given, "cpu")
    other.advance(STEPS)
    tolerance = ON_CPU["PyTorch eager"].tolerance
    assert float(other.evaluate().loss[0]) != pytest.approx(float(ours.evaluate().loss[0]), rel=tolerance)


def test_shares_of_the_replicas_are_the_whole() -> None:
    """Two processes with half of the replicas each do what one does with all."""
    whole = make_workload(Shape(6, 5, 4, 16, replicas=4), STEPS)
    peer = peer_class("ours", "capacity")
    parts = [peer(whole.share(number, 2)) for number in range(2)]
    together = peer(whole)
    for each in (*parts, together):
        each.run(STEPS)
    assert np.mean([part.evaluate() for part in parts], axis=0) == pytest.approx(np.array(together.evaluate()))
    assert parts[0].evaluate() != parts[1].evaluate()


def test_a_saved_workload_is_the_same(tmp_path: Path) -> None:
    given = make_workload(Shape(6, 5, 4, 16, replicas=2, depth=2, activation="relu"), 3)
    given.save(tmp_path / "workload.npz")
    loaded = Workload.load(tmp_path / "workload.npz")
    assert loaded.shape == given.shape
    for name in ("features", "labels", "batches"):
        assert np.array_equal(getattr(loaded, name), getattr(given, name))
    assert loaded.parameters.keys() == given.parameters.keys() > {"hidden2/weight", "softmax/bias"}
    assert all(np.array_equal(loaded.parameters[name], value) for name, value in given.parameters.items())


def test_what_cannot_be_done_here_is_refused() -> None:
    with pytest.raises(RefusedError, match="precision must be a known precision, got 'bf61'"):
        peer_class("ours", "capacity")(make_workload(SHAPES[0], 1), precision="bf61")


def test_every_peer_has_a_module() -> None:
    for spec in (*ON_CPU.values(), *ON_GPU.values()):
        assert importlib.util.find_spec(f"bench.peers.{spec.module}")


class TestOnAMadeUpGpu:
    pytestmark = fake_cuda.possible

    @pytest.mark.parametrize("replicas", [1, 3])
    def test_our_own_peer_too(self, tmp_path: Path, replicas: int) -> None:
        given = make_workload(replace(SHAPES[0], replicas=replicas), STEPS)
        ours = make_trainer(given, "cpu")
        with fake_cuda.gpu(tmp_path):
            peer = peer_class("ours", "capacity")(given, device="cuda")
            peer.run(STEPS)
            loss, description = peer.evaluate()[0], peer.describe()
        ours.advance(STEPS)
        assert loss == pytest.approx(float(ours.evaluate().loss.mean()), rel=1e-5)
        assert description["gpu"] == "NVIDIA H200"
