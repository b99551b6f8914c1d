"""Studies of effective model complexity: the searches' answers, what is kept, and resuming."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity.analysis.certificate import Certificate
from capacity.errors import InputError
from capacity.experiments import EmcConfig, Interrupted, Snapshot, Study, progress, run_study
from capacity.experiments.emc_certificates import read_certificate
from capacity.experiments.emc_plan import CARRIED, EmcPlan, _rank
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.roster import finished_rows, replay
from tests.study_cases import WALL_CLOCK, tiny_data

SETTINGS: dict[str, Any] = {
    "widths": 2, "labels": "random", "classes": 2, "lrs": 0.5, "seeds": 2, "first": 4, "increment": 2, "steps": 400,
    "batch": 8, "threads": 1,
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data(tmp_path)


def emc(data: Path, out: Path, **settings: Any) -> Study:
    return run_study(EmcConfig(data=str(data), out=str(out), **(SETTINGS | settings)))


def plan_of(study: Study) -> EmcPlan:
    assert isinstance(study.config, EmcConfig)
    plan = EmcPlan(study.config, study.facts["data_digest"])
    rows = finished_rows(study.path)
    replay(plan, lambda trial: rows.get(trial.key))
    return plan


def answers(study: Study) -> dict[tuple[int, int], bool]:
    (search,) = plan_of(study).searches.values()
    return search.answers()


def by_hand(data: Path, n: int, seed: int, *, every: int, steps: int, lr: float) -> int | None:
    """Train one network on n random rows with random labels; return the step at which it had fitted."""
    derived = capacity.data.derive_dataset(capacity.open_dataset(data), labels="random", classes=2)
    trainer = capacity.Trainer(
        capacity.MLP((2,), "relu", output_init="glorot_uniform"), derived, batch=8, lrs=[lr], seeds=[seed], samples=[n]
    )
    while trainer.evaluate("train").top1[0] > 0:
        if trainer.step >= steps:
            return None
        trainer.advance(every)
    return trainer.step


def test_a_scan_has_the_trainings_and_the_answers_of_a_loop_by_hand(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study", search="scan", early=False)
    expected = {}
    for seed in (0, 1):
        for n in range(4, 61, 2):
            expected[n, seed] = by_hand(data, n, seed, every=20, steps=400, lr=0.5)
            if expected[n, seed] is None:
                break
    assert answers(study) == {pair: step is not None for pair, step in expected.items()}
    assert {(row["samples"], row["seed"]): row["step"] for row in study.rows() if row["outcome"] == "fitted"} == {
        pair: step for pair, step in expected.items() if step is not None
    }


def test_a_bracket_finds_the_threshold_of_a_scan_where_outcomes_are_monotone(tmp_path: Path, data: Path) -> None:
    found, scanned = (
        answers(emc(data, tmp_path / search, search=search, early=False, n_max=20, retests=9))
        for search in ("bracket", "scan")
    )
    for (n, seed), fitted in scanned.items():
        assert found.get((n, seed), fitted) == fitted


def test_what_fitted_leaves_a_row_and_what_did_not_leaves_its_parameters(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study")
    files = {path.stem for path in (study.path / "trials").glob("*.h5")}
    outcomes = {row["key"]: row["outcome"] for row in study.rows()}
    assert {key for key, outcome in outcomes.items() if outcome != "fitted"} == files
    assert "fitted" in outcomes.values()
    row = next(row for row in study.rows() if row["outcome"] == "fitted")
    assert (row["train_top1"], row["fewest_wrong"], row["hopeless_step"]) == (0.0, 0, None)
    assert emc(data, study.path).rows() == study.rows()


def test_every_failure_that_counts_has_had_its_whole_budget_and_has_a_certificate(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study", steps=2000)
    outcomes = {row["key"]: row["outcome"] for row in study.rows()}
    assert "stalled" in outcomes.values()
    (search,) = plan_of(study).searches.values()
    failures = search.failures()
    assert {trial.seed for trial in failures} == {0, 1}
    for trial in failures:
        assert outcomes[trial.key] == "step_limit"
        found = read_certificate(study.path, trial.key)
        assert isinstance(found, Certificate)
        assert found.code in ("not_fitted_at_minimum", "not_fitted_at_saddle", "out_of_budget")
        row = next(row for row in study.rows() if row["key"] == trial.key)
        assert found.loss == pytest.approx(row["train_loss"], rel=1e-4)
        assert found.smallest < found.largest
    assert {path.stem for path in (study.path / "certificates").iterdir()} == {trial.key for trial in failures}


def test_of_several_rates_the_one_that_most_seeds_fit_with_is_used_for_an_octave(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study", lrs=(0.5, 0.001), seeds=3)
    octaves: dict[int, list[dict[str, Any]]] = {}
    for row in study.rows():
        octaves.setdefault(int(math.log2(row["samples"])), []).append(row)
    for rows in octaves.values():
        both = [row for row in rows if {r["lr"] for r in rows if _pair(r) == _pair(row)} == {0.5, 0.001}]
        fits = {lr: sum(row["outcome"] == "fitted" for row in both if row["lr"] == lr) for lr in (0.5, 0.001)}
        assert both
        if fits[0.5] != fits[0.001]:
            assert {row["lr"] for row in rows if row not in both} <= {max(fits, key=fits.__getitem__)}


def _pair(row: dict[str, Any]) -> tuple[int, int]:
    return row["samples"], row["seed"]


def test_a_rate_is_chosen_by_all_seeds_and_not_by_the_fastest_of_one() -> None:
    def row(outcome: str, step: int, wrong: int, loss: float = 0.1) -> dict[str, Any]:
        return {"outcome": outcome, "step": step, "fewest_wrong": wrong, "train_loss": loss}

    ranked = [
        [row("fitted", 900, 0), row("fitted", 900, 0)],
        [row("fitted", 20, 0), row("step_limit", 1000, 1)],  # fast, but for one seed only
        [row("fitted", 800, 0), row("stalled", 500, 3)],
        [row("step_limit", 1000, 2), row("step_limit", 1000, 2, 0.3)],
        [row("step_limit", 1000, 2), row("step_limit", 1000, 2, 0.4)],
        [row("step_limit", 1000, 1), row("diverged", 20, 1, math.nan)],
    ]
    assert [_rank(rows) for rows in ranked] == sorted(_rank(rows) for rows in ranked)


def test_about_a_tenth_is_carried_to_the_limit_whatever_its_curve_says(data: Path) -> None:
    config = EmcConfig(data=str(data), **(SETTINGS | {"seeds": 400})).fitted_to(capacity.open_dataset(data))
    carried = [trial for trial in EmcPlan(config, "digest").first if isinstance(trial, EmcTrial) and trial.full]
    assert len(carried) == pytest.approx(400 / CARRIED, abs=4 * math.sqrt(400 / CARRIED))


def test_a_budget_in_epochs_is_of_each_sample(tmp_path: Path, data: Path) -> None:
    # Batches of 8, looks every 20 steps: 30 epochs of n are 30 ceil(n / 8) steps, up to the next look.
    study = emc(data, tmp_path / "study", steps=None, epochs=30, early=False, increment=4)
    limits = {row["samples"]: row["steps"] for row in study.rows()}
    assert limits == {n: math.ceil(30 * math.ceil(n / 8) / 20) * 20 for n in limits}
    assert len(set(limits.values())) > 1
    failed = [row for row in study.rows() if row["outcome"] == "step_limit"]
    assert failed
    assert all(row["step"] == row["steps"] for row in failed)
    alone = emc(data, tmp_path / "alone", steps=None, epochs=30, early=False, increment=4, replicas=1)
    assert _timeless(alone) == _timeless(study)


def test_gradient_descent_takes_the_whole_sample_at_each_step(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study", optimizers="gd")
    assert all(row["batch"] >= row["samples"] for row in study.rows())
    assert {row["outcome"] for row in study.rows()} >= {"fitted"}


def test_an_interrupted_search_goes_on_to_the_same_trainings(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    unbroken = emc(data, tmp_path / "unbroken", widths=(2, 3))
    config = EmcConfig(data=str(data), out=str(tmp_path / "study"), **(SETTINGS | {"widths": (2, 3)}))
    for tells in (3, 9, 30):
        left = [tells]

        def interrupt(snapshot: Snapshot, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        with pytest.raises(Interrupted):
            run_study(config, progress=interrupt)
    study = capacity.resume(tmp_path / "study", workers=2)
    assert _timeless(study) == _timeless(unbroken)
    for path in (unbroken.path / "certificates").iterdir():
        assert path.read_bytes() == (study.path / "certificates" / path.name).read_bytes()


def _timeless(study: Study) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in WALL_CLOCK} for row in study.rows()]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"accuracy": 0}, "accuracy must be a number above 0 and at most 1, got 0."),
        ({"accuracy": 1.1}, "accuracy must be a number above 0 and at most 1, got 1.1."),
        ({"n_max": 2}, "first must be at most the largest sample, 2, got 4."),
        ({"n_max": 61}, "n_max must be at most the 60 training examples there are, got 61."),
        ({"labels": "semantic", "classes": 9}, "classes is 9"),
        ({"labels": "rndom"}, "labels must be among semantic, random, random-inputs, got 'rndom'."),
        ({"classes": 61}, "61 classes"),
        ({"resolution": 1.0}, "resolution must be a number above 0 and below 1, got 1.0."),
        ({"momentum": 0.5}, "momentum is used by optimizer 'momentum' only"),
        (
            {"epochs": 9},
            "the budget is given by epochs or by steps, got epochs=9 and steps=400; leave one of them out.",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, data: Path, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        emc(data, tmp_path / "study", **settings)
    assert not (tmp_path / "study").exists()
