"""Optimizers: their steps worked by hand, their first step in a network, their state, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import capacity
from capacity.engine.optimizers import SGD, Adam, AdamW, Optimizer, Shampoo
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training.memory import cuda_need
from tests.executors import ALL, In, OpCase, Out, Run, Target, make_source, run_op
from tests.test_trainer import make_data, make_trainer


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize(
    ("decay", "decoupled", "gradients", "taken"),
    [
        (0.0, False, (2.0, 1.0), (0.0, 0.0)),
        (0.5, False, (1.5, 0.54), (0.0, 0.0)),  # 1.5 + 0.5 * 1 = 2, and 0.54 + 0.5 * 0.92 = 1
        (0.5, True, (2.0, 1.0), (0.05 * 1, 0.05 * 0.87)),  # lr 0.5 w
    ],
    ids=["none", "coupled", "decoupled"],
)
def test_two_steps_by_hand(
    target: Target, decay: float, decoupled: bool, gradients: tuple[float, ...], taken: tuple[float, ...]
) -> None:
    # Both betas are 1/2 and epsilon is 1/2; w = 1, lr = 0.1, and the gradients (with coupled decay) are 2 and 1.
    # Step 1: m = 1, v = 2; over 1 - 1/2 they are 2 and 4; w falls by 0.1 * 2 / (2 + 0.5) = 0.08.
    # Step 2: m = 1, v = 3/2; over 1 - 1/4 they are 4/3 and 2; w falls by 0.1 * 4/3 / (sqrt(2) + 0.5).
    expected = [(0.92 - taken[0], 1.0, 2.0)]
    expected.append((expected[0][0] - 0.4 / 3 / (np.sqrt(2) + 0.5) - taken[1], 1.0, 1.5))
    attributes = {"beta1": 0.5, "beta2": 0.5, "epsilon": 0.5, "weight_decay": decay, "decoupled": decoupled}
    w, m, v = np.ones(1), np.zeros(1), np.zeros(1)
    for step, gradient in enumerate(gradients):
        operands = (
            Out((1,), "parameters", batch=False, before=w),
            Out((1,), "optimizer", batch=False, before=m),
            Out((1,), "optimizer", batch=False, before=v),
            None,
            In(np.array([gradient]), arena="gradients", batch=False),
            None,
        )
        w, m, v, *_ = run_op(OpCase("adam", "hand", operands, attributes, step=step), target)
        np.testing.assert_allclose(np.concatenate([w, m, v]), expected[step], rtol=8 * target.epsilon)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_the_first_step_of_adam_is_of_size_lr(target: Target) -> None:
    # m / (1 - beta1) = g and v / (1 - beta2) = g^2, so that w falls by lr g / (|g| + epsilon). The network starts at
    # zero, so that a step of SGD with lr = 1 is the gradient to the last bit.
    run = Run(MLP(()), make_source(40, 6, 3), classes=3, lrs=(1.0,))
    g = -run.on(target, 1).parameters[0]
    assert (np.abs(g) > 1e-5).all()
    run = Run(MLP(()), run.source, classes=3, optimizer=Adam(), lrs=(0.01,))
    dw = run.on(target, 1).parameters[0]
    np.testing.assert_allclose(dw, -0.01 * g / (np.abs(g) + 1e-8), rtol=20 * target.epsilon)
    np.testing.assert_allclose(dw, -0.01 * np.sign(g), rtol=2e-3)


def test_betas_of_zero_divide_by_the_gradient_itself() -> None:
    # Nothing is kept of earlier steps: every step is lr sign(g), whatever its number.
    trainer = make_trainer("cpu", model=MLP(()), optimizer=Adam(beta1=0, beta2=0), lrs=[0.25, 0.25])
    for step in range(3):
        before = trainer.states()[0].parameters
        trainer.advance(1)
        moved = trainer.states()[0].parameters - before
        np.testing.assert_allclose(np.abs(moved), 0.25, rtol=1e-3, err_msg=f"step {step}")


@pytest.mark.parametrize(
    ("optimizer", "arrays"), [(SGD(), 0), (SGD(momentum=0.9), 1), (Adam(), 2), (AdamW(), 2)], ids=str
)
def test_state_is_so_many_arrays_of_the_parameters_and_foreseen(optimizer: Optimizer, arrays: int) -> None:
    trainer = make_trainer("cpu", optimizer=optimizer)
    assert trainer.states()[0].optimizer.shape == (arrays * trainer.parameters,)
    gradients = optimizer != SGD()
    need, least = (cuda_need(trainer.model, make_data(), 32, o, "float32").each for o in (optimizer, SGD()))
    assert need - least == 4 * (arrays + gradients) * trainer.parameters


def test_adam_keeps_m_and_then_v() -> None:
    # After one step m = (1 - beta1) g and v = (1 - beta2) g^2.
    trainer = make_trainer("cpu", precision="float64", optimizer=Adam(beta1=0.5, beta2=0.75))
    trainer.advance(1)
    m, v = trainer.states()[0].optimizer.reshape(2, -1)
    assert np.abs(m).max() > 1e-3
    np.testing.assert_allclose(v, m**2, rtol=1e-12)  # (1 - 0.75) g^2 = (0.5 g)^2


def test_decay_is_what_tells_adam_from_adamw() -> None:
    adam, adamw, none = (
        make_trainer("cpu", optimizer=o, lrs=[0.01, 0.01], precision="float64")
        for o in (Adam(weight_decay=0.5), AdamW(weight_decay=0.5), Adam())
    )
    start = adam.states()[0].parameters
    for trainer in (adam, adamw, none):
        trainer.advance(1)
    coupled, decoupled, plain = (trainer.states()[0].parameters for trainer in (adam, adamw, none))
    np.testing.assert_allclose(decoupled, plain - 0.01 * 0.5 * start, rtol=1e-12, atol=1e-15)
    assert np.abs(coupled - plain).max() > 1e-3
    assert Adam(weight_decay=0.01) != AdamW()


def test_train_takes_adam() -> None:
    result = capacity.train(MLP((8,)), make_data(), epochs=20, lr=0.02, batch=32, optimizer=capacity.Adam())
    assert result.loss[-1] < result.loss[0] - 0.2


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (SGD, {"momentum": 1.0}, "momentum must be a number of at least 0 and below 1, got 1.0."),
        (SGD, {"weight_decay": -0.1}, "weight_decay must be a finite number of at least 0, got -0.1."),
        (Adam, {"beta1": -0.5}, "beta1 must be a number of at least 0 and below 1, got -0.5."),
        (Adam, {"beta2": float("nan")}, "beta2 must be a number of at least 0 and below 1, got nan."),
        (Adam, {"beta2": "0.9"}, "beta2 must be a number of at least 0 and below 1, got '0.9'."),
        (Adam, {"beta1": True}, "beta1 must be a number of at least 0 and below 1, got True."),
        (Adam, {"epsilon": 0.0}, "epsilon must be a finite number above 0, got 0.0."),
        (Shampoo, {"epsilon": 0}, "epsilon must be a finite number above 0, got 0."),
        (Shampoo, {"every": 0}, "every must be a whole number of at least 1, got 0."),
        (Shampoo, {"every": 2.0}, "every must be a whole number of at least 1, got 2.0."),
        (Shampoo, {"weight_decay": -1}, "weight_decay must be a finite number of at least 0, got -1."),
        (AdamW, {"weight_decay": float("inf")}, "weight_decay must be a finite number of at least 0, got inf."),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        kind(**settings)
    assert str(caught.value) == message
