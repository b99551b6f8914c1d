"""What a study of effective model complexity is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from capacity.errors import InputError
from capacity.experiments import checks, settings
from capacity.experiments.config import StudyConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from capacity.data import Dataset
    from capacity.experiments.emc_plan import EmcPlan
    from capacity.experiments.progress import Progress
    from capacity.experiments.sizing import Limit
    from capacity.experiments.trial import TrialConfig

LabelsName = Literal["semantic", "random", "random-inputs"]
SelectionName = Literal["merge", "select"]
OptimizerName = Literal["sgd", "gd", "momentum", "adam", "adamw", "shampoo"]
SearchName = Literal["bracket", "scan"]
LEARNING_RATES = {
    "sgd": (0.5, 0.1, 0.02), "gd": (2.0, 0.5, 0.1), "momentum": (0.1, 0.02, 0.005), "adam": (0.01, 0.003, 0.001),
    "adamw": (0.01, 0.003, 0.001), "shampoo": (0.5, 0.2, 0.05),
}  # fmt: skip
"""The learning rates from which one is chosen when none are given."""
STEPS = 20_000
"""The budget of a training when none is given."""

_ACCURACY = checks.real("a number above 0 and at most 1", lambda x: 0 < x <= 1)
_DEPTHS = checks.several(
    checks.whole("a whole number of at least 0", least=0), "one or more whole numbers of at least 0"
)
_CLASSES = checks.whole("a whole number of at least 2", least=2)


class EmcConfig(StudyConfig):
    """Everything that can be asked of :func:`capacity.emc`; see :class:`StudyConfig`."""

    kind: ClassVar[str] = "emc"
    run_fields: ClassVar[tuple[str, ...]] = (*StudyConfig.run_fields, "generalise")
    kept_fields: ClassVar[tuple[str, ...]] = ("generalise",)

    data: settings.Data = "digits"
    widths: settings.Widths = (4, 8, 16, 32)
    depths: Annotated[tuple[int, ...], BeforeValidator(_DEPTHS)] = Field(
        (1,), description="numbers of hidden layers; 0 is softmax regression, which has no width"
    )
    activations: Annotated[tuple[settings.ActivationName, ...], settings.some_of(settings.ActivationName)] = Field(
        ("relu",), description="activations of the hidden layers, one network each"
    )
    labels: Annotated[tuple[LabelsName, ...], settings.some_of(LabelsName)] = Field(
        ("semantic", "random"),
        description="semantic: the data's own labels; random: drawn labels; random-inputs: drawn features and labels",
    )
    classes: Annotated[
        tuple[int, ...] | None,
        BeforeValidator(checks.optional(checks.several(_CLASSES, "one or more whole numbers of at least 2"))),
    ] = Field(None, description="numbers of classes; those of the data when not given")
    selection: Annotated[SelectionName, settings.one_of(SelectionName)] = Field(
        "merge", description="how semantic labels come down to fewer classes: merge classes, or select the commonest"
    )
    optimizers: Annotated[tuple[OptimizerName, ...], settings.some_of(OptimizerName)] = Field(
        ("sgd",), description="optimizers: sgd, gd (full batch), momentum, adam, adamw, shampoo"
    )
    lrs: settings.MaybeRates = Field(
        None,
        description="learning rates, of which one is chosen per network and range of n; three if not given",
    )
    batch: settings.Batch = 32
    seeds: settings.Count = Field(5, description="samples and starts per network, with seeds 0, 1, ...")
    accuracy: Annotated[float, BeforeValidator(_ACCURACY)] = Field(
        1.0, description="share of the sample that a training must get right to count as fitted"
    )
    search: Annotated[SearchName, settings.one_of(SearchName)] = Field(
        "bracket", description="bracket: doubling, then bisection; scan: every size in turn until one fails"
    )
    first: settings.Count = Field(16, description="smallest sample")
    n_max: settings.MaybeCount = Field(None, description="largest sample; all training examples when not given")
    resolution: Annotated[float, BeforeValidator(checks.real("a number above 0 and below 1", lambda x: 0 < x < 1))] = (
        Field(0.05, description="step between sample sizes, as a fraction of n")
    )
    increment: settings.MaybeCount = Field(None, description="step between sample sizes, in examples, instead")
    retests: Annotated[int, BeforeValidator(checks.whole("a whole number of at least 0", least=0))] = Field(
        1, description="sizes tried beyond a closed bracket on either side, to find outcomes that are not monotone"
    )
    steps: settings.MaybeCount = Field(
        None, description=f"budget of a training in steps; {STEPS:,} when neither this nor epochs is given"
    )
    epochs: settings.MaybeCount = Field(None, description="budget of a training in epochs of its own sample")
    early: Annotated[bool, BeforeValidator(checks.yes_or_no)] = Field(
        True, description="end trainings early whose curve says that they will not fit, but for a random tenth"
    )
    generalise: Annotated[bool, BeforeValidator(checks.yes_or_no)] = Field(
        False, description="train each network on the largest sample too, and set its test accuracy against its EMC"
    )
    momentum: settings.Momentum = 0.9
    weight_decay: Annotated[float, BeforeValidator(settings.DECAY)] = Field(0.0, description="weight decay")
    init: settings.Init = "glorot_uniform"
    output_init: settings.OutputInit = "glorot_uniform"
    precision: settings.Precision = "float32"

    device: settings.Device = "auto"
    workers: settings.Workers = 1
    threads: settings.Threads = None
    replicas: settings.Replicas = None
    out: settings.Folder = Field(None, description="study folder; studies/emc-DATA-HASH when not given")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.generalise and "semantic" not in self.labels:
            raise InputError(
                f"generalise tests networks that are trained on semantic labels, got labels {', '.join(self.labels)}; "
                "add semantic or leave generalise out."
            )
        if self.epochs is not None and self.steps is not None:
            raise InputError(
                f"the budget is given by epochs or by steps, got epochs={self.epochs} and steps={self.steps}; leave "
                "one of them out."
            )

    @property
    def optimizer_names(self) -> tuple[str, ...]:
        return self.optimizers

    def fitted_to(self, dataset: Dataset) -> EmcConfig:
        from capacity.experiments.emc_trial import derived

        self._check_batch(dataset)
        least = len(dataset.train.labels)
        for labels in self.labels:
            for classes in self.classes or (0,):
                made = derived(dataset, labels, classes, self.selection)
                least = min(least, len(made.train.labels))
                if self.generalise and labels == "semantic" and made.test is None:
                    raise InputError(
                        f"generalise measures the error on a test split, and '{dataset.name}' has none of "
                        f"{made.classes} classes; import the data with one ('capacity data import csv --test-fraction "
                        "0.1', or test files with idx and npz) or leave generalise out."
                    )
        n_max = least if self.n_max is None else self.n_max
        if n_max > least:
            raise InputError(f"n_max must be at most the {least} training examples there are, got {n_max}.")
        if self.first > n_max:
            raise InputError(f"first must be at most the largest sample, {n_max}, got {self.first}.")
        settled: dict[str, Any] = {"n_max": n_max}
        if self.epochs is None and self.steps is None:
            settled["steps"] = STEPS
        return self.model_copy(update=settled)

    def trials(self, dataset: Dataset) -> Sequence[TrialConfig]:
        return self.plan(dataset).first

    def plan(self, dataset: Dataset) -> EmcPlan:
        from capacity.experiments.emc_plan import EmcPlan

        return EmcPlan(self, dataset.digest)

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        from capacity.experiments.emc_contradictions import contradictions

        return contradictions(self, dataset)

    def further(self, study: Path, dataset: Dataset, trials: Sequence[TrialConfig]) -> Sequence[TrialConfig]:
        from capacity.experiments.emc_certificates import uncertified
        from capacity.experiments.roster import finished_rows, replay

        plan = self.plan(dataset)
        rows = finished_rows(study)
        replay(plan, lambda trial: rows.get(trial.key))
        return uncertified(study, [trial for search in plan.searches.values() for trial in search.failures()])

    def go_further(
        self,
        study: Path,
        sizes: Mapping[TrialConfig, int],
        dataset: Dataset,
        device: str,
        limit: Limit,
        progress: Progress | None,
    ) -> None:
        from capacity.experiments.emc_certificates import write_certificates

        write_certificates(study, sizes, dataset, device, progress)
