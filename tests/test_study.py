"""The study folder: its files, its database, reading and exporting it, and refusing what is not this study."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

import capacity
from capacity.errors import InputError, StudyError
from capacity.experiments import Outcome, Study, export, load_config
from tests.study_cases import SETTINGS, assert_whole, tiny_data, trial_file


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study, not to be changed."""
    folder = tmp_path_factory.mktemp("study")
    return capacity.sweep(tiny_data(folder), out=folder / "study", **SETTINGS)


def test_the_folder_holds_what_it_should_and_nothing_else(study: Study) -> None:
    assert_whole(study)
    assert study.status().total == 8
    assert study.status().owner is None
    assert study.data_name == "tiny data"
    assert study.dataset_size == 60


def test_study_toml_says_what_was_asked_and_repeats_it(study: Study, tmp_path: Path) -> None:
    config = load_config(study.path / "study.toml")
    assert config.identity() == study.config.identity()
    assert Path(config.data).is_absolute()
    again = capacity.sweep(**{**config.model_dump(), "out": tmp_path / "again"})
    assert [row["key"] for row in again.rows()] == [row["key"] for row in study.rows()]


def test_the_database_can_be_read_with_sqlite_alone(study: Study) -> None:
    with closing(sqlite3.connect(study.path / "study.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        facts = dict(database.execute("SELECT name, value FROM study"))
        found = database.execute("SELECT count(*), min(train_loss), max(provenance) FROM trials").fetchone()
    assert facts["samples"] == 60
    assert facts["test_samples"] == 20
    assert facts["inputs"] == 5
    assert facts["classes"] == 7
    assert facts["device"] == "cpu"
    assert found[:2] == (8, min(row["train_loss"] for row in study.rows()))
    assert json.loads(found[2])["capacity"] == capacity.__version__


def test_a_trial_file_says_what_it_is_and_agrees_with_the_table(study: Study) -> None:
    for row in study.rows():
        with trial_file(study, row["key"]) as file:
            assert file.attrs["format"] == "capacity-trial/1"
            assert file.attrs["state"] == "done"
            assert file.attrs["outcome"] == row["outcome"]
            config = json.loads(file.attrs["config"])
            assert {name: row[name] for name in config} == config
            assert file["checkpoint"].attrs["step"] == row["step"] == 12
            layout = json.loads(file["checkpoint/parameters"].attrs["layout"])
            names = ["hidden1/weight", "hidden1/bias", "softmax/weight", "softmax/bias"]
            assert [name for name, _ in layout] == names
            assert sum(math.prod(shape) for _, shape in layout) == row["parameters"]
            assert file["checkpoint/parameters"].shape == (row["parameters"],)
            assert file["checkpoint/parameters"].dtype == np.float32


def test_the_parameters_are_counted(study: Study) -> None:
    assert {row["width"]: row["parameters"] for row in study.rows()} == {
        2: 5 * 2 + 2 + 2 * 7 + 7,
        3: 5 * 3 + 3 + 3 * 7 + 7,
    }


def test_rows_end_where_the_curves_end(study: Study) -> None:
    for row in study.rows():
        curves = study.curves(row["key"])
        assert {len(values) for values in curves.values()} == {row["epochs_done"] + 1} == {4}
        for name in ("train_loss", "train_top1", "train_top5", "test_loss", "test_top1", "test_top5"):
            assert curves[name][-1] == row[name]
        assert curves["seconds"].sum() == pytest.approx(row["seconds"])
        assert math.isnan(curves["examples_per_second"][0])
        training = (60 / curves["examples_per_second"][1:]).sum()
        assert 3 * 60 / training == pytest.approx(row["examples_per_second"])
        assert training < row["seconds"]


def test_provenance_names_versions_machine_data_and_threads(study: Study) -> None:
    with trial_file(study, study.rows()[0]["key"]) as file:
        provenance = json.loads(file.attrs["provenance"])
    assert provenance["numpy"] == np.__version__
    assert provenance["device"] == "cpu"
    assert provenance["precision"] == "float32"
    assert provenance["threads"] == 1
    assert provenance["replicas"] == 4
    assert provenance["data"]["name"] == "tiny data"
    assert Path(provenance["data"]["path"]).is_file()
    assert {"python", "scipy", "platform", "host", "processor", "since"} <= set(provenance)
    assert "earlier" not in provenance


def test_the_reference_device_is_recorded_in_the_precision_it_works_in(tmp_path: Path) -> None:
    settings = SETTINGS | {"widths": 2, "lrs": 0.1, "seeds": 1, "epochs": 1}
    study = capacity.sweep(tiny_data(tmp_path), out=tmp_path / "study", device="reference", **settings)
    (row,) = study.rows()
    with trial_file(study, row["key"]) as file:
        provenance = json.loads(file.attrs["provenance"])
    assert (row["device"], provenance["device"], provenance["precision"]) == ("reference", "reference", "float64")


def test_without_a_test_split_or_a_sixth_class_those_columns_are_nan(tmp_path: Path) -> None:
    study = capacity.sweep(tiny_data(tmp_path, classes=5, with_test=False), out=tmp_path / "study", **SETTINGS)
    row = study.rows()[0]
    assert all(math.isnan(row[name]) for name in ("train_top5", "test_loss", "test_top1", "test_top5"))
    assert row["train_top1"] >= 0
    assert not {"test_loss", "test_top1", "test_top5"} & set(study.curves(row["key"]))


def test_csv_has_a_line_per_trial_that_reads_back_exactly(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    assert export(study, target) is None
    assert target.read_text() == export(study, "-")
    lines = list(csv.DictReader(io.StringIO(target.read_text())))
    for line, row in zip(lines, study.rows(), strict=True):
        assert list(line) == list(row)
        assert float(line["train_loss"]) == row["train_loss"]
        assert line["outcome"] == row["outcome"]
        assert int(line["width"]) == row["width"]


def test_parquet_keeps_types_and_has_nulls_where_nothing_is_known(tmp_path: Path) -> None:
    study = capacity.sweep(tiny_data(tmp_path, with_test=False), out=tmp_path / "study", **SETTINGS)
    export(study, tmp_path / "table.parquet")
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.column_names == list(study.rows()[0])
    assert table["train_loss"].to_pylist() == [row["train_loss"] for row in study.rows()]
    assert table["test_loss"].null_count == 8
    assert str(table.schema.field("test_loss").type) == "double"
    assert str(table.schema.field("epochs_done").type) == "int64"
    assert "test_loss" in export(study, "-").splitlines()[0]
    assert "nan" not in export(study, "-").lower()


def test_export_refuses_other_endings_and_missing_folders(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv or \.parquet, or be '-', got"):
        export(study, tmp_path / "table.xlsx")
    with pytest.raises(InputError, match="is not there"):
        export(study, tmp_path / "nowhere" / "table.csv")
    assert list(tmp_path.iterdir()) == []


def test_every_outcome_has_a_sentence() -> None:
    assert [outcome.value for outcome in Outcome] == [
        "fitted", "converged", "step_limit", "stalled", "diverged", "time_limit",
    ]  # fmt: skip
    assert len({outcome.sentence for outcome in Outcome}) == 6
    assert all(outcome.sentence.endswith(".") for outcome in Outcome)


def test_curves_of_an_unknown_trial_are_refused(study: Study) -> None:
    with pytest.raises(InputError, match="no curves of a trial 'feed'"):
        study.curves("feed")


def test_what_is_not_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not there"):
        capacity.open_study(tmp_path / "none")
    with pytest.raises(StudyError, match=r"not a study folder: it has no study\.toml"):
        capacity.open_study(tmp_path)
    with pytest.raises(StudyError, match="not a study folder"):
        capacity.resume(tmp_path)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"epochs": 4}, "epochs = 3, and this asks for epochs = 4"),
        ({"widths": (2, 3, 4)}, "widths = 2, 3, and this asks for widths = 2, 3, 4"),
        ({"optimizer": "momentum", "momentum": 0.5}, "optimizer = sgd, and this asks for optimizer = momentum"),
        ({"metric": "top5"}, "metric = top1, and this asks for metric = top5"),
    ],
)
def test_a_study_of_other_settings_is_refused_naming_the_first(
    study: Study, change: dict[str, Any], difference: str
) -> None:
    before = study.rows()
    with pytest.raises(StudyError, match=difference):
        capacity.sweep(study.config.data, out=study.path, **(SETTINGS | change))
    assert study.rows() == before


def test_a_study_of_other_data_is_refused_and_moved_data_are_not(study: Study, tmp_path: Path) -> None:
    other = tiny_data(tmp_path, rows=61)
    with pytest.raises(StudyError, match=r"was made with data set 'tiny data' of digest \w{8}, and .* has digest"):
        capacity.sweep(other, out=study.path, **SETTINGS)
    moved = tiny_data(tmp_path)
    assert capacity.sweep(moved, out=study.path, **SETTINGS).rows() == study.rows()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("words")
    with pytest.raises(StudyError, match=r"is not a study and holds other things \('chapter1\.tex'\)"):
        capacity.sweep(tiny_data(tmp_path), out=out, **SETTINGS)
    with pytest.raises(StudyError, match="a file of that name is in the way"):
        capacity.sweep(tiny_data(tmp_path), out=out / "chapter1.tex", **SETTINGS)
    assert [path.name for path in out.iterdir()] == ["chapter1.tex"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch": 61}, "batch must be at most 60, the number of training samples of 'tiny data', got 61"),
        ({"device": "gpu"}, "device"),
        ({"epochs": -1}, "epochs must be"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(capacity.CapacityError, match=sentence):
        capacity.sweep(tiny_data(tmp_path), out=tmp_path / "study", **(SETTINGS | settings))
    assert not (tmp_path / "study").exists()


def test_top5_needs_more_than_five_classes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="metric must be 'top1' for 'tiny data', got 'top5': with 5 classes"):
        capacity.sweep(tiny_data(tmp_path, classes=5), out=tmp_path / "study", metric="top5", **SETTINGS)


def test_a_data_set_in_memory_is_refused_and_an_open_one_is_taken(tmp_path: Path) -> None:
    dataset = capacity.open_dataset(tiny_data(tmp_path))
    study = capacity.sweep(dataset, out=tmp_path / "study", **SETTINGS)
    assert Path(study.config.data) == dataset.path
    with pytest.raises(InputError, match="must be a data set with a file"):
        capacity.sweep(type(dataset)(**{**dataset.__dict__, "path": None}), **SETTINGS)


def test_a_study_of_another_format_is_refused(tmp_path: Path) -> None:
    study = capacity.sweep(tiny_data(tmp_path), out=tmp_path / "study", **SETTINGS)
    with closing(sqlite3.connect(study.path / "study.db")) as database, database:
        database.execute("UPDATE study SET value = 'capacity-study/9' WHERE name = 'format'")
    with pytest.raises(StudyError, match=r"has the format 'capacity-study/9' of capacity .*, expected"):
        capacity.resume(study.path)
    with pytest.raises(StudyError, match="open it with that version"):
        assert capacity.open_study(study.path).dataset_size


def test_missing_data_are_named_on_resume_and_can_be_named_anew(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    moved = data.rename(tmp_path / "moved.h5")
    with pytest.raises(InputError, match=r"tiny\.h5 .*name its new place as data in '.*study\.toml'"):
        capacity.resume(study.path)
    settings = study.path / "study.toml"
    settings.write_text(settings.read_text().replace(str(data), str(moved)))
    assert capacity.resume(study.path).rows() == study.rows()


def test_changed_data_are_refused_on_resume(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    tiny_data(tmp_path, rows=61)
    with pytest.raises(StudyError, match="was made with data set 'tiny data' of digest"):
        capacity.resume(study.path)


def test_the_default_folder_is_named_by_data_and_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, **SETTINGS)
    assert study.path.parent == Path("studies")
    assert study.path.name.startswith("sweep-tiny-data-")
    assert capacity.sweep("tiny.h5", **(SETTINGS | {"threads": 2})).path == study.path
    assert capacity.sweep(data, **(SETTINGS | {"epochs": 1})).path != study.path


def test_a_damaged_trial_file_is_named(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    expected = study.rows()
    key = expected[3]["key"]
    path = study.path / "trials" / f"{key}.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StudyError, match=rf"{key}\.h5' cannot be read .* remove it to train that trial again"):
        study.curves(key)
    path.unlink()
    again = capacity.resume(study.path)
    assert_whole(again)
    assert again.rows()[3]["train_loss"] == expected[3]["train_loss"]


def test_a_damaged_database_is_named_and_made_again_from_the_files(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    expected = study.rows()
    (study.path / "study.db").write_bytes(b"x" * 5000)
    with pytest.raises(StudyError, match=r"study\.db' cannot be read \(file is not a database\)"):
        study.rows()
    (study.path / "study.db").unlink()
    assert capacity.resume(study.path, threads=1).rows() == expected
    with h5py.File(study.path / "trials" / f"{expected[0]['key']}.h5") as file:
        assert "earlier" not in json.loads(file.attrs["provenance"])
