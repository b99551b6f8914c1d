"""The meter for training loops of one's own: what it measures, what it takes, and what it refuses."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity import TrajectoryMeter
from capacity.analysis import angle
from capacity.engine import _cpu
from capacity.engine.trajectory import Sums
from capacity.errors import InputError
from capacity.training.meter import device_sums
from tests.executors import forced_path
from tests.test_trainer import make_trainer

EXAMPLES = Path(__file__).parents[1] / "examples"


def written_out(before: Any, after: Any, g: Any, anchor: Any) -> NDArray[np.float64]:
    """Return the four sums by their definition."""
    w, after, g, anchor = (np.asarray(a, np.float64).reshape(-1) for a in (before, after, g, anchor))
    return np.array([g @ g, (after - w) @ (after - w), (w - anchor) @ g, (w - anchor) @ (w - anchor)])


@pytest.mark.parametrize("path", _cpu.supported_paths())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_those_of_the_definition(path: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(1,), (7, 3), (4096,), (300, 600), ()]
    start, *steps = [[rng.normal(size=s).astype(dtype) for s in shapes] for _ in range(4)]
    with forced_path(path):
        for threads in (1, 3):
            meter = TrajectoryMeter(start, threads=threads)
            before = start
            for after in steps:
                grads = [rng.normal(size=s).astype(dtype) for s in shapes]
                sums = meter.update(after, grads)
                expected = [written_out(*arrays) for arrays in zip(before, after, grads, start, strict=True)]
                np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-10)
                before = after
            assert meter.steps == 3


def test_any_number_of_threads_gives_the_same_sums() -> None:
    rng = np.random.default_rng(1)
    w, after, g = (rng.normal(size=200_001) for _ in range(3))
    one, two, five = (TrajectoryMeter(w, threads=threads).update(after, g) for threads in (1, 2, 5))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, five)


def test_sums_on_a_device_are_the_same() -> None:
    # NumPy's arrays stand in for CuPy's, which have the same operations.
    rng = np.random.default_rng(2)
    w, after, g, anchor = (rng.normal(size=5000).astype(np.float32) for _ in range(4))
    before = w.copy()
    np.testing.assert_allclose(device_sums(before, after, g, anchor), written_out(w, after, g, anchor), rtol=1e-12)
    np.testing.assert_array_equal(before, after)


def test_an_anchor_of_ones_own_is_measured_from() -> None:
    # w <- w / 2 from (8, 0), seen from its end at the origin: the gradient points away from it.
    w = {"w": np.array([8.0, 0.0])}
    meter = TrajectoryMeter(w, anchor={"w": np.zeros(2)})
    sums = meter.update({"w": w["w"] / 2}, w)
    np.testing.assert_array_equal(sums, [[64, 16, 64, 64]])
    assert angle(sums)[0] == 0


def test_the_arrays_are_copied_so_that_a_loop_may_update_in_place() -> None:
    w = np.ones(3)
    meter = TrajectoryMeter(w)
    for _ in range(2):
        w += 1
        sums = meter.update(w, np.full(3, 2.0))
    np.testing.assert_array_equal(sums, [[12, 3, 6, 3]])
    np.testing.assert_array_equal(w, 3)


def test_read_only_strided_and_nested_arrays_are_taken() -> None:
    base = np.arange(24.0).reshape(4, 6)
    strided, fixed = base[:, ::2].T, np.ones((2, 2))
    fixed.flags.writeable = False
    meter = TrajectoryMeter({"a": [strided, fixed], "b": {"c": np.zeros(1)}})
    assert meter.names == ("a/0", "a/1", "b/c")
    other_order = {"b": {"c": np.ones(1)}, "a": (strided, fixed)}
    sums = meter.update(other_order, {"a": [np.ascontiguousarray(strided), fixed], "b": {"c": np.ones(1)}})
    squares = (strided**2).sum()
    np.testing.assert_array_equal(sums, [[squares, 0, 0, 0], [4, 0, 0, 0], [1, 1, 0, 0]])


class OnAnotherDevice:
    """An array that says that it is elsewhere."""

    shape = (2,)

    def __init__(self, kind: int) -> None:
        self._kind = kind

    def __dlpack__(self) -> None:
        raise AssertionError("must not be read")

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._kind, 0


W = np.ones(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrajectoryMeter([]), "params must have at least one array, got none."),
        (
            lambda: TrajectoryMeter({"a": None}),
            "params['a'] must be an array that offers DLPack (NumPy, PyTorch, JAX, CuPy), or a list or mapping of "
            "such, got NoneType.",
        ),
        (lambda: TrajectoryMeter(np.ones(2, np.int32)), "params must be float32 or float64, got int32."),
        (lambda: TrajectoryMeter(np.ones(2, ">f4")), "params must be float32 or float64, got >f4."),
        (
            lambda: TrajectoryMeter([W, OnAnotherDevice(2)]),
            "params['1'] is on another device than params['0']; a meter takes arrays of one device.",
        ),
        (
            lambda: TrajectoryMeter(OnAnotherDevice(8)),
            "params is on a device of DLPack's kind 8; only the CPU and CUDA GPUs are supported.",
        ),
        (
            lambda: TrajectoryMeter(W).update(W, OnAnotherDevice(2)),
            "grads is on another device than the arrays that the meter began with.",
        ),
        (
            lambda: TrajectoryMeter([W]).update([W, W], [W]),
            "params must be the 1 arrays of the meter, got also '1'.",
        ),
        (
            lambda: TrajectoryMeter({"a": W, "b": W}).update({"a": W, "b": W}, {"a": W, "c": W}),
            "grads must be the 2 arrays of the meter, got none named 'b' and also 'c'.",
        ),
        (
            lambda: TrajectoryMeter({"a": W}).update({"a": np.ones(3)}, {"a": W}),
            "params['a'] must have the shape (2,) that the meter began with, got (3,).",
        ),
        (
            lambda: TrajectoryMeter(W).update(W, W.astype(np.float32)),
            "grads must be float64 as it began, got float32.",
        ),
        (
            lambda: TrajectoryMeter(W, anchor=np.ones(3)),
            "anchor must have the shape (2,) that the meter began with, got (3,).",
        ),
    ],
)
def test_arrays_that_make_no_sense_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named_with_their_step(wrong: float) -> None:
    good, bad = {"a": W, "b": W}, {"a": W, "b": np.array([1.0, wrong])}
    meter = TrajectoryMeter(good)
    meter.update(good, good)
    for params, grads, name in ((good, bad, "grads['b']"), (bad, good, "params['b']")):
        with pytest.raises(InputError) as caught:
            meter.update(params, grads)
        assert str(caught.value) == (
            f"{name} is not finite at step 1: the training has diverged; lower the learning rate."
        )
    assert meter.steps == 1


def test_a_pytorch_loop_measures_what_the_trainer_measures() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    trainer = make_trainer("cpu", trajectory=True, precision="float64", batch=90, seeds=[3], lrs=[0.3])
    (start,) = trainer.states()
    trainer.advance(6)
    first, second = torch.nn.Linear(6, 8, dtype=torch.float64), torch.nn.Linear(8, 7, dtype=torch.float64)
    params = [first.weight, first.bias, second.weight, second.bias]
    with torch.no_grad():
        for p, s in zip(params, trainer.segments, strict=True):
            p.copy_(torch.from_numpy(start.parameters[s.offset : s.offset + s.size].reshape(s.shape).T.copy()))
    x = torch.from_numpy(trainer.data.train.features / 255)
    y = torch.from_numpy(trainer.data.train.labels.astype(np.int64))
    optimizer, meter = torch.optim.SGD(params, lr=0.3), TrajectoryMeter(params)
    for step in range(6):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(second(torch.sigmoid(first(x))), y).backward()
        optimizer.step()
        sums = meter.update(params, [p.grad for p in params])
        np.testing.assert_allclose(sums, trainer.trajectory[0, step], rtol=1e-9, atol=1e-25)
    assert (sums[..., Sums.DISTANCE] > 0).all()


def test_jax_arrays_are_taken_where_they_lie() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    w = jax.numpy.arange(5.0)
    sums = TrajectoryMeter({"w": w}).update({"w": w - 1}, {"w": jax.numpy.full(5, 2.0)})
    np.testing.assert_array_equal(sums, [[20, 5, 0, 0]])


def test_types_that_are_not_supported_are_named() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(
        InputError, match=r"^params\['0'\] cannot be read through DLPack \(.+\); give float32 or float64"
    ):
        TrajectoryMeter([torch.ones(3, dtype=torch.bfloat16)])


@pytest.mark.parametrize(("name", "needs"), [("trajectory_pytorch", "torch"), ("trajectory_jax", "jax")])
def test_the_example_runs(name: str, needs: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    recorder = _loaded(name).main(60)
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["step", "group", "distance", "path", "length", "|gradient|", "angle"]
    assert [int(row.split()[0]) for row in rows[:: len(recorder.groups)]] == [0, 50]
    assert recorder.step == 60
    assert (recorder.mean_angle > np.pi / 2).all()  # away from the start, on the whole


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
