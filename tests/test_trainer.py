"""The trainer: what it measures, what it refuses, and that states carry everything on."""

from __future__ import annotations

import numpy as np
import pytest

import capacity
from capacity.data import Dataset, Split
from capacity.engine.optimizers import Optimizer
from capacity.errors import DeviceError, InputError
from capacity.training import Trainer
from tests.executors import make_source

DEVICES = ["reference", "cpu"]


def make_data(samples: int = 90, inputs: int = 6, classes: int = 7, *, test: bool = False) -> Dataset:
    def split(seed: int, rows: int) -> Split:
        source = make_source(rows, inputs, classes, seed=seed)
        return Split(source.features, source.labels)

    return Dataset(
        name="random", classes=classes, class_names=(), feature_names=(), scale=1 / 255, train=split(0, samples),
        test=split(1, 31) if test else None, digest="0" * 64, provenance={}, path=None,
    )  # fmt: skip


def make_trainer(device: str, **changes: object) -> Trainer:
    settings = {"batch": 32, "lrs": [0.5, 0.1], "seeds": [0, 1], "device": device, **changes}
    data = settings.pop("data", None) or make_data(test=True)
    model = settings.pop("model", None) or capacity.MLP((8,))
    return Trainer(model, data, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
def test_before_training_the_loss_is_that_of_guessing(device: str) -> None:
    # The softmax layer starts at zero: every class has probability 1/7, all logits are equal, and of equal logits the
    # lowest classes come first, so that exactly the rows of class 0 (top-1) or 0..4 (top-5) are right.
    trainer = make_trainer(device)
    labels = trainer.data.train.labels
    metrics = trainer.evaluate()
    np.testing.assert_allclose(metrics.loss, np.log(7), rtol=1e-6)
    np.testing.assert_array_equal(metrics.top1, np.mean(labels != 0))
    np.testing.assert_array_equal(metrics.top5, np.mean(labels >= 5))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_metrics_are_those_of_the_written_out_network(device: str, split: str) -> None:
    trainer = make_trainer(device, precision="float64")
    trainer.advance(40)
    part = trainer.data.train if split == "train" else trainer.data.test
    metrics = trainer.evaluate(split)
    for r, state in enumerate(trainer.states()):
        w1, b1, w2, b2 = (state.parameters[s.offset : s.offset + s.size].reshape(s.shape) for s in trainer.segments)
        hidden = 1 / (1 + np.exp(-(part.features / 255 @ w1 + b1)))
        z = hidden @ w2 + b2
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        rows = np.arange(len(part.labels))
        rank = (z > z[rows, part.labels][:, None]).sum(axis=1)
        np.testing.assert_allclose(metrics.loss[r], -log_p[rows, part.labels].mean(), rtol=1e-10)
        assert metrics.top1[r] == np.mean(rank >= 1)
        assert metrics.top5[r] == np.mean(rank >= 5)


def test_a_long_evaluation_is_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer("cpu", data=make_data(samples=1700))  # four batches of evaluation, the last one partial
    trainer.advance(10)
    expected = trainer.evaluate()
    monkeypatch.setattr("capacity.training.trainer.EVALUATION_RUN", 3)
    for name in ("loss", "top1", "top5"):
        np.testing.assert_array_equal(getattr(trainer.evaluate(), name), getattr(expected, name))


def test_top5_is_nan_where_it_would_say_nothing() -> None:
    metrics = make_trainer("cpu", data=make_data(classes=5)).evaluate()
    assert np.isnan(metrics.top5).all()
    assert np.isfinite(metrics.top1).all()


@pytest.mark.parametrize("device", DEVICES)
def test_training_learns(device: str) -> None:
    trainer = make_trainer(device)
    before = trainer.evaluate().loss
    trainer.advance(30 * int(trainer.steps_per_epoch[0]))
    assert (trainer.evaluate().loss < before - 0.1).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "optimizer", [capacity.SGD(), capacity.SGD(momentum=0.9), capacity.AdamW(), capacity.Shampoo()], ids=str
)
def test_states_carry_everything_on(device: str, optimizer: Optimizer) -> None:
    unbroken = make_trainer(device, optimizer=optimizer)
    unbroken.advance(10)
    first = make_trainer(device, optimizer=optimizer)
    first.advance(7)
    second = make_trainer(device, optimizer=optimizer)
    second.restore(first.states())
    second.advance(3)
    assert second.step == 10
    for want, have in zip(unbroken.states(), second.states(), strict=True):
        np.testing.assert_array_equal(have.parameters, want.parameters)
        np.testing.assert_array_equal(have.optimizer, want.optimizer)
    np.testing.assert_array_equal(second.evaluate().loss, unbroken.evaluate().loss)


@pytest.mark.parametrize(("first", "second"), [("cpu", "reference"), ("reference", "cpu")])
def test_states_carry_on_on_another_device(first: str, second: str) -> None:
    settings = {"optimizer": capacity.SGD(momentum=0.9), "precision": "float64"}
    unbroken, one, other = (make_trainer(device, **settings) for device in (second, first, second))
    unbroken.advance(10)
    one.advance(7)
    other.restore(one.states())
    other.advance(3)
    for want, have in zip(unbroken.states(), other.states(), strict=True):
        np.testing.assert_allclose(have.parameters, want.parameters, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(have.optimizer, want.optimizer, rtol=1e-11, atol=1e-13)


def test_restored_states_take_the_type_of_the_trainer_and_overflow_as_it_does() -> None:
    double, single = make_trainer("reference"), make_trainer("cpu")
    states = double.states()
    states[0].parameters[:2] = 0.1, 1e300
    single.restore(states)
    assert single.states()[0].parameters.dtype == np.float32
    np.testing.assert_array_equal(single.states()[0].parameters[:2], np.array([0.1, np.inf], np.float32))


def test_inactive_replicas_are_not_measured() -> None:
    trainer = make_trainer("cpu")
    trainer.active[0] = False
    metrics = trainer.evaluate()
    np.testing.assert_array_equal(np.isnan(metrics.loss), [True, False])


def test_a_learning_rate_too_large_gives_a_loss_that_is_not_finite() -> None:
    trainer = make_trainer("cpu", model=capacity.MLP((8,), "relu"), lrs=[1e30, 0.1])
    trainer.advance(20)
    loss = trainer.evaluate().loss
    assert not np.isfinite(loss[0])
    assert np.isfinite(loss[1])


def test_the_same_seed_starts_every_learning_rate_at_the_same_weights() -> None:
    states = make_trainer("cpu", lrs=[0.5, 0.1, 0.5], seeds=[3, 3, 4]).states()
    np.testing.assert_array_equal(states[0].parameters, states[1].parameters)
    assert (states[0].parameters != states[2].parameters).any()


def test_glorot_start_is_uniform_with_the_stated_limit() -> None:
    # D = 6, H = 500: U[-a, a] with a = sqrt(6 / 506); its standard deviation is a / sqrt(3).
    trainer = make_trainer("cpu", model=capacity.MLP((500,)))
    weights = trainer.states()[0].parameters[: 6 * 500]
    limit = np.sqrt(6 / 506)
    assert np.abs(weights).max() <= limit
    assert weights.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert (trainer.states()[0].parameters[6 * 500 :] == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch must be a whole number from 1 to the 90 rows of the data, got 0."),
        ({"batch": 91}, "batch must be a whole number from 1 to the 90 rows of the data, got 91."),
        ({"batch": 2.5}, "got 2.5"),
        ({"lrs": [0.1, -1]}, "lr must be a positive finite number, got -1."),
        ({"lrs": [0.1, float("nan")]}, "lr must be a positive finite number, got nan."),
        ({"lrs": [0.1]}, "lrs and seeds must have the same length"),
        ({"seeds": [0, -1]}, "seed must be from 0"),
        ({"threads": 0}, "threads must be 1 or more"),
        (
            {"optimizer": "adam"},
            "optimizer must be an SGD, an Adam, an AdamW or a Shampoo, got 'adam'; write, for instance,",
        ),
        ({"precision": "float23"}, "did you mean 'float32'?"),
        ({"precision": "bf32"}, "did you mean 'tf32'?"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_trainer("cpu", **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("device", "precision", "offered"),
    [("cpu", "tf32", "'cuda'"), ("reference", "tf32", "'cuda'"), ("reference", "bf16", "'cuda' or 'cpu'")],
)
def test_precisions_that_round_factors_are_refused_elsewhere(device: str, precision: str, offered: str) -> None:
    with pytest.raises(InputError) as caught:
        make_trainer(device, precision=precision)
    assert str(caught.value) == (
        f"precision '{precision}' is offered by device {offered} only, got device '{device}'; use that device, or "
        "precision 'float32' or 'float64'."
    )


@pytest.mark.parametrize(("device", "precision", "works_in"), [
    ("cpu", "float32", "float32"), ("cpu", "float64", "float64"), ("reference", "float32", "float64"),
])  # fmt: skip
def test_a_trainer_names_the_precision_it_works_in(device: str, precision: str, works_in: str) -> None:
    trainer = make_trainer(device, precision=precision)
    assert trainer.precision == works_in
    assert trainer.states()[0].parameters.dtype == works_in


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"did you mean 'cpu'\?"):
        make_trainer("cpuu")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"hidden": (0,)}, "hidden must hold positive numbers of units, got 0"),
        ({"hidden": (2.0,)}, "hidden must hold positive numbers of units, got 2.0"),
        ({"activation": "sigmoidd"}, "did you mean 'sigmoid'?"),
        ({"init": "glorot"}, "did you mean 'glorot_uniform'?"),
        ({"output_init": "one"}, "output_init must be a known initialisation"),
    ],
)
def test_models_that_make_no_sense_are_refused(model: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        capacity.MLP(**model)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_restore_refuses_states_of_another_model_or_of_different_steps() -> None:
    trainer, other = make_trainer("cpu"), make_trainer("cpu", model=capacity.MLP((9,)))
    with pytest.raises(InputError, match="parameters for this model"):
        trainer.restore(other.states())
    with pytest.raises(InputError, match="an optimizer state of 0 numbers for this optimizer"):
        trainer.restore(make_trainer("cpu", optimizer=capacity.SGD(momentum=0.9)).states())
    states = trainer.states()
    trainer.advance(1)
    with pytest.raises(InputError, match="2 states of one step"):
        trainer.restore([states[0], trainer.states()[1]])


def test_train_keeps_the_learning_curve_and_the_parameters() -> None:
    result = capacity.train(capacity.MLP((8,)), make_data(), epochs=3, lr=0.5, batch=32, seed=1)
    trainer = make_trainer("cpu", lrs=[0.5], seeds=[1])
    for epoch in range(4):
        assert result.loss[epoch] == trainer.evaluate().loss[0]
        assert result.top1[epoch] == trainer.evaluate().top1[0]
        last = trainer.states()[0].parameters
        trainer.advance(int(trainer.steps_per_epoch[0]))
    assert {k: v.shape for k, v in result.parameters.items()} == {
        "hidden1/weight": (6, 8), "hidden1/bias": (8,), "softmax/weight": (8, 7), "softmax/bias": (7,),
    }  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in result.parameters.values()]), last)
    assert (result.device, result.precision) == ("cpu", "float32")


def test_train_refuses_no_epochs() -> None:
    with pytest.raises(InputError, match="epochs must be a positive whole number, got 0"):
        capacity.train(capacity.MLP((8,)), make_data(), epochs=0)
