"""What a study of convergence is asked to do: one set of fields for Python, the command line and study.toml."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from capacity.errors import InputError
from capacity.experiments import checks, settings
from capacity.experiments.config import StudyConfig

if TYPE_CHECKING:
    from capacity.data import Dataset
    from capacity.experiments.converge_trial import ConvergeTrial
    from capacity.experiments.progress import Progress
    from capacity.experiments.sizing import Limit
    from capacity.experiments.trial import TrialConfig

OptimizerName = Literal["sgd", "momentum", "adam", "adamw", "shampoo"]
LEARNING_RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 0.001, "adamw": 0.001, "shampoo": 0.2}
"""What each optimizer is used with when no learning rates are given."""
EPOCHS = 200
"""The step limit, in passes over a trial's own examples, when none is given."""

_FRACTION = checks.real("a number above 0 and at most 1", lambda x: 0 < x <= 1)
_FRACTIONS = checks.several(_FRACTION, "one or more numbers above 0 and at most 1")

_FROM_0 = "a whole number of at least 0"


class ConvergeConfig(StudyConfig):
    """Everything that can be asked of :func:`capacity.converge`; see :class:`StudyConfig`."""

    kind: ClassVar[str] = "converge"
    run_fields: ClassVar[tuple[str, ...]] = (*StudyConfig.run_fields, "alignment")
    kept_fields: ClassVar[tuple[str, ...]] = ("alignment",)

    data: settings.Data = "digits"
    widths: settings.Widths = (4, 8, 16, 32, 64, 128)
    depths: settings.Depths = (1,)
    fractions: Annotated[tuple[float, ...], BeforeValidator(_FRACTIONS)] = Field(
        (0.25, 0.5, 1.0), description="parts of the training set to train on; a seed's smaller part lies in its larger"
    )
    lrs: settings.MaybeRates = Field(
        None,
        description="learning rates, for each optimizer; when not given 0.1 for sgd, 0.01 for momentum, 0.001 for "
        "adam and adamw and 0.2 for shampoo",
    )
    optimizers: Annotated[tuple[OptimizerName, ...], settings.some_of(OptimizerName)] = Field(
        ("sgd",), description="optimizers: sgd, momentum, adam, adamw, shampoo"
    )
    batch: settings.Batch = 32
    seeds: settings.Count = Field(
        10, description="runs per setting, with seeds 0, 1, ..., each with its own start, order and part of the data"
    )
    momentum: settings.Momentum = 0.9
    weight_decay: Annotated[float | None, BeforeValidator(checks.optional(settings.DECAY))] = Field(
        None, description="weight decay; when not given 0.01 for adamw and 0 for all others"
    )
    activation: settings.Activation = "relu"
    init: settings.Init = "glorot_uniform"
    output_init: settings.OutputInit = "glorot_uniform"
    tolerance: Annotated[float, BeforeValidator(settings.DECAY)] = Field(
        0.01, description="a run has converged where its validation loss is within this fraction of the minimum"
    )
    smooth: Annotated[
        int,
        BeforeValidator(checks.whole("an odd whole number of at least 1", fits=lambda x: x % 2 == 1)),
    ] = Field(5, description="validations in the window of the running median of the smoothed halting time, odd")
    every: settings.MaybeCount = Field(
        None,
        description="steps between validations; when not given a quarter of an epoch of the smallest part of the data, "
        "but no less than trains as long as a validation takes, about",
    )
    patience: Annotated[float, BeforeValidator(settings.RATE)] = Field(
        10.0, description="a run ends when its minimum has held for so many epochs of its own examples"
    )
    epochs: settings.MaybeCount = Field(
        None, description=f"step limit in epochs of a run's own examples; {EPOCHS} when neither this nor steps is given"
    )
    steps: settings.MaybeCount = Field(None, description="step limit in steps")
    trajectory: Annotated[int | None, BeforeValidator(checks.optional(checks.whole(_FROM_0, least=0)))] = Field(
        None,
        description="record the path through weight space at every so many steps, 0 for not at all; when not given, at "
        "every validation",
    )
    alignment: Annotated[bool, BeforeValidator(checks.yes_or_no)] = Field(
        False, description="run what has converged a second time, for the angle to where it ended"
    )
    precision: settings.Precision = "float32"

    device: settings.Device = "auto"
    workers: settings.Workers = 1
    threads: settings.Threads = None
    replicas: settings.Replicas = None
    out: settings.Folder = Field(None, description="study folder; studies/converge-DATA-HASH when not given")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.epochs is not None and self.steps is not None:
            raise InputError(
                f"the step limit is given by epochs or by steps, got epochs={self.epochs} and steps={self.steps}; "
                "leave one of them out."
            )
        if self.alignment and self.trajectory == 0:
            raise InputError("alignment is of a recorded path, got trajectory=0 with it; leave one of the two out.")

    @property
    def optimizer_names(self) -> tuple[str, ...]:
        return self.optimizers

    def fitted_to(self, dataset: Dataset) -> ConvergeConfig:
        if dataset.test is None:
            raise InputError(
                f"a halting time is measured on a test split, and '{dataset.name}' has none; import the data with one "
                "('capacity data import csv --test-fraction 0.1', or test files with idx and npz), or write one with "
                "save_dataset(test=...)."
            )
        self._check_batch(dataset)
        sizes = self.sizes(dataset)
        if min(sizes) < self.batch:
            raise InputError(
                f"fractions must leave at least a batch of {self.batch} of the {len(dataset.train.labels)} training "
                f"samples of '{dataset.name}', got {self.fractions[0]:g}, which leaves {min(sizes)}."
            )
        if len(set(sizes)) < len(sizes):
            raise InputError(f"fractions must give different numbers of samples, got {', '.join(map(str, sizes))}.")
        settled: dict[str, Any] = {}
        if self.every is None:
            quarter = math.ceil(min(sizes) / self.batch / 4)
            # A step is a forward pass, and about two more for the gradients.
            settled["every"] = max(quarter, math.ceil(len(dataset.test.labels) / (3 * self.batch)))
        if self.trajectory is None:
            settled["trajectory"] = settled.get("every", self.every)
        if self.epochs is None and self.steps is None:
            settled["epochs"] = EPOCHS
        return self.model_copy(update=settled)

    def further(self, study: Path, dataset: Dataset, trials: Sequence[TrialConfig]) -> Sequence[TrialConfig]:
        from capacity.experiments.alignment import unaligned

        return unaligned(study, trials) if self.alignment else ()

    def go_further(
        self,
        study: Path,
        sizes: Mapping[TrialConfig, int],
        dataset: Dataset,
        device: str,
        limit: Limit,
        progress: Progress | None,
    ) -> None:
        from capacity.experiments.alignment import align

        align(study, sizes, dataset, device=device, threads=self.threads, limit=limit, progress=progress)

    def sizes(self, dataset: Dataset) -> list[int]:
        """Return n, the training samples of each fraction, as the fractions are: ascending."""
        return [round(fraction * len(dataset.train.labels)) for fraction in self.fractions]

    def trials(self, dataset: Dataset) -> list[ConvergeTrial]:
        from capacity.experiments.converge_trial import trials_of

        return trials_of(self, dataset)
