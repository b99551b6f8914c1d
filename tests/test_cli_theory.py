"""`capacity theory lnn`: the table, the JSON, and mistakes in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import capacity
from capacity.cli import main
from tests.test_import_cost import help_on, loaded_by


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["theory", *args])
    return (int(end.value.code or 0), *capsys.readouterr())


def test_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = str(tmp_path / "figures")
    code, text, err = run(capsys, "lnn", "--k-max", "3", "--samples", "1000", "--seed", "4", "--out", out)
    assert (code, err) == (0, "")
    found = capacity.theory_lnn(3, samples=1000, seed=4, out=out)
    rows = [line.split() for line in text.splitlines() if re.match(r" +\d", line)]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    for shown, row in zip(rows, found.rows, strict=True):
        assert shown[1:4] == [f"{row[name]:.6f}" for name in ("origin", "descent_origin", "mean")]
        assert shown[4:6] == [f"{row['monte_carlo']:.5f}", f"({row['monte_carlo_error']:.5f})"]
        assert shown[6:8] == [f"{row['descent']:.4f}", f"({row['descent_error']:.4f})"]
        assert shown[8] == f"{100 * row['beyond']:.2f}"
    assert str(found.figure) in text
    assert text.splitlines()[-1].startswith("The three agree: ")


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, text, err = run(capsys, "lnn", "--k-max", "2", "--radius", "0.5", "--out", str(tmp_path), "--json")
    assert (code, err) == (0, "")
    document = json.loads(text)
    found = capacity.theory_lnn(2, radius=0.5, out=tmp_path)
    assert document == {**vars(found), "figure": str(tmp_path / "lnn.png")}


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["lnn", "--k-max", "0"], "k_max must be a whole number of at least 1, got 0"),
        (["lnn", "--k-max", "many"], "invalid value for '--k-max': 'many' is not a valid integer; see"),
        (["lnn", "--samples", "1"], "samples must be a whole number of at least 100, got 1"),
        (["lnn", "--seed", "-1"], "seed must be a whole number of at least 0, got -1"),
        (["lnn", "--radius", "nan"], "radius must be a number from 0.001 to 100, got nan"),
        (["lnn", "3"], "got unexpected extra argument (3); see 'capacity theory lnn --help'"),
        (["lnm"], "no such command 'lnm'"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"capacity: error: [^\n]*[^\n.]\n", err)
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["theory", "theory lnn"])
def test_help_is_light(command: str) -> None:
    assert loaded_by(help_on(command)) == set()
