"""How many trials are trained together: as asked, as the CPU's rule says, or as fit into a GPU's memory."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import capacity
from capacity.engine.cuda.cublas import WORKSPACE_BYTES
from capacity.engine.cuda.cupy_backend import CupyBackend
from capacity.engine.cuda.data import RESERVE_BYTES, WINDOW_BYTES
from capacity.engine.cuda.errors import FullError
from capacity.experiments import SweepConfig
from capacity.experiments.sizing import CONTEXT_BYTES, GROUP_PARAMETERS, group_limit
from capacity.experiments.sweep_trial import trials_of
from capacity.training import memory
from capacity.training.memory import Need, cuda_need, replicas_that_fit
from tests import fake_cuda
from tests.study_cases import SETTINGS, assert_same_numbers, assert_whole, tiny_data, trial_file

GIB = 1 << 30


@pytest.fixture
def dataset(tmp_path: Path) -> capacity.data.Dataset:
    return capacity.open_dataset(tiny_data(tmp_path))


(TRIAL,) = trials_of(SweepConfig(widths=2, lrs=0.1, seeds=1), "digest")


@pytest.mark.parametrize(
    ("each", "fixed", "free", "replicas"),
    [(10, 5, 35, 3), (10, 5, 34, 2), (10, 5, 15, 1), (10, 5, 14, 0), (10, 50, 20, 0), (1, 0, 0, 0)],
)
def test_what_is_left_beside_the_fixed_part_is_divided(each: int, fixed: int, free: int, replicas: int) -> None:
    assert replicas_that_fit(each, fixed, free) == replicas


def test_data_that_leave_no_room_for_a_replica_are_streamed() -> None:
    need = Need(each=10, fixed=5, data=70)
    assert need.replicas(105) == 3
    assert need.replicas(85) == 1
    assert need.replicas(84) == 7
    assert need.replicas(15) == 1
    assert need.replicas(14) == 0


def test_as_many_as_asked_for(dataset: capacity.data.Dataset) -> None:
    for device in ("cpu", "reference", "cuda"):
        assert group_limit(7, device, 1, dataset, {TRIAL: 2 * GROUP_PARAMETERS})(TRIAL) == 7


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_on_the_cpu_by_the_number_of_parameters(dataset: capacity.data.Dataset, device: str) -> None:
    for size, most in [(100, GROUP_PARAMETERS // 100), (GROUP_PARAMETERS, 1), (2 * GROUP_PARAMETERS, 1)]:
        assert group_limit(None, device, 4, dataset, {TRIAL: size})(TRIAL) == most


@pytest.fixture
def limit(dataset: capacity.data.Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], int]:
    """The limit, by free bytes of a GPU and number of workers, for a network that takes 3 GiB and 2 per replica."""

    def of(free: int, workers: int) -> int:
        monkeypatch.setattr(memory, "cuda_free", lambda: free)
        monkeypatch.setattr(memory, "cuda_need", lambda *_, **__: Need(each=2 * GIB, fixed=3 * GIB, data=0))
        return group_limit(None, "cuda", workers, dataset, {TRIAL: 1})(TRIAL)

    return of


def test_on_a_gpu_by_its_free_memory_shared_among_workers(limit: Callable[[int, int], int]) -> None:
    assert limit(23 * GIB, 1) == 10
    assert limit(23 * GIB - 1, 1) == 9
    assert limit(46 * GIB + 2 * CONTEXT_BYTES, 2) == 10
    assert limit(46 * GIB, 2) == 9


def test_where_not_even_one_fits_it_is_said_what_to_lower(limit: Callable[[int, int], int]) -> None:
    with pytest.raises(FullError) as caught:
        limit(4 * GIB, 1)
    assert str(caught.value) == (
        "device 'cuda' cannot be used: width 2, depth 1 with batch 32 and replicas 1 needs 5.00 GiB, and 4.00 GiB are "
        "free; lower width or batch (replicas is at its least), end what else runs on the GPU (see 'nvidia-smi'), or "
        "use device 'cpu'."
    )
    with pytest.raises(FullError) as caught:
        limit(9 * GIB, 2)
    assert str(caught.value) == (
        "device 'cuda' cannot be used: width 2, depth 1 with batch 32 and replicas 1 needs 5.00 GiB, and 4.00 GiB are "
        "free for each worker; lower width, batch or workers (replicas is at its least), or use device 'cpu'."
    )
    with pytest.raises(FullError, match=r"and 0\.00 GiB are free for each worker"):
        limit(100, 2)


def test_what_a_worker_process_says_of_a_gpu_reaches_its_parent() -> None:
    error = pickle.loads(pickle.dumps(FullError("the GPU is full", "use smaller sizes")))
    assert (type(error), error.reason, error.remedy) == (FullError, "the GPU is full", "use smaller sizes")
    assert str(error) == str(FullError("the GPU is full", "use smaller sizes"))


def test_asked_for_replicas_are_trained_together_and_change_no_number(
    tmp_path: Path, dataset: capacity.data.Dataset
) -> None:
    whole = capacity.sweep(dataset, out=tmp_path / "whole", device="cpu", **SETTINGS)
    study = capacity.sweep(dataset, out=tmp_path / "study", device="cpu", replicas=3, **SETTINGS)
    assert_whole(study)
    assert_same_numbers(study, whole)
    assert replicas_of(study) == [3, 3, 3, 1] * 2
    assert "replicas =" not in (study.path / "study.toml").read_text()
    for row in study.rows()[:2]:
        (study.path / "trials" / f"{row['key']}.h5").unlink()
    again = capacity.resume(study.path, threads=1, replicas=1)
    assert_same_numbers(again, whole)
    assert replicas_of(again) == [1, 1, 3, 1, 3, 3, 3, 1]


def replicas_of(study: capacity.Study) -> list[int]:
    """Return how many trials were trained together with each."""
    counts = []
    for row in study.rows():
        with trial_file(study, row["key"]) as file:
            counts.append(json.loads(file.attrs["provenance"])["replicas"])
    return counts


class TestOnAGpu:
    pytestmark = fake_cuda.possible

    @pytest.mark.parametrize("precision", ["float32", "float64", "bf16"])
    def test_a_trainer_on_a_gpu_takes_what_was_foreseen(
        self, tmp_path: Path, dataset: capacity.data.Dataset, monkeypatch: pytest.MonkeyPatch, precision: str
    ) -> None:
        asked: list[int] = []
        empty = CupyBackend.empty
        monkeypatch.setattr(CupyBackend, "empty", lambda self, nbytes: asked.append(nbytes) or empty(self, nbytes))
        with fake_cuda.gpu(tmp_path):
            trainer = capacity.Trainer(
                TRIAL.model(), dataset, batch=16, lrs=[0.1] * 3, seeds=[0, 1, 2], precision=precision, device="cuda"
            )
            trainer.evaluate()
            trainer.advance(1)
        apart = {WORKSPACE_BYTES, dataset.train.features.nbytes, dataset.train.labels.nbytes}
        need = cuda_need(TRIAL.model(), dataset, 16, capacity.SGD(), precision)
        assert need.data == 0  # so few that windows would take more
        foreseen = 3 * need.each + need.fixed - RESERVE_BYTES - 4 * WINDOW_BYTES
        assert foreseen <= sum(nbytes for nbytes in asked if nbytes not in apart) <= 1.01 * foreseen

    def test_a_study_on_a_gpu_is_sized_to_fit(self, tmp_path: Path, dataset: capacity.data.Dataset) -> None:
        need = cuda_need(TRIAL.model(), dataset, SETTINGS["batch"], capacity.SGD(), "float32")
        with fake_cuda.gpu(tmp_path, FAKE_CUPY_FREE=str(need.fixed + 4 * need.each - 1)):
            study = capacity.sweep(dataset, out=tmp_path / "study", device="cuda", **(SETTINGS | {"widths": 2}))
        assert_whole(study)
        assert replicas_of(study) == [3, 3, 3, 1]
