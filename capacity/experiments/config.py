"""What every kind of study is asked to do: the fields that all have, and what can be said of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from capacity.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self

    from capacity.data import Dataset
    from capacity.experiments.progress import Progress
    from capacity.experiments.roster import Plan
    from capacity.experiments.sizing import Limit
    from capacity.experiments.trial import TrialConfig


class StudyConfig(BaseModel):
    """Everything that can be asked of a study, with the defaults; each kind of study has its own class.

    The names of the fields are the keyword arguments of the kind's function, the options of its command (with `-` for
    `_`) and the keys of study.toml. Lists are sorted and may not repeat a value.

    Raises
    ------
    InputError
        One sentence: which key, what was expected, what came.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    """The name of the kind, that of its command."""
    run_fields: ClassVar[tuple[str, ...]] = ("device", "workers", "threads", "replicas", "out")
    """Fields that say how to run and where to write; they are no part of a study's identity."""
    kept_fields: ClassVar[tuple[str, ...]] = ()
    """Those of them that study.toml keeps once they were asked for, so that the study goes on with them."""

    if TYPE_CHECKING:  # every kind lists all its fields itself, in the order of its help
        data: str
        widths: tuple[int, ...]
        depths: tuple[int, ...]
        batch: int
        momentum: float
        activation: str
        precision: str
        device: str
        workers: int
        threads: int | None
        replicas: int | None
        out: str | None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(self._sentence(error)) from None
        if "momentum" not in self.optimizer_names and self.momentum != type(self).model_fields["momentum"].default:
            raise InputError(
                f"momentum is used by optimizer 'momentum' only, got momentum={self.momentum} with optimizers "
                f"{', '.join(self.optimizer_names)}; leave momentum out or ask for optimizer 'momentum'."
            )

    @property
    @abstractmethod
    def optimizer_names(self) -> tuple[str, ...]:
        """The optimizers asked for."""

    def open_data(self) -> Dataset:
        """Return the data set as the trials read it: here with random access to all rows, wherever these lie."""
        from capacity.data import open_dataset

        return open_dataset(self.data)

    @abstractmethod
    def fitted_to(self, dataset: Dataset) -> Self:
        """Return these settings with what they leave to the data filled in.

        Raises
        ------
        InputError
            When the data do not allow what is asked.
        """

    @abstractmethod
    def trials(self, dataset: Dataset) -> Sequence[TrialConfig]:
        """Return the trials that the study begins with; `self` is fitted to the data."""

    def plan(self, dataset: Dataset) -> Plan:
        """Return which trials there are, and which further ones their results call for."""
        from capacity.experiments.roster import Plan

        return Plan(self.trials(dataset))

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """Return what a study of this kind keeps of its data besides what all do."""
        return {}

    def further(self, study: Path, dataset: Dataset, trials: Sequence[TrialConfig]) -> Sequence[TrialConfig]:
        """Return the trials with which there is something left to do when all have ended."""
        return ()

    def go_further(
        self,
        study: Path,
        sizes: Mapping[TrialConfig, int],
        dataset: Dataset,
        device: str,
        limit: Limit,
        progress: Progress | None,
    ) -> None:
        """Do that, to trials that `further` returned; `sizes` has the number of parameters of each."""

    def kept(self) -> dict[str, Any]:
        """Return what was asked for among `kept_fields`."""
        return {name: value for name in self.kept_fields if (value := getattr(self, name))}

    def identity(self) -> dict[str, Any]:
        """Return the fields that make two studies the same study or different ones, in the order of the class."""
        fields = self.model_dump(exclude=set(self.run_fields))
        if "momentum" not in self.optimizer_names:
            del fields["momentum"]
        return fields

    def _check_batch(self, dataset: Dataset) -> None:
        samples = len(dataset.train.labels)
        if self.batch > samples:
            raise InputError(
                f"batch must be at most {samples}, the number of training samples of '{dataset.name}', "
                f"got {self.batch}."
            )

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        """Say the first thing wrong in one sentence."""
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            return f"unknown setting '{key}'{did_you_mean(key, cls.model_fields)}."
        return f"{key} {first['ctx']['error']}."
