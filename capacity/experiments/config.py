"""What a sweep is asked to do: one set of fields for Python, the command line and study.toml."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from capacity.errors import InputError, did_you_mean
from capacity.experiments import checks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OptimizerName = Literal["sgd", "momentum"]
ActivationName = Literal["sigmoid", "tanh", "relu", "leaky_relu", "gelu", "identity"]
InitName = Literal["glorot_uniform", "zeros"]
MetricName = Literal["top1", "top5"]
PrecisionName = Literal["float32", "float64", "tf32", "bf16"]

RUN_FIELDS = ("device", "workers", "threads", "replicas", "out")
"""Fields that say how to run and where to write; they are no part of a study's identity."""

_COUNT = checks.whole("a whole number of at least 1")
_RATE = checks.real("a finite number above 0", lambda x: x > 0)


def _choice(literal: Any) -> BeforeValidator:
    return BeforeValidator(checks.choice(get_args(literal)))


_Count = Annotated[int, BeforeValidator(_COUNT)]
_Counts = Annotated[tuple[int, ...], BeforeValidator(checks.several(_COUNT, "one or more whole numbers of at least 1"))]
_Rates = Annotated[
    tuple[float, ...], BeforeValidator(checks.several(_RATE, "one or more finite numbers above 0", descending=True))
]
_Momentum = Annotated[float, BeforeValidator(checks.real("a number above 0 and below 1", lambda x: 0 < x < 1))]
_Decay = Annotated[float, BeforeValidator(checks.real("a finite number of at least 0", lambda x: x >= 0))]
_Source = Annotated[str, BeforeValidator(checks.text("the name of a built-in data set or a file"))]
_Folder = Annotated[str | None, BeforeValidator(checks.optional(checks.text("a folder")))]
_MaybeCount = Annotated[int | None, BeforeValidator(checks.optional(_COUNT))]


class SweepConfig(BaseModel):
    """Everything that can be asked of a sweep, with the defaults.

    The same names are the keyword arguments of :func:`capacity.sweep`, the options of `capacity sweep` (with `-` for
    `_`) and the keys of study.toml. Lists are sorted and may not repeat a value.

    Raises
    ------
    InputError
        One sentence: which key, what was expected, what came.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: _Source = Field("digits", description="data set: a built-in name or a file")
    widths: _Counts = Field((1, 2, 4, 8, 16, 32, 64, 128), description="hidden units per layer, one network each")
    depths: _Counts = Field((1,), description="numbers of hidden layers")
    lrs: _Rates = Field((0.1, 0.01), description="learning rates; the best is chosen per width on the training error")
    epochs: _Count = Field(100, description="passes over the training set")
    batch: _Count = Field(32, description="examples per step")
    seeds: _Count = Field(3, description="runs per network and learning rate, with seeds 0, 1, ...")
    optimizer: Annotated[OptimizerName, _choice(OptimizerName)] = Field("sgd", description="optimizer")
    momentum: _Momentum = Field(0.9, description="momentum of the optimizer 'momentum'")
    weight_decay: _Decay = Field(0.0, description="weight decay, added to the gradient as weight_decay * w")
    activation: Annotated[ActivationName, _choice(ActivationName)] = Field(
        "sigmoid", description="activation of the hidden layers"
    )
    init: Annotated[InitName, _choice(InitName)] = Field(
        "glorot_uniform", description="initial weights of the hidden layers"
    )
    output_init: Annotated[InitName, _choice(InitName)] = Field(
        "zeros", description="initial weights of the softmax layer"
    )
    metric: Annotated[MetricName, _choice(MetricName)] = Field(
        "top1", description="training error that selects the learning rate and is drawn"
    )
    precision: Annotated[PrecisionName, _choice(PrecisionName)] = Field(
        "float32", description="floating-point type; tf32 and bf16 are of products on device cuda, all else float32"
    )

    device: _Source = Field("auto", description="device to train on")
    workers: _Count = Field(1, description="local processes; 1 trains in this process")
    threads: _MaybeCount = Field(None, description="CPU threads, shared among the workers; all cores when not given")
    replicas: _MaybeCount = Field(
        None, description="most trials of a network trained together; as many as fit into memory when not given"
    )
    out: _Folder = Field(None, description="study folder; studies/sweep-DATA-HASH when not given")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(_sentence(error)) from None
        if self.optimizer != "momentum" and self.momentum != SweepConfig.model_fields["momentum"].default:
            raise InputError(
                f"momentum is used by optimizer 'momentum' only, got momentum={self.momentum} with "
                f"optimizer '{self.optimizer}'; leave one of the two out or set optimizer='momentum'."
            )

    def identity(self) -> dict[str, Any]:
        """Return the fields that make two studies the same study or different ones, in the order of the class."""
        fields = self.model_dump(exclude=set(RUN_FIELDS))
        if self.optimizer != "momentum":
            del fields["momentum"]
        return fields


def _sentence(error: ValidationError) -> str:
    """Say the first thing wrong in one sentence."""
    first = error.errors()[0]
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"unknown setting '{key}'{did_you_mean(key, SweepConfig.model_fields)}."
    return f"{key} {first['ctx']['error']}."


def load_config(path: str | Path, **overrides: Any) -> SweepConfig:
    """Read a SweepConfig from a TOML file; `overrides` replace what the file says.

    A relative `data` that is a file beside the TOML file, and a relative `out`, are taken from the TOML file's
    folder, so that the file means the same wherever it is used from.

    Raises
    ------
    InputError
        When the file is missing, is not TOML, or holds an unknown key or a value that cannot be used.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the settings file '{path}': {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"'{path}' is not valid TOML: {error}.") from None
    values = _placed(values, path.parent)
    try:
        config = SweepConfig(**values)
    except InputError as error:
        raise InputError(f"in '{path}': {error}") from None
    return SweepConfig(**{**values, **overrides}) if overrides else config


def _placed(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `values` with relative paths taken from `folder`."""
    placed = dict(values)
    if isinstance(placed.get("data"), str) and (folder / placed["data"]).is_file():
        placed["data"] = str(folder / placed["data"])
    if isinstance(placed.get("out"), str):
        placed["out"] = str(folder / placed["out"])
    return placed
