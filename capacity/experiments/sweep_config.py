"""What a sweep is asked to do: one set of fields for Python, the command line and study.toml."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from capacity.errors import InputError
from capacity.experiments import settings
from capacity.experiments.config import StudyConfig

if TYPE_CHECKING:
    from capacity.data import Dataset
    from capacity.experiments.sweep_trial import SweepTrial

OptimizerName = Literal["sgd", "momentum"]
MetricName = Literal["top1", "top5"]
MOST_UNEVEN = 0.2
"""Share of a window's labels that may be other than the whole's before a person is told."""


class SweepConfig(StudyConfig):
    """Everything that can be asked of :func:`capacity.sweep`; see :class:`StudyConfig`."""

    kind: ClassVar[str] = "sweep"
    run_fields: ClassVar[tuple[str, ...]] = (*StudyConfig.run_fields, "memory")
    kept_fields: ClassVar[tuple[str, ...]] = ("memory",)

    data: settings.Data = "digits"
    widths: settings.Widths = (1, 2, 4, 8, 16, 32, 64, 128)
    depths: settings.Depths = (1,)
    lrs: settings.Rates = Field(
        (0.1, 0.01), description="learning rates; the best is chosen per width on the training error"
    )
    epochs: settings.Count = Field(100, description="passes over the training set")
    batch: settings.Batch = 32
    seeds: settings.Count = Field(3, description="runs per network and learning rate, with seeds 0, 1, ...")
    optimizer: Annotated[OptimizerName, settings.one_of(OptimizerName)] = Field("sgd", description="optimizer")
    momentum: settings.Momentum = 0.9
    weight_decay: Annotated[float, BeforeValidator(settings.DECAY)] = Field(
        0.0, description="weight decay, added to the gradient as weight_decay * w"
    )
    activation: settings.Activation = "sigmoid"
    init: settings.Init = "glorot_uniform"
    output_init: settings.OutputInit = "zeros"
    metric: Annotated[MetricName, settings.one_of(MetricName)] = Field(
        "top1", description="training error that selects the learning rate and is drawn"
    )
    precision: settings.Precision = "float32"

    device: settings.Device = "auto"
    workers: settings.Workers = 1
    threads: settings.Threads = None
    replicas: settings.Replicas = None
    memory: settings.Memory = None
    out: settings.Folder = Field(None, description="study folder; studies/sweep-DATA-HASH when not given")

    if TYPE_CHECKING:  # else a type checker makes one of the fields

        def __init__(self, **values: Any) -> None: ...

    @property
    def optimizer_names(self) -> tuple[str, ...]:
        return (self.optimizer,)

    def open_data(self) -> Dataset:
        """Return the data set, to be read in windows where it does not fit into memory."""
        from capacity.data import open_dataset
        from capacity.sizes import default_memory

        return open_dataset(self.data, memory=self.memory or default_memory())

    def fitted_to(self, dataset: Dataset) -> SweepConfig:
        from capacity.data.windows import unevenness

        self._check_batch(dataset)
        if self.metric == "top5" and dataset.classes <= 5:
            raise InputError(
                f"metric must be 'top1' for '{dataset.name}', got 'top5': with {dataset.classes} classes "
                "the top-5 error is always 0."
            )
        if dataset.windows is None:
            return self.model_copy(update={"memory": None})
        stream = dataset.windows.training(dataset.train.reader, self.batch)
        if (uneven := unevenness(stream, dataset.train.labels)) > MOST_UNEVEN:
            warnings.warn(
                f"the rows of '{dataset.name}' are more or less sorted by class: the windows in which they are read "
                f"differ from the whole in {uneven:.0%} of their labels; shuffle the file with 'capacity data shuffle'",
                stacklevel=2,
            )
        if self.workers > 1:
            raise InputError(
                f"workers must be 1 for '{dataset.name}', got {self.workers}: it is larger than memory, and read once "
                "for all trials; leave workers out (threads use all cores), or give more memory."
            )
        return self.model_copy(update={"memory": str(dataset.windows.memory)})

    def trials(self, dataset: Dataset) -> list[SweepTrial]:
        from capacity.experiments.sweep_trial import trials_of

        return trials_of(self, dataset.digest)
