"""The settings that kinds of studies share: what each may be, and what it is, said once for every kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from capacity.experiments import checks

ActivationName = Literal["sigmoid", "tanh", "relu", "leaky_relu", "gelu", "identity"]
InitName = Literal["glorot_uniform", "zeros"]
PrecisionName = Literal["float32", "float64", "tf32", "bf16"]

COUNT = checks.whole("a whole number of at least 1")
RATE = checks.real("a finite number above 0", lambda x: x > 0)


def one_of(literal: Any) -> BeforeValidator:
    """Return the check for one of a literal's names."""
    return BeforeValidator(checks.choice(get_args(literal)))


def some_of(literal: Any) -> BeforeValidator:
    """Return the check for one or more of a literal's names, sorted as it lists them: the plainest first."""
    names = get_args(literal)
    several = checks.several(checks.choice(names), f"among {', '.join(names)}")
    return BeforeValidator(lambda value: tuple(sorted(several(value), key=names.index)))


Count = Annotated[int, BeforeValidator(COUNT)]
MaybeCount = Annotated[int | None, BeforeValidator(checks.optional(COUNT))]
_Counts = Annotated[tuple[int, ...], BeforeValidator(checks.several(COUNT, "one or more whole numbers of at least 1"))]
_RATES = checks.several(RATE, "one or more finite numbers above 0", descending=True)
Rates = Annotated[tuple[float, ...], BeforeValidator(_RATES)]
MaybeRates = Annotated[tuple[float, ...] | None, BeforeValidator(checks.optional(_RATES))]
DECAY = checks.real("a finite number of at least 0", lambda x: x >= 0)
_Source = Annotated[str, BeforeValidator(checks.text("the name of a built-in data set or a file"))]

Data = Annotated[_Source, Field(description="data set: a built-in name or a file")]
Widths = Annotated[_Counts, Field(description="hidden units per layer, one network each")]
Depths = Annotated[_Counts, Field(description="numbers of hidden layers")]
Batch = Annotated[Count, Field(description="examples per step")]
Momentum = Annotated[
    float,
    BeforeValidator(checks.real("a number above 0 and below 1", lambda x: 0 < x < 1)),
    Field(description="momentum of the optimizer 'momentum'"),
]
Activation = Annotated[ActivationName, one_of(ActivationName), Field(description="activation of the hidden layers")]
Init = Annotated[InitName, one_of(InitName), Field(description="initial weights of the hidden layers")]
OutputInit = Annotated[InitName, one_of(InitName), Field(description="initial weights of the softmax layer")]
Precision = Annotated[
    PrecisionName,
    one_of(PrecisionName),
    Field(description="floating-point type; tf32 (device cuda) and bf16 are of products, all else float32"),
]

Device = Annotated[_Source, Field(description="device to train on")]
Workers = Annotated[Count, Field(description="local processes; 1 trains in this process")]
Threads = Annotated[MaybeCount, Field(description="CPU threads, shared among the workers; all cores when not given")]
Replicas = Annotated[
    MaybeCount,
    Field(description="most trials of a network trained together; as many as fit into memory when not given"),
]
Memory = Annotated[
    str | None,
    BeforeValidator(checks.optional(checks.memory)),
    Field(description="memory for the data, as 512MB; larger sets are read in windows; half of all when not given"),
]
Folder = Annotated[str | None, BeforeValidator(checks.optional(checks.text("a folder")))]
