"""Settings: defaults, checks and their sentences, TOML files, trial keys."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import capacity
from capacity.engine.devices import PRECISIONS
from capacity.engine.initialise import INITS
from capacity.engine.ops import SAVED
from capacity.errors import InputError
from capacity.experiments import SweepConfig, load_config, settings
from capacity.experiments.sweep_trial import SweepTrial, trials_of


def test_the_signature_of_sweep_has_the_fields_and_defaults_of_the_config() -> None:
    parameters = inspect.signature(capacity.sweep).parameters
    defaults = {name: p.default for name, p in parameters.items() if name not in ("progress", "executor")}
    assert defaults == {name: field.default for name, field in SweepConfig.model_fields.items()}


def test_the_names_offered_are_those_the_engine_knows() -> None:
    assert set(get_args(settings.ActivationName)) == set(SAVED)
    assert set(get_args(settings.InitName)) == set(INITS)
    assert set(get_args(settings.PrecisionName)) == set(PRECISIONS)


def test_every_field_says_what_it_is() -> None:
    assert all(field.description for field in SweepConfig.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"widhts": [4]}, "unknown setting 'widhts' (did you mean 'widths'?)."),
        ({"widths": 0}, "widths must be one or more whole numbers of at least 1, got 0."),
        ({"widths": [4, -2]}, "widths must be one or more whole numbers of at least 1, got -2."),
        ({"widths": []}, "widths must be one or more whole numbers of at least 1, got an empty list."),
        ({"widths": "16"}, "widths must be one or more whole numbers of at least 1, got '16'."),
        ({"widths": [4, 8, 4]}, "widths must be a list of different values, got 4 more than once."),
        ({"depths": [1.5]}, "depths must be one or more whole numbers of at least 1, got 1.5."),
        ({"depths": [True]}, "depths must be one or more whole numbers of at least 1, got True."),
        ({"lrs": [0.1, 0]}, "lrs must be one or more finite numbers above 0, got 0."),
        ({"lrs": [float("nan")]}, "lrs must be one or more finite numbers above 0, got nan."),
        ({"lrs": [float("inf")]}, "lrs must be one or more finite numbers above 0, got inf."),
        ({"lrs": [0.1, 1e-1]}, "lrs must be a list of different values, got 0.1 more than once."),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0."),
        ({"epochs": "ten"}, "epochs must be a whole number of at least 1, got 'ten'."),
        ({"batch": -1}, "batch must be a whole number of at least 1, got -1."),
        ({"seeds": [1, 2]}, "seeds must be a whole number of at least 1, got [1, 2]."),
        ({"optimizer": "adam"}, "optimizer must be one of sgd, momentum, got 'adam'."),
        (
            {"optimizer": "momentun"},
            "optimizer must be one of sgd, momentum, got 'momentun' (did you mean 'momentum'?).",
        ),
        ({"optimizer": "momentum", "momentum": 1}, "momentum must be a number above 0 and below 1, got 1."),
        ({"weight_decay": -0.1}, "weight_decay must be a finite number of at least 0, got -0.1."),
        ({"precision": 32}, "precision must be one of float32, float64, tf32, bf16, got 32."),
        ({"data": ""}, "data must be the name of a built-in data set or a file, got ''."),
        ({"threads": 0}, "threads must be a whole number of at least 1, got 0."),
        ({"replicas": 0}, "replicas must be a whole number of at least 1, got 0."),
        ({"out": 3}, "out must be a folder, got 3."),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_was_expected_and_what_came(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        SweepConfig(**settings)
    assert str(caught.value) == sentence


def test_momentum_without_its_optimizer_is_refused() -> None:
    with pytest.raises(InputError, match=r"momentum is used by optimizer 'momentum' only, got momentum=0.5"):
        SweepConfig(momentum=0.5)
    assert SweepConfig(momentum=0.5, optimizer="momentum").momentum == 0.5


def test_lists_are_sorted_and_numpy_and_single_values_are_taken() -> None:
    config = SweepConfig(widths=np.array([8, 2, 4]), lrs=[0.01, np.float32(0.5)], depths=2, out=Path("x"))
    assert config.widths == (2, 4, 8)
    assert config.lrs == (0.5, 0.01)
    assert config.depths == (2,)
    assert config.out == "x"
    assert all(type(width) is int for width in config.widths)
    assert config.identity() == SweepConfig(widths=[2, 4, 8], lrs=(0.5, 0.01), depths=[2], out="y").identity()


def test_how_to_run_and_an_unused_momentum_are_no_part_of_the_identity() -> None:
    assert not {"device", "workers", "threads", "replicas", "out", "momentum"} & set(SweepConfig().identity())
    assert SweepConfig(optimizer="momentum").identity()["momentum"] == 0.9


def test_a_toml_file_gives_the_same_as_keyword_arguments(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('widths = [16, 32]\nlrs = [0.1]\noptimizer = "momentum"\nmomentum = 0.5\nepochs = 7\n')
    expected = SweepConfig(widths=(16, 32), lrs=0.1, optimizer="momentum", momentum=0.5, epochs=7)
    assert load_config(file) == expected
    assert load_config(file, epochs=9).epochs == 9
    file.write_text("workers = 2\nthreads = 3\nreplicas = 4\n")
    assert load_config(file) == SweepConfig(workers=2, threads=3, replicas=4)


def test_relative_paths_in_a_toml_file_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.h5").touch()
    file = tmp_path / "study.toml"
    file.write_text('data = "mine.h5"\nout = "here"\n')
    config = load_config(file)
    assert Path(config.data) == tmp_path / "mine.h5"
    assert Path(config.out or "") == tmp_path / "here"
    file.write_text('data = "digits"\n')
    assert load_config(file).data == "digits"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"epohcs = 3", "unknown setting 'epohcs' (did you mean 'epochs'?)"),
        (b"epochs = 1.0", "epochs must be a whole number of at least 1, got 1.0"),
        (b"epochs = ", "is not valid TOML"),
        (b"data = '\xff'", "it is not UTF-8 text"),
    ],
)
def test_a_bad_toml_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert str(file) in str(caught.value)
    assert sentence in str(caught.value)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml': No such file or directory\.$"):
        load_config(tmp_path / "none.toml")


def test_the_key_is_the_hash_of_the_canonical_form() -> None:
    trial = SweepTrial(
        data_digest="d" * 64, width=8, depth=2, activation="relu", init="glorot_uniform", output_init="zeros",
        optimizer="sgd", momentum=0.0, weight_decay=0.0, lr=0.1, batch=32, epochs=10, seed=3, precision="float32",
    )  # fmt: skip
    canonical = (
        '{"activation":"relu","batch":32,"data_digest":"' + "d" * 64 + '","depth":2,"epochs":10,'
        '"init":"glorot_uniform","lr":0.1,"momentum":0.0,"optimizer":"sgd","output_init":"zeros",'
        '"precision":"float32","revision":"sweep/1","seed":3,"weight_decay":0.0,"width":8}'
    )
    assert json.loads(canonical)["width"] == 8
    assert trial.key == hashlib.sha256(canonical.encode()).hexdigest()[:16]


def test_the_trials_are_the_grid_and_their_keys_differ() -> None:
    config = SweepConfig(widths=(4, 2), depths=(1, 3), lrs=(0.01, 0.1), seeds=2)
    trials = trials_of(config, "digest")
    assert [(t.depth, t.width, t.lr, t.seed) for t in trials[:5]] == [
        (1, 2, 0.1, 0), (1, 2, 0.1, 1), (1, 2, 0.01, 0), (1, 2, 0.01, 1), (1, 4, 0.1, 0),
    ]  # fmt: skip
    assert len({trial.key for trial in trials}) == len(trials) == 16
    assert {trial.shape for trial in trials} == {trial.shape for trial in trials if trial.seed == 0 and trial.lr == 0.1}


def test_a_key_follows_the_content_of_the_data_and_not_how_it_is_run() -> None:
    (trial,) = trials_of(SweepConfig(widths=1, lrs=0.1, seeds=1, data="a.h5", device="cpu"), "same")
    (moved,) = trials_of(SweepConfig(widths=1, lrs=0.1, seeds=1, data="b.h5", device="reference", workers=2), "same")
    (other,) = trials_of(SweepConfig(widths=1, lrs=0.1, seeds=1, data="a.h5"), "changed")
    assert trial.key == moved.key != other.key
